# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""coio.select and wakeup_info, which also work without the preload, where they hold their thread."""
import os
import socket
import threading
import unittest

import support
from coroutines import Coio, coio, until

SOON = 0.01


class Ends(unittest.TestCase):
    def pair(self):
        """Two sockets that are connected."""
        pair = socket.socketpair()
        for sock in pair:
            self.addCleanup(sock.close)
        return pair


class Select(Ends):
    def test_ready_now(self):
        a, b = self.pair()
        self.assertEqual(coio.select([a], [b], []), ([], [b], []))
        b.send(b'x')
        for timeout in None, 5, 0, -1:
            self.assertEqual(coio.select([a, b], [a.fileno()], [], timeout), ([a], [a.fileno()], []))

    def test_timeout(self):
        a, _ = self.pair()
        for timeout in 0, -1, SOON:
            self.assertEqual(coio.select([a], [], [], timeout), ([], [], []))
        self.assertEqual(coio.select([], [], [], 0), ([], [], []))
        self.assertEqual(coio.select([], [], [], SOON), ([], [], []))

    def test_exceptional_conditions(self):
        a, b = self.pair()
        self.assertRaises(NotImplementedError, coio.select, [a], [], [a])
        self.assertEqual(coio.select_ignorexlist([a], [b], [a, b]), ([], [b], []))

    def test_one_descriptor_twice(self):
        a, _ = self.pair()
        self.assertEqual(coio.select([], [a, a.fileno()], []), ([], [a.fileno()], []))
        self.assertEqual(coio.select([], [a.fileno(), a], []), ([], [a], []))

    def test_closed(self):
        a, b = self.pair()
        b.close()
        self.assertEqual(coio.select([a], [a], []), ([a], [a], []))
        fd = a.fileno()
        a.close()
        with self.assertRaises(OSError):
            coio.select([fd], [], [])

    def test_more_than_1024(self):
        pairs = [os.pipe() for _ in range(600)]
        try:
            self.assertEqual(coio.select([pairs[-1][0]], [pairs[-1][1]], []), ([], [pairs[-1][1]], []))
        finally:
            for fd in sum(pairs, ()):
                os.close(fd)


class WakeupInfo(Ends):
    def setUp(self):
        self.info = coio.wakeup_info()

    def test_tick(self):
        a, b = self.pair()
        event = self.info.create_event(a, 1)
        self.assertEqual((event.fd, event.mode), (a.fileno(), 1))
        self.assertEqual(self.info.tick(0), [])
        b.send(b'x')
        pending = self.info.tick(None)
        self.assertIs(pending, self.info.pending_events)
        self.assertEqual(pending, [[a.fileno(), 1]])

    def test_what_is_not_dealt_with_comes_again(self):
        a, b = self.pair()
        self.info.create_event(a, 1)
        b.send(b'x')
        self.info.tick(SOON)
        self.info.tick(None)
        self.assertEqual(self.info.pending_events, [[a.fileno(), 1]] * 2)
        self.info.pending_events.clear()
        a.recv(1)
        self.assertEqual(self.info.tick(SOON), [])

    def test_modes(self):
        a, b = self.pair()
        c, _ = self.pair()
        for sock, mode in (a, 3), (a, 2), (b, 1), (c, 3):
            self.info.create_event(sock.fileno(), mode)
        b.send(b'x')
        self.assertEqual(sorted(self.info.tick_and_move(None)),
                         sorted([[a.fileno(), 3], [a.fileno(), 2], [c.fileno(), 2]]))
        for wrong in 0, 4, -1, 'r':
            self.assertRaises(ValueError, self.info.create_event, a, wrong)

    def test_move(self):
        a, _ = self.pair()
        event = self.info.create_event(a, 2)
        moved = self.info.tick_and_move(5)
        self.assertEqual((moved, self.info.pending_events), ([[a.fileno(), 2]], []))
        event.delete()
        event.delete()
        self.assertEqual(self.info.tick_and_move(SOON), [])

    def test_hang_up(self):
        a, b = self.pair()
        self.info.create_event(a, 1)
        b.close()
        self.assertEqual(self.info.tick_and_move(None), [[a.fileno(), 1]])

    def test_from_a_thread(self):
        """What others create and delete counts for the tick() that goes on."""
        a, b = self.pair()
        with support.Crew() as crew:
            crew.start(lambda: self.info.create_event(a, 2))
            self.assertEqual(self.info.tick(None), [[a.fileno(), 2]])

    def test_no_descriptor_is_left(self):
        before = os.listdir('/proc/self/fd')
        a, b = socket.socketpair()
        with a, b:
            self.info.create_event(a, 2)
            for _ in range(5):
                self.info.tick_and_move(None)
        self.assertEqual(len(os.listdir('/proc/self/fd')), len(before))


class LetsOthersRun(Coio, Ends):
    def test_select(self):
        a, b = self.pair()
        coio.spawn(b.send, b'x')
        self.assertEqual(coio.select([a], [], []), ([a], [], []))
        other = coio.spawn(int)
        coio.select([a], [], [], 0)
        self.assertTrue(other.ended)
        other = coio.spawn(int)
        coio.select([], [], [], 0)
        self.assertFalse(other.ended)
        other.join()

    def test_tick(self):
        a, b = self.pair()
        info = coio.wakeup_info()
        info.create_event(a, 1)
        other = coio.spawn(int)
        self.assertEqual(info.tick(0), [])
        self.assertTrue(other.ended)
        coio.spawn_later(SOON, b.send, b'x')
        self.assertEqual(info.tick_and_move(None), [[a.fileno(), 1]])

    def test_created_and_deleted_while_tick_waits(self):
        a, b = self.pair()
        info = coio.wakeup_info()
        event = info.create_event(a, 1)
        waiter = until(coio.spawn(info.tick_and_move, None))
        event.delete()
        b.send(b'x')
        coio.sleep(SOON)
        self.assertFalse(waiter.ended)
        info.create_event(b, 2)
        self.assertEqual(waiter.get(), [[b.fileno(), 2]])

    def test_killed(self):
        info = coio.wakeup_info()
        waiter = until(coio.spawn(info.tick, None))
        waiter.kill()
        self.assertIsNone(info._ends)

    def test_from_a_kernel_thread(self):
        a, _ = self.pair()
        info = coio.wakeup_info()
        waiter = until(coio.spawn(info.tick, None))
        with support.native_threads():
            thread = threading.Thread(target=info.create_event, args=(a, 2))
            thread.start()
        self.assertEqual(waiter.get(), [[a.fileno(), 2]])
        thread.join()


if __name__ == '__main__':
    support.main()
