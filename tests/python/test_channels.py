# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
"""Channels, and what counts as a deadlock: as Stackless Python's manual and the tests of 2010 say."""
import sys
import threading
import time
import unittest

import support
import tasklets
from tasklets import stackless


class Deadlocks(tasklets.Case):
    DEADLOCK = 'Deadlock: the last runnable tasklet cannot be blocked.'

    def test_main_alone(self):
        channel = stackless.channel()
        for wait in (channel.receive, lambda: channel.send(1)):
            with self.assertRaisesRegex(RuntimeError, self.DEADLOCK):
                wait()
            self.assertEqual(channel.balance, 0)

    def test_main_is_left_alone(self):
        channel = stackless.channel()
        self.teller('A')
        with self.assertRaisesRegex(StopIteration, 'the main tasklet is receiving without a sender available.'):
            channel.receive()
        self.teller('B')
        with self.assertRaisesRegex(StopIteration, 'the main tasklet is sending without a receiver available.'):
            channel.send(1)
        self.assertEqual((channel.balance, self.log), (0, ['A', 'B']))

    def test_the_error_of_the_last_is_context(self):
        def fail():
            raise error
        error = KeyError(1)
        stackless.tasklet(fail)()
        with self.assertRaises(StopIteration) as caught:
            stackless.channel().receive()
        self.assertIs(caught.exception.__context__, error)

    def test_the_last_blocks_while_main_does(self):
        ours, theirs = stackless.channel(), stackless.channel()

        def body():
            try:
                theirs.receive()
            except RuntimeError as error:
                self.log.append(str(error))
            ours.send('well')
        stackless.tasklet(body)()
        self.assertEqual(ours.receive(), 'well')
        stackless.run()
        self.assertEqual(self.log, [self.DEADLOCK])

    def test_main_is_put_back(self):
        channel = stackless.channel()
        self.assertEqual(stackless.schedule_remove('alone'), 'alone')
        self.teller('A')
        self.assertEqual(stackless.schedule_remove('ended'), 'ended')
        one = self.receiver(channel)
        self.assertEqual(stackless.schedule_remove('blocked'), 'blocked')
        other = stackless.tasklet(stackless.schedule_remove)()
        self.assertEqual(stackless.schedule_remove('removed'), 'removed')
        self.assertEqual((self.log, one.blocked), (['A'], True))
        one.kill()
        other.kill()

    def test_waits_are_no_deadlocks(self):
        channel = stackless.channel()

        def body():
            time.sleep(0.01)
            channel.send('woken')
        stackless.tasklet(body)()
        self.assertEqual(channel.receive(), 'woken')
        stackless.tasklet(lambda: time.sleep(0.01))()
        with self.assertRaises(StopIteration):
            channel.receive()
        stackless.tasklet(lambda: (time.sleep(0.01), self.log.append('slept')))()
        stackless.schedule_remove()
        self.assertEqual(self.log, ['slept'])
        stackless.run()

    def test_another_thread_may_send(self):
        """As demo_thread_channel of 2010: with a second thread there is no deadlock."""
        channel = stackless.channel()
        gate = threading.Event()

        def body():
            gate.wait()
            channel.send('from afar')
        thread = threading.Thread(target=body)
        thread.start()
        gate.set()
        self.assertEqual(channel.receive(), 'from afar')
        thread.join()


class Running(tasklets.Case):
    def test_until_all_are_blocked(self):
        channel = stackless.channel()
        blocked = self.receiver(channel)
        self.teller('A', 3)
        stackless.tasklet(lambda: (time.sleep(0.01), self.log.append('slept')))()
        stackless.run()
        self.assertEqual(self.log, ['A', 'A', 'A', 'slept'])
        self.assertTrue(blocked.blocked)
        stackless.run()
        blocked.kill()

    def test_errors_come_out(self):
        def fail():
            raise KeyError(1)
        stackless.tasklet(fail)()
        self.teller('A')
        with self.assertRaises(KeyError):
            stackless.run()
        stackless.run()
        self.assertEqual(self.log, ['A'])

    def test_is_for_main(self):
        stackless.tasklet(stackless.run)()
        with self.assertRaisesRegex(RuntimeError, 'main tasklet'):
            stackless.run()
        with self.assertRaises(NotImplementedError):
            stackless.run(100)

    def test_beside_threads(self):
        """It waits for the tasklets of its thread, not for threads."""
        gate = threading.Event()
        thread = threading.Thread(target=gate.wait)
        thread.start()
        self.teller('A')
        stackless.run()
        gate.set()
        thread.join()
        self.assertEqual(self.log, ['A'])


class Channels(tasklets.Case):
    def setUp(self):
        super().setUp()
        self.channel = stackless.channel()

    def test_receiver_first(self):
        self.assertEqual(self.channel.preference, -1)
        self.receiver(self.channel)
        stackless.schedule()
        self.teller('A')
        self.channel.send(1)
        self.assertEqual(self.log, [('', 1), 'A'])

    def test_receiver_finds_a_sender(self):
        self.sender(self.channel, 1)
        stackless.schedule()
        self.teller('A')
        self.assertEqual(self.channel.receive(), 1)
        self.assertEqual(self.log, [])
        stackless.run()
        self.assertEqual(self.log, ['A', ('sent', 1)])

    def test_sender_first(self):
        for preference in (0, 1):
            self.channel.preference = preference
            self.receiver(self.channel)
            stackless.schedule()
            self.teller('A')
            self.channel.send(1)
            self.assertEqual(self.log, [])
            stackless.run()
            self.assertEqual(self.log, ['A', ('', 1)])
            self.log.clear()
            self.sender(self.channel, 2)
            stackless.schedule()
            self.teller('A')
            self.assertEqual(self.channel.receive(), 2)
            self.assertEqual(self.log, [('sent', 2), 'A'])
            self.log.clear()

    def test_schedule_all(self):
        self.channel.preference = 1
        self.channel.schedule_all = True
        self.receiver(self.channel)
        stackless.schedule()
        self.teller('A')
        self.channel.send(1)
        self.assertEqual(self.log, ['A', ('', 1)])

    def test_balance_and_queue(self):
        self.assertEqual((self.channel.balance, self.channel.queue), (0, None))
        for make, sign in ((self.receiver, -1), (lambda channel: self.sender(channel, 1), 1)):
            a, b, c = (make(self.channel) for _ in range(3))
            stackless.schedule()
            self.assertEqual(self.channel.balance, 3 * sign)
            self.assertIs(self.channel.queue, a)
            self.assertEqual([a.next, b.next, c.next], [b, c, None])
            self.assertEqual([a.prev, b.prev, c.prev], [None, a, b])
            self.assertTrue(b.blocked and b.scheduled)
            b.kill()
            self.assertEqual(self.channel.balance, 2 * sign)
            self.assertEqual((a.next, c.prev), (c, a))
            a.kill()
            c.kill()
            self.assertEqual((self.channel.balance, self.channel.queue), (0, None))

    def test_first_come_first_served(self):
        for name in 'ABC':
            self.receiver(self.channel, name)
        stackless.schedule()
        for value in range(3):
            self.channel.send(value)
        self.assertEqual(self.log, [('A', 0), ('B', 1), ('C', 2)])

    def test_exceptions(self):
        stackless.tasklet(self.channel.send_exception)(KeyError, 1, 2)
        with self.assertRaises(KeyError) as caught:
            self.channel.receive()
        self.assertEqual(caught.exception.args, (1, 2))
        stackless.tasklet(self.channel.send_throw)(KeyError, 1)
        with self.assertRaises(KeyError):
            self.channel.receive()
        self.receiver(self.channel)
        stackless.schedule()
        with self.assertRaises(KeyError):
            self.channel.send_exception(KeyError, 1)  # the receiver does not catch it
        stackless.run()

    def test_sequence_and_iteration(self):
        def body():
            self.channel.send_sequence(range(5))
            self.channel.send_exception(StopIteration)
        stackless.tasklet(body)()
        self.assertEqual(list(self.channel), list(range(5)))
        stackless.run()

    def test_close(self):
        for value in range(2):
            self.sender(self.channel, value)
        stackless.schedule()
        self.channel.close()
        self.assertEqual((self.channel.closing, self.channel.closed), (True, False))
        self.assertEqual(list(self.channel), [0, 1])
        self.assertEqual((self.channel.closing, self.channel.closed), (True, True))
        for wait in (self.channel.receive, lambda: self.channel.send(1)):
            with self.assertRaises(ValueError):
                wait()
        self.channel.open()
        self.assertEqual((self.channel.closing, self.channel.closed), (False, False))
        stackless.run()
        self.sender(self.channel, 2)
        self.assertEqual(self.channel.receive(), 2)
        stackless.run()

    def test_many_tasklets(self):
        """A sieve: each number goes through a chain of tasklets."""
        def numbers(to):
            for number in range(2, 550):
                to.send(number)
            to.send(None)

        def sieve(primes, source):
            while True:
                prime = source.receive()
                primes.send(prime)
                if prime is None:
                    return
                target = stackless.channel()
                stackless.tasklet(strain)(prime, source, target)
                source = target

        def strain(prime, source, target):
            number = 1
            while number is not None:
                number = source.receive()
                if number is None or number % prime:
                    target.send(number)
        source = stackless.channel()
        stackless.tasklet(numbers)(source)
        stackless.tasklet(sieve)(self.channel, source)
        primes = list(iter(self.channel.receive, None))
        self.assertEqual((len(primes), primes[-1]), (101, 547))
        stackless.run()

    def test_between_threads(self):
        """Each value arrives once, whichever threads the partners are in."""
        count, threads = 300, 4
        answers = stackless.channel()

        def work(number):
            def body(start):
                for value in range(start, count, 2):
                    self.channel.send(number * count + value)
                    self.log.append(answers.receive())
                done.send(None)
            done = stackless.channel()
            for start in range(2):
                stackless.tasklet(body)(start)
            for _ in range(2):
                done.receive()
        with support.Crew() as crew:
            crew.start_many(threads, work)
            got = []
            for _ in range(count * threads):
                got.append(self.channel.receive())
                answers.send(got[-1])
        self.assertEqual(sorted(got), list(range(count * threads)))
        self.assertEqual(sorted(self.log), sorted(got))


def load_tests(loader, tests, pattern):
    if not support.GREEN:
        print('skipped: tasklets need the preload')
        sys.exit(77)
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Deadlocks, Running, Channels))


if __name__ == '__main__':
    support.main()
