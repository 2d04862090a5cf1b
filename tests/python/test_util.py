# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""syncless.util: the silent Timeout, a call with a time limit, and the queue with two ends.

Waits that a limit is to end would last for ever, so no clock is looked at.
"""
import queue
import threading
import unittest

import support
from coroutines import Coio, Raised, coio, forever, until

from syncless import stackless, util

SOON = 0.01


@unittest.skipIf(support.GREEN, 'without the preload')
class Plainly(unittest.TestCase):
    def test_what_waits_says_what_to_do(self):
        for call in util.Timeout(1).__enter__, lambda: util.run_in_tasklet_with_timeout(print, 1):
            with self.assertRaisesRegex(RuntimeError, 'syncless run'):
                call()

    def test_queue_between_threads(self):
        items, found = util.Queue(), []
        with support.Crew() as crew:
            crew.start(lambda: found.extend([items.popleft(), items.pop()]))
            items.append(1)
            items.append(2)
        self.assertEqual(found, [1, 2])


class Timeout(Coio):
    def test_goes_on_behind_the_block(self):
        for wait in forever, stackless.channel().receive, lambda: coio.sleep(1000):
            with util.Timeout(SOON):
                wait()
                self.fail('the wait has ended')

    def test_ends_one_that_never_waits_long(self):
        busy = coio.spawn(lambda: [coio.sleep() for _ in iter(int, 1)])
        with util.Timeout(SOON):
            while True:
                stackless.schedule(None)
        busy.kill()

    def test_exception_in_the_block(self):
        for exc, args in ((util.TimeoutException, ()), (Raised, ()), (Raised(1, 2), (1, 2))):
            with util.Timeout(SOON, *[exc] if args or exc is Raised else []):
                with self.assertRaises(exc if isinstance(exc, type) else Raised) as caught:
                    forever()
            self.assertEqual(caught.exception.args, args)
            self.assertIsNot(caught.exception, exc)
        self.assertTrue(issubclass(util.TimeoutException, Exception))

    def test_swallows_its_own_alone(self):
        error = util.TimeoutException()
        with self.assertRaises(util.TimeoutException) as caught, util.Timeout(1000):
            raise error
        self.assertIs(caught.exception, error)

    def test_nested(self):
        turns = []
        with util.Timeout(SOON):
            with util.Timeout(1000):
                forever()
            self.fail('the inner one has swallowed what is not its own')
        with util.Timeout(1000):
            with util.Timeout(SOON):
                forever()
            turns.append(1)
        self.assertEqual(turns, [1])

    def test_none_and_zero(self):
        turns = []
        with util.Timeout(None):
            coio.sleep(SOON)
            turns.append(1)
        with util.Timeout(0):
            turns.append(2)
            coio.sleep()
            turns.append(3)
        self.assertEqual(turns, [1, 2])

    def test_cancel_and_change(self):
        with util.Timeout(SOON) as timeout:
            timeout.cancel()
            coio.sleep(2 * SOON)
            timeout.change(SOON)
            with self.assertRaises(util.TimeoutException):
                forever()
            timeout.change(1000)
            self.assertTrue(timeout.pending)
            timeout.change(None)
            self.assertFalse(timeout.pending)
            timeout.change(0)
            forever()
        timeout.change(SOON)
        self.assertFalse(timeout.pending)
        with timeout:
            forever()

    def test_changed_by_another(self):
        """Its old limit, which has passed, does not end the wait."""
        def body():
            with util.Timeout(SOON) as timeout:
                timeouts.append(timeout)
                done.wait()
                return 'over'

        timeouts, done = [], coio.Event()
        co = until(coio.spawn(body))
        timeouts[0].change(1000)
        coio.sleep(2 * SOON)
        done.set()
        self.assertEqual(co.get(), 'over')

    def test_is_one_of_coios(self):
        with self.assertRaises(coio.Timeout), coio.Timeout(SOON), util.Timeout(1000):
            forever()
        self.assertTrue(issubclass(util.Timeout, coio.Timeout))


class WithTimeout(Coio):
    def call(self, function, *args, timeout=1000, default='default', **kwargs):
        return util.run_in_tasklet_with_timeout(function, timeout, default, args, kwargs)

    def test_in_time(self):
        here = stackless.getcurrent()
        self.assertEqual(self.call(lambda a, b: (a, b, stackless.getcurrent() is here), 1, b=2), (1, 2, False))
        self.assertEqual(util.run_in_tasklet_with_timeout(lambda: 5, None), 5)

    def test_too_late(self):
        def slow():
            try:
                forever()
            except stackless.TaskletExit:
                coio.sleep(SOON)
                log.append('ended')
                raise

        log = []
        self.assertEqual(self.call(slow, timeout=SOON), 'default')
        self.assertEqual(log, ['ended'])
        self.assertIsNone(util.run_in_tasklet_with_timeout(slow, SOON))
        self.assertEqual(self.printed, [])

    def test_never_started(self):
        for timeout in 0, -1:
            self.assertEqual(self.call(self.fail, timeout=timeout), 'default')

    def test_raises(self):
        for error in Raised('here'), SystemExit(3), util.TimeoutException():
            def fails():
                raise error
            with self.assertRaises(type(error)) as caught:
                self.call(fails)
            self.assertIs(caught.exception, error)
        self.assertEqual(self.printed, [])

    def test_injected_into_the_caller(self):
        """It is not taken for the call's own, and the call ends."""
        ended = []

        def slow():
            try:
                forever()
            finally:
                ended.append(True)

        def body():
            try:
                self.call(slow)
            except Raised as error:
                return error

        error = Raised()
        co = coio.spawn(body)
        coio.sleep(SOON)
        co.kill(error)
        self.assertIs(co.value, error)
        coio.sleep()
        self.assertEqual(ended, [True])


class Queue(Coio):
    def test_truth(self):
        items = util.Queue()
        self.assertEqual((bool(items), len(items), list(items)), (False, 0, []))
        items.append(None)
        self.assertEqual((bool(items), len(items), list(items)), (True, 1, [None]))

    def test_both_ends(self):
        items = util.Queue((2, 3))
        items.append(4)
        items.appendleft(1)
        self.assertEqual(list(items), [1, 2, 3, 4])
        self.assertEqual([items.popleft(), items.pop(), items.pop(), items.popleft()], [1, 4, 3, 2])
        self.assertEqual(items.pending_receiver_count, 0)
        for take in items.popleft, items.pop:
            self.assertRaises(queue.Empty, take, timeout=0)

    def blocking(self, take):
        def work(name):
            while True:
                item = take(items)
                log.append((name, item))
                if item is None:
                    return

        items, log = util.Queue(), []
        workers = [stackless.tasklet(work)(name) for name in 'AB']
        coio.sleep()
        self.assertEqual(items.pending_receiver_count, 2)
        for item in range(4):
            items.append(item)
        self.assertEqual((log, items.pending_receiver_count, list(items)), ([], 0, [2, 3]))
        coio.sleep()
        self.assertEqual((items.pending_receiver_count, len(items)), (2, 0))
        for _ in workers:
            items.append(None)
        coio.sleep()
        self.assertEqual([worker.alive for worker in workers], [False, False])
        return log

    def test_blocking_first_in_first_out(self):
        self.assertEqual(self.blocking(util.Queue.popleft),
                         [('A', 0), ('A', 2), ('A', 3), ('B', 1), ('A', None), ('B', None)])

    def test_blocking_last_in_first_out(self):
        self.assertEqual(self.blocking(util.Queue.pop),
                         [('A', 0), ('A', 3), ('A', 2), ('B', 1), ('A', None), ('B', None)])

    def test_is_not_taken_from_who_waits(self):
        items = util.Queue()
        one = until(coio.spawn(items.pop))
        items.append(1)
        self.assertRaises(queue.Empty, items.pop, timeout=0)
        self.assertEqual(one.get(), 1)

    def test_preference(self):
        for preference, log in ((1, []), (0, []), (-1, [5])):
            items, found = util.Queue(preference=preference), []
            until(coio.spawn(lambda: found.append(items.popleft())))
            items.append(5)
            self.assertEqual(found, log)
            coio.sleep()

    def kill_on_its_way(self, items, co):
        """Its item has come, and it waits for the queue's lock."""
        with items.mutex:
            self.assertTrue(until(co).alive)
            co.kill(block=False)
            self.assertTrue(until(co).alive)
        co.join()
        self.assertIsInstance(co.exception, coio.GreenletExit)

    def test_killed(self):
        """What it was to have goes to the next one that waits, or lies in the queue first."""
        items = util.Queue()
        cos = [until(coio.spawn(items.popleft)) for _ in range(2)]
        items.append(1)
        self.kill_on_its_way(items, cos[0])
        self.assertEqual((cos[1].get(support.HANG), items.pending_receiver_count), (1, 0))
        last = until(coio.spawn(items.popleft))
        items.append(2)
        items.append(3)
        self.kill_on_its_way(items, last)
        self.assertEqual((list(items), items.pending_receiver_count), ([2, 3], 0))

    def test_killed_too_late(self):
        items = util.Queue()
        co = until(coio.spawn(items.popleft))
        items.append(1)
        co.kill()
        self.assertEqual((co.value, list(items)), (1, []))

    def test_as_coios(self):
        items = util.Queue()
        items.put(1)
        self.assertEqual((items.get(), items.qsize()), (1, 0))
        self.assertRaises(queue.Empty, items.get, False)
        self.assertRaises(queue.Empty, items.get, timeout=SOON)
        items.task_done()
        items.join()

    def test_from_kernel_threads(self):
        items = util.Queue()
        co = coio.spawn(lambda: [items.popleft() for _ in range(100)])
        with support.native_threads():
            thread = threading.Thread(target=lambda: [items.append(n) for n in range(100)])
            thread.start()
        self.assertEqual(co.get(support.HANG), list(range(100)))
        thread.join()


if __name__ == '__main__':
    support.main()
