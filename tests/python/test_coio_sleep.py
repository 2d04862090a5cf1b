# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""coio.sleep() by the protocol of 2010, and what is left of the main-loop tasklet of that time."""
import os
import signal
import threading
import time
import unittest

import support
from coroutines import Coio, Raised, coio, until

from syncless import stackless

SOON = 0.01


@unittest.skipIf(support.GREEN, 'without the preload')
class Plainly(unittest.TestCase):
    def test_what_does_not_wait_works(self):
        self.assertIsNone(coio.sleep(0))
        self.assertIsNone(coio.sleep(-1))
        self.assertIsNone(coio.reinit())
        self.assertIsNone(coio.cancel_main_loop_wait())

    def test_what_waits_says_what_to_do(self):
        for call in (lambda: coio.sleep(SOON), coio.sleep, coio.version, coio.method, coio.nonblocking_loop_for_tests,
                     lambda: coio.receive_with_timeout(1, stackless.channel())):
            self.assertRaisesRegex(RuntimeError, 'syncless run', call)


class Sleep(Coio):
    def sleeper(self, seconds=1000):
        """A tasklet that sleeps, and the list of what its sleep has returned or raised."""
        def body():
            try:
                log.append(coio.sleep(seconds))
            except BaseException as error:
                log.append(error)

        log = []
        tasklet = stackless.tasklet(body)()
        coio.sleep()
        return tasklet, log

    def test_main(self):
        began = time.monotonic()
        self.assertIs(coio.sleep(SOON), coio.event_happened_token)
        self.assertGreaterEqual(time.monotonic() - began, SOON)

    def test_zero_and_less_do_not_switch(self):
        other = coio.spawn(self.fail)
        self.assertIsNone(coio.sleep(0))
        self.assertIsNone(coio.sleep(-1.5))
        self.assertFalse(other.begun)
        other.kill()
        self.assertRaises(ValueError, coio.sleep, float('nan'))

    def test_without_seconds(self):
        other = coio.spawn(int)
        self.assertIsNone(coio.sleep())
        self.assertTrue(other.ended)

    def test_other_tasklet(self):
        tasklet, log = self.sleeper(SOON)
        self.assertTrue(tasklet.alive)
        self.assertFalse(tasklet.scheduled)
        self.assertFalse(tasklet.blocked)
        while tasklet.alive:
            coio.sleep(SOON)
        self.assertEqual(log, [coio.event_happened_token])

    def test_inserted(self):
        tasklet, log = self.sleeper()
        tasklet.tempval = 'early'
        self.assertIs(tasklet.insert(), tasklet)
        self.assertTrue(tasklet.scheduled)
        coio.sleep()
        self.assertEqual(log, ['early'])

    def test_inserted_without_a_value(self):
        tasklet, log = self.sleeper()
        tasklet.insert()
        coio.sleep()
        self.assertTrue(log[0])
        self.assertIsNot(log[0], coio.event_happened_token)

    def test_run(self):
        tasklet, log = self.sleeper()
        tasklet.tempval = 'early'
        tasklet.run()
        self.assertEqual(log, ['early'])

    def test_bomb(self):
        tasklet, log = self.sleeper()
        error = Raised()
        tasklet.tempval = stackless.bomb(Raised, error)
        tasklet.insert()
        coio.sleep()
        self.assertEqual(log, [error])

    def test_raised_and_killed(self):
        tasklet, log = self.sleeper()
        tasklet.raise_exception(Raised, 1)
        self.assertIsInstance(log[0], Raised)
        tasklet, log = self.sleeper()
        tasklet.remove().kill()
        self.assertIsInstance(log[0], stackless.TaskletExit)

    def test_inserted_by_a_thread(self):
        tasklet, log = self.sleeper()
        tasklet.tempval = 'early'
        with support.native_threads():
            thread = threading.Thread(target=tasklet.insert)
            thread.start()
        while tasklet.alive:
            coio.sleep(0.001)
        thread.join()
        self.assertEqual(log, ['early'])

    def test_tempval_is_the_sleeps_own(self):
        me = stackless.getcurrent()
        me.tempval = 'left over'
        self.assertIs(coio.sleep(SOON), coio.event_happened_token)
        self.assertIsNone(me.tempval)

    def test_a_signal_does_not_end_it(self):
        heard = []
        with support.handler(signal.SIGUSR1, lambda *_: heard.append(True)):
            stackless.getcurrent()  # by which it has a tasklet; the one that is spawned has none
            other = coio.spawn(coio.sleep, 3 * SOON)
            coio.spawn_later(SOON, os.kill, os.getpid(), signal.SIGUSR1)
            began = time.monotonic()
            self.assertIs(coio.sleep(3 * SOON), coio.event_happened_token)
            self.assertGreaterEqual(time.monotonic() - began, 3 * SOON)
            self.assertIs(other.get(), coio.event_happened_token)
        self.assertEqual(heard, [True])

    def test_timeout_ends_it(self):
        stackless.getcurrent()
        with coio.Timeout(SOON, silent=True):
            coio.sleep(1000)
            self.fail()


class Schedule(Coio):
    """The round of the runnables once coio is imported: main, the stand-in for the main loop, and the others."""

    def setUp(self):
        super().setUp()
        self.log = []
        self.assertEqual(stackless.getruncount(), 2)

    def tearDown(self):
        if support.GREEN:
            self.assertEqual(stackless.getruncount(), 2)
        super().tearDown()

    def worker(self, name, turns=3):
        def work():
            for _ in range(turns):
                self.log.append(name)
                stackless.schedule(None)
        return stackless.tasklet(work)()

    def test_round_robin(self):
        for name in 'ABC':
            self.worker(name)
        self.assertEqual(stackless.getruncount(), 5)
        for turn in range(1, 5):
            self.log.append('M')
            stackless.schedule(None)
            self.assertEqual(''.join(self.log), 'MABC' * min(turn, 3) + 'M' * (turn > 3))

    def test_with_an_idle_file(self):
        ends = os.pipe()
        self.addCleanup(lambda: [os.close(end) for end in ends])
        coio.fdopen(ends[0], do_close=0)
        self.test_round_robin()

    def test_woken_reader_comes_first(self):
        """Before the next round, for in this one the loop is polled."""
        def write():
            os.write(ends[1], b'R')
            self.log.append('A')
            end = time.monotonic() + 0.002  # the loop is polled when 1 ms has passed
            while time.monotonic() < end:
                pass
            stackless.schedule(None)
            self.log.append('A')

        ends = os.pipe()
        stackless.tasklet(lambda: self.log.append(os.read(ends[0], 1).decode()))()
        coio.sleep()
        stackless.tasklet(write)()
        self.worker('B', 2)
        self.worker('C', 2)
        while stackless.getruncount() > 2:
            stackless.schedule(None)
        order = ''.join(self.log)
        self.assertEqual(order.replace('R', ''), 'ABCABC')
        self.assertLess(order.index('R'), order.rindex('A'))
        for end in ends:
            os.close(end)

    def test_in_a_thread_there_is_no_stand_in(self):
        with support.Crew() as crew:
            crew.start(lambda: self.log.append(stackless.getruncount()))
        self.assertEqual(self.log, [1])


class MainLoop(Coio):
    def test_stand_in(self):
        loop = coio.get_main_loop_tasklet()
        self.assertIs(loop, coio.get_main_loop_tasklet())
        self.assertTrue(loop.alive and loop.scheduled)
        self.assertFalse(loop.blocked or loop.is_main or loop.is_current)
        self.assertIs(loop.insert(), loop)
        self.assertIs(loop.remove(), loop)
        other = coio.spawn(int)
        loop.run()
        self.assertTrue(other.ended)
        for end in loop.kill, lambda: loop.raise_exception(Raised), lambda: loop.throw(Raised):
            self.assertRaises(RuntimeError, end)

    def test_insert_after_current(self):
        log = []
        one, two, three, four = [stackless.tasklet(log.append)(name) for name in 'abcd']
        coio.insert_after_current(three)
        coio.insert_after_current(stackless.getcurrent())
        coio.insert_after_current(coio.get_main_loop_tasklet())
        coio.sleep()
        self.assertEqual(''.join(log), 'cabd')
        coio.insert_after_current(one)
        blocked = stackless.tasklet(stackless.channel().receive)()
        coio.sleep()
        coio.insert_after_current(blocked)
        self.assertTrue(blocked.blocked)
        blocked.kill()
        sleeper = stackless.tasklet(lambda: log.append(bool(coio.sleep(1000))))()
        coio.sleep()
        coio.insert_after_current(sleeper)
        coio.sleep()
        self.assertIs(log[-1], True)

    def test_send_exception(self):
        """It goes to who is meant, who waits at a channel beside others, and is the next to run."""
        def receive(name):
            try:
                log.append((name, channel.receive()))
            except Raised as error:
                log.append((name, error))

        log, channel = [], stackless.channel()
        one, two = [stackless.tasklet(receive)(name) for name in 'ab']
        coio.sleep()
        busy = stackless.tasklet(log.append)('busy')
        error = Raised('here')
        coio.SendExceptionAndScheduleNext(two, (Raised, error))
        stackless.schedule(None)
        self.assertEqual(log, [('b', error), 'busy'])
        self.assertEqual(channel.balance, -1)
        channel.send('value')
        stackless.schedule(None)
        self.assertEqual(log[-1], ('a', 'value'))
        self.assertFalse(one.alive or busy.alive)

    def test_send_exception_to_a_sender_and_to_one_that_has_not_begun(self):
        log, channel = [], stackless.channel()

        def send():
            try:
                channel.send(1)
            except Raised:
                log.append('sender')

        sender = stackless.tasklet(send)()
        coio.sleep()
        coio.SendExceptionAndScheduleNext(sender, [Raised])
        new = stackless.tasklet(self.fail)()
        coio.SendExceptionAndScheduleNext(new, [stackless.TaskletExit])
        coio.sleep()
        self.assertEqual((log, channel.balance, new.alive), (['sender'], 0, False))
        coio.SendExceptionAndScheduleNext(new, [Raised])  # nothing, it has ended

    def test_send_exception_arguments(self):
        me = stackless.getcurrent()
        for wrong in 'text', Raised, (1, 2, 3, 4), (5,):
            self.assertRaises(TypeError, coio.SendExceptionAndScheduleNext, me, wrong)
        self.assertRaises(ValueError, coio.SendExceptionAndScheduleNext, me, ())
        try:
            raise Raised('with a traceback')
        except Raised as error:
            trace = error.__traceback__
        with self.assertRaises(Raised) as caught:
            coio.SendExceptionAndScheduleNext(me, (Raised, Raised('x'), trace))
        self.assertEqual(caught.exception.args, ('x',))
        self.assertRaises(KeyboardInterrupt, coio.SigIntHandler)

    def test_sigint_handler_reaches_main(self):
        other = stackless.tasklet(coio.SigIntHandler)()
        self.assertRaises(KeyboardInterrupt, lambda: coio.sleep(1000))
        self.assertFalse(other.alive)

    def test_facts(self):
        self.assertRegex(coio.version(), r'^4\.\d+$')
        self.assertEqual(coio.method(), os.environ.get('SYNCLESS_BACKEND') or 'epoll')
        self.assertEqual(coio.nonblocking_loop_for_tests(), 0)
        self.assertIs(coio.has_feature_may_loop_return_1(), False)
        self.assertIs(coio.has_feature_multiple_events_on_same_fd(), True)
        self.assertEqual(coio.max_nonblocking_pipe_write_size, 65536)
        self.assertIsNone(coio.reinit(do_recreate=1))

    def test_cancel_wait_from_a_thread(self):
        with support.native_threads():
            thread = threading.Thread(target=coio.cancel_main_loop_wait)
            thread.start()
        thread.join(support.HANG)


class Channel(Coio):
    def test_in_time(self):
        channel = stackless.channel()
        stackless.tasklet(lambda: (coio.sleep(SOON), channel.send('late')))()
        self.assertEqual(coio.receive_with_timeout(1000, channel, 'default'), 'late')
        stackless.tasklet(channel.send)('any time')
        self.assertEqual(coio.receive_with_timeout(None, channel), 'any time')

    def test_too_late(self):
        channel = stackless.channel()
        self.assertEqual(coio.receive_with_timeout(SOON, channel, 'default'), 'default')
        self.assertIsNone(coio.receive_with_timeout(SOON, channel))
        self.assertEqual(channel.balance, 0)

    def test_zero_and_less_do_not_wait(self):
        channel = stackless.channel()
        for timeout in 0, -1:
            self.assertEqual(coio.receive_with_timeout(timeout, channel, 'default'), 'default')
            until(coio.spawn(channel.send, 'there'))
            self.assertEqual(coio.receive_with_timeout(timeout, channel, 'default'), 'there')

    def test_what_is_raised_is_raised(self):
        """IndexError was the original's own signal."""
        channel = stackless.channel()
        for error in IndexError, coio.GreenletExit:
            stackless.tasklet(channel.send_exception)(error)
            self.assertRaises(error, coio.receive_with_timeout, 1000, channel)

    def test_killed(self):
        channel = stackless.channel()
        co = until(coio.spawn(coio.receive_with_timeout, 1000, channel))
        co.kill()
        self.assertEqual(channel.balance, 0)


if __name__ == '__main__':
    support.main()
