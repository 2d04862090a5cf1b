# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""coio.Timeout in main, in coroutines and in green threads.

Each wait in here would last for ever, so what ends it is the Timeout, and no
clock is looked at.
"""
import ctypes
import functools
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import inline_calls
import support
from coroutines import Raised, _glue, coio, forever

SOON = 0.01
STUBBORN = r'''
#include <poll.h>

void wait_for(int fd, int *tries)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	do
		++*tries;
	while (poll(&p, 1, -1) != 1);
}
'''


@functools.lru_cache(None)
def stubborn_library():
    with tempfile.TemporaryDirectory() as folder:
        return ctypes.CDLL(inline_calls.compile_c(f'{folder}/libstubborn.so', STUBBORN, '-shared', '-fPIC'))


def compute_past(timeout):
    """Until it is over, without a wait."""
    while time.monotonic_ns() < timeout._deadline:
        pass


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Timeout(unittest.TestCase):
    def run(self, result=None):
        """Each test three times."""
        if not support.GREEN:
            return super().run(result)
        super().run(result)
        coio.spawn(super().run, result).get()
        thread = threading.Thread(target=super().run, args=(result,))
        thread.start()
        thread.join(support.HANG)
        return result

    def tearDown(self):
        self.assertEqual(coio.current().timeouts, [])
        coio.sleep(SOON)  # raises what has been left behind
        _glue.verify()

    def test_raises_itself(self):
        with self.assertRaises(coio.Timeout) as caught, coio.Timeout(SOON) as timeout:
            self.assertTrue(timeout.pending)
            forever()
        self.assertIs(caught.exception, timeout)
        self.assertFalse(timeout.pending)
        self.assertEqual(str(timeout), '0.01 s have passed')
        self.assertNotIsInstance(timeout, Exception)

    def test_ends_every_wait(self):
        a, b = socket.socketpair()
        lock = coio.Lock()
        lock.acquire()
        full = coio.Queue(1)
        full.put(0)
        other = coio.spawn(forever)
        condition = coio.Condition()
        child = subprocess.Popen(['cat'], stdin=subprocess.PIPE)
        with a, b, child, condition:
            for wait in (lambda: coio.sleep(1000), lambda: time.sleep(1000), lambda: a.recv(1), lock.acquire,
                         coio.Semaphore(0).acquire, coio.Queue().get, lambda: full.put(1), condition.wait,
                         other.join, other.get, lambda: coio.wait([other]), child.wait,
                         lambda: select.select([a], [], []), lambda: b.sendall(bytes(1 << 24))):
                with self.assertRaises(coio.Timeout), coio.Timeout(SOON):
                    wait()
            child.stdin.close()
        other.kill()

    def test_limits_all_waits_together(self):
        turns = []
        with coio.Timeout(SOON, silent=True):
            while True:
                coio.sleep(SOON / 10)
                turns.append(1)
        self.assertLess(len(turns), 10)

    def test_another_exception(self):
        instance = Raised('instance')
        for exc in Raised, instance:
            with self.assertRaises(Raised) as caught, coio.Timeout(SOON, exc):
                forever()
        self.assertIs(caught.exception, instance)

    def test_silent(self):
        for exc in None, Raised:
            with coio.Timeout(SOON, exc, silent=True) as timeout:
                forever()
            self.assertFalse(timeout.pending)

    def test_silent_swallows_its_own_alone(self):
        with self.assertRaises(Raised), coio.Timeout(1000, silent=True):
            raise Raised
        with self.assertRaises(coio.Timeout), coio.Timeout(1000, silent=True):
            raise coio.Timeout(1)
        with self.assertRaises(Raised), coio.Timeout(SOON, silent=True):
            try:
                forever()
            except coio.Timeout:
                raise Raised

    def test_body_may_catch_it(self):
        with coio.Timeout(SOON) as timeout:
            with self.assertRaises(coio.Timeout):
                forever()
            self.assertFalse(timeout.pending)
            coio.sleep(SOON)

    def test_none(self):
        with coio.Timeout(None) as timeout, coio.Timeout() as other, coio.Timeout(float('inf')):
            self.assertFalse(timeout.pending or other.pending)
            coio.sleep(SOON)

    def test_zero(self):
        for seconds in 0, -1:
            for wait in forever, coio.sleep:
                with self.assertRaises(coio.Timeout), coio.Timeout(seconds):
                    wait()

    def test_cancel(self):
        with coio.Timeout(SOON) as timeout:
            timeout.cancel()
            self.assertFalse(timeout.pending)
            coio.sleep(2 * SOON)

    def test_computing_is_not_ended(self):
        with coio.Timeout(SOON) as timeout:
            compute_past(timeout)
        self.assertFalse(timeout.pending)
        coio.sleep(SOON)
        with self.assertRaises(coio.Timeout), coio.Timeout(SOON) as timeout:
            compute_past(timeout)
            coio.sleep()

    def test_start_and_cancel(self):
        timeout = coio.Timeout(SOON)
        for _ in range(2):
            self.assertFalse(timeout.pending)
            self.assertIs(timeout.start(), timeout)
            self.assertTrue(timeout.pending)
            self.assertRaises(RuntimeError, timeout.start)
            with self.assertRaises(coio.Timeout) as caught:
                forever()
            self.assertIs(caught.exception, timeout)
            timeout.cancel()
        with timeout.start():
            with self.assertRaises(coio.Timeout):
                forever()

    def test_inner_first(self):
        with coio.Timeout(1000) as outer:
            with self.assertRaises(coio.Timeout) as caught, coio.Timeout(SOON) as inner:
                forever()
            self.assertIs(caught.exception, inner)
            self.assertTrue(outer.pending)

    def test_outer_first(self):
        with self.assertRaises(coio.Timeout) as caught, coio.Timeout(SOON) as outer:
            with coio.Timeout(1000, silent=True):
                forever()
        self.assertIs(caught.exception, outer)

    def test_outer_after_inner(self):
        with self.assertRaises(coio.Timeout) as caught, coio.Timeout(2 * SOON) as outer:
            with coio.Timeout(SOON, silent=True):
                forever()
            forever()
        self.assertIs(caught.exception, outer)

    def test_both_due_at_once(self):
        """The one that is not raised first is raised by its own block's next wait, if there is one."""
        with self.assertRaises(coio.Timeout) as caught, coio.Timeout(2 * SOON) as outer:
            with coio.Timeout(SOON, silent=True):
                compute_past(outer)
                forever()
            forever()
        self.assertIs(caught.exception, outer)
        with self.assertRaises(coio.Timeout) as caught, coio.Timeout(SOON) as outer:
            with coio.Timeout(2 * SOON, silent=True) as inner:
                compute_past(inner)
                forever()
        self.assertIs(caught.exception, outer)
        with coio.Timeout(2 * SOON) as outer, coio.Timeout(SOON, silent=True):
            compute_past(outer)
            forever()

    def test_two_of_one_object(self):
        timeout = coio.Timeout(SOON, silent=True)
        for _ in range(2):
            with timeout:
                forever()

    def test_kill_comes_first(self):
        def body():
            with coio.Timeout(1000):
                forever()

        co = coio.spawn(body)
        coio.sleep()
        co.kill()
        self.assertIsInstance(co.exception, coio.GreenletExit)

    def test_is_for_the_caller_alone(self):
        other = coio.spawn(coio.sleep, 3 * SOON)
        with self.assertRaises(coio.Timeout), coio.Timeout(SOON):
            other.join()
        other.get()

    def test_left_pending_by_a_coroutine(self):
        timeouts = []
        coio.spawn(lambda: timeouts.append(coio.Timeout(SOON).start())).join()
        self.assertFalse(timeouts[0].pending)
        timeouts[0].cancel()

    @unittest.skipUnless(inline_calls.CC, 'no compiler')
    def test_a_library_that_never_gives_up(self):
        """As gRPC's does in a thread: it is told so many times, then waits undisturbed instead of spinning."""
        library, tries = stubborn_library(), ctypes.c_int()
        ours, its = socket.socketpair()
        with ours, its:
            threading.Thread(target=lambda: (time.sleep(20 * SOON), ours.send(b'x'))).start()
            with self.assertRaises(coio.Timeout), coio.Timeout(SOON):
                library.wait_for(its.fileno(), ctypes.byref(tries))
                coio.sleep(SOON)
        self.assertLess(tries.value, 2000)

    def test_not_in_kernel_threads(self):
        errors = []

        def body():
            try:
                coio.Timeout(1).start()
            except RuntimeError as error:
                errors.append(error)

        with support.native_threads():
            thread = threading.Thread(target=body)
            thread.start()
        thread.join(support.HANG)
        self.assertIn('kernel thread', str(errors[0]))

    def test_in_the_thread_that_has_imported_it_first(self):
        """The waits that end there are CPython's own, which otherwise would not look."""
        code = f'''
import sys, threading
sys.path.insert(0, {os.path.join(support.ROOT, "pyglue")!r})
def body():
    from syncless import coio
    try:
        with coio.Timeout(0.01):
            threading.Event().wait()
    except coio.Timeout:
        print("in time")
    co = coio.spawn(threading.Event().wait)
    coio.sleep()
    co.kill()
    print(co.ended)
thread = threading.Thread(target=body)
thread.start()
thread.join()
'''
        run = support.run_python('-c', code)
        self.assertEqual((run.stdout, run.stderr), ('in time\nTrue\n', ''))


if __name__ == '__main__':
    support.main()
