# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""coio.signal and signal_handler_event: handlers in the flow of the main-loop tasklet."""
import contextlib
import io
import os
import signal

import support
from coroutines import Coio, Raised, coio

from syncless import stackless

SIGNALS = signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT


class Signal(Coio):
    def setUp(self):
        super().setUp()
        self.log = []
        self.before = [signal.getsignal(signum) for signum in SIGNALS]

    def tearDown(self):
        for signum in SIGNALS:
            coio.signal(signum, None)
        self.assertEqual([signal.getsignal(signum) for signum in SIGNALS], self.before)
        super().tearDown()

    def hear(self, *what):
        self.log.append(what)

    def until(self, count):
        support.wait_until(lambda: len(self.log) >= count, f'{count} calls of handlers, instead of {self.log},')

    def raise_signal(self, signum=signal.SIGUSR2):
        os.kill(os.getpid(), signum)

    def test_two_handlers_of_one_signal(self):
        """Both are called, once for each time it comes."""
        events = [coio.signal_handler_event(signal.SIGUSR2, lambda signum, name=name: self.hear(name, signum))
                  for name in 'ab']
        for turn in 1, 2:
            self.raise_signal()
            self.until(2 * turn)
        self.assertEqual(self.log, [('a', signal.SIGUSR2), ('b', signal.SIGUSR2)] * 2)
        events[0].delete()
        events[0].delete()
        self.raise_signal()
        self.until(5)
        self.assertEqual(self.log[4:], [('b', signal.SIGUSR2)])
        events[1].delete()

    def test_runs_in_the_main_loop_tasklet(self):
        coio.signal(signal.SIGUSR1, lambda signum: self.hear(stackless.getcurrent(), stackless.getruncount()))
        self.raise_signal(signal.SIGUSR1)
        self.until(1)
        self.assertIs(self.log[0][0], coio.get_main_loop_tasklet())

    def test_may_wait(self):
        """The next one waits for it, and everybody else goes on."""
        def wait(signum):
            self.hear('begins')
            coio.sleep(0.01)
            self.hear('ends')

        coio.signal(signal.SIGUSR1, wait)
        coio.signal(signal.SIGUSR2, lambda signum: self.hear('other'))
        self.raise_signal(signal.SIGUSR1)
        self.until(1)
        self.raise_signal(signal.SIGUSR2)
        self.until(3)
        self.assertEqual(self.log, [('begins',), ('ends',), ('other',)])

    def test_replaced_and_taken_away(self):
        first = coio.signal(signal.SIGUSR1, lambda signum: self.hear('first'))
        self.assertIsInstance(first, coio.signal_handler_event)
        coio.signal(signal.SIGUSR1, lambda signum: self.hear('second'))
        self.raise_signal(signal.SIGUSR1)
        self.until(1)
        self.assertEqual(self.log, [('second',)])
        self.assertIsNone(coio.signal(signal.SIGUSR1, None))
        self.assertIsNone(coio.signal(signal.SIGUSR1, None))

    def test_beside_signal_signal(self):
        with support.handler(signal.SIGUSR1, lambda signum, frame: self.hear('python')):
            event = coio.signal(signal.SIGUSR1, lambda signum: self.hear('coio'))
            self.raise_signal(signal.SIGUSR1)
            self.until(2)
            self.assertEqual(sorted(self.log), [('coio',), ('python',)])
            event.delete()
            self.raise_signal(signal.SIGUSR1)
            self.until(3)
            self.assertEqual(self.log[2], ('python',))

    def test_what_it_raises_is_one_line(self):
        def fail(signum):
            self.hear('called')
            raise Raised('two\nlines')

        coio.signal(signal.SIGUSR1, fail)
        fine = coio.signal_handler_event(signal.SIGUSR2, lambda signum: self.hear('fine'))
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self.raise_signal(signal.SIGUSR1)
            self.raise_signal(signal.SIGUSR2)
            self.until(2)
        self.assertEqual(told.getvalue(), 'syncless: the handler of SIGUSR1 raised Raised: two lines\n')
        fine.delete()

    def test_sigint(self):
        coio.signal(signal.SIGINT, lambda signum: self.hear(signum))
        self.raise_signal(signal.SIGINT)
        self.until(1)
        coio.signal(signal.SIGINT, None)
        with self.assertRaises(KeyboardInterrupt):
            self.raise_signal(signal.SIGINT)
            coio.sleep(1000)

    def test_ends_no_sleep_and_comes_during_one(self):
        coio.signal(signal.SIGUSR1, lambda signum: self.hear(signum))
        coio.spawn_later(0.01, self.raise_signal, signal.SIGUSR1)
        self.assertIs(coio.sleep(0.1), coio.event_happened_token)
        self.assertEqual(self.log, [(signal.SIGUSR1,)])

    def test_wrong_arguments(self):
        self.assertRaises(TypeError, coio.signal_handler_event, signal.SIGUSR1, None)
        self.assertRaises(TypeError, coio.signal, signal.SIGUSR1, 5)
        self.assertRaises(ValueError, coio.signal, 1000, print)
        errors = []

        def body():
            try:
                coio.signal(signal.SIGUSR1, print)
            except ValueError as error:
                errors.append(error)

        with support.Crew() as crew:
            crew.start(body)
        self.assertEqual(len(errors), 1)


if __name__ == '__main__':
    support.main()
