# SPDX-License-Identifier: Apache-2.0
# timeout: 240
"""Signals and child processes, beside threads that are stuck in C and from those that were.

As in test_handoff.py each offender waits for what only another thread will do.
"""
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import support
from handoff_case import Case
from support import Crew, handler, wait_until


class Signals(Case):
    """The proof is an event, never a time: the handler brings what is waited for."""

    def test_handler_beside_a_stuck_thread(self):
        seen, ran_in = threading.Event(), []

        def on_signal(*_):
            ran_in.append(threading.current_thread())
            seen.set()
        with handler(signal.SIGUSR1, on_signal), self.stuck(), Crew() as crew:
            crew.start(os.kill, os.getpid(), signal.SIGUSR1)
            seen.wait()
        self.assertEqual(ran_in, [threading.main_thread()])

    def test_ctrl_c_beside_a_stuck_thread(self):
        with self.stuck(), self.assertRaises(KeyboardInterrupt), Crew() as crew, \
                handler(signal.SIGINT, signal.default_int_handler):
            crew.start(lambda: (time.sleep(0.005), os.kill(os.getpid(), signal.SIGINT)))
            time.sleep(600)

    def test_the_last_signal_before_the_default_action(self):
        """One of an interval timer's is on its way when that is stopped and the handler goes; it must not kill."""
        code = textwrap.dedent('''
            import select, signal, threading, time
            def nap():
                while True:
                    time.sleep(0.0005)
            threading.Thread(target=nap, daemon=True).start()
            for _ in range(400):
                signal.signal(signal.SIGALRM, lambda *_: None)
                signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
                end = time.monotonic() + 0.01
                while time.monotonic() < end:
                    select.select([], [], [], 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)''')
        env = support.same_env(SYNCLESS_CHAOS='handoff')
        self.assertEqual(support.run_python('-c', code, env=env).returncode, 0)

    def main_is_signalled(self, signum, send):
        gate = self.gate()

        def sender():
            gate.wait()
            send(signum)
        with Crew() as crew:
            crew.start(sender)
            found = gate.enter()
            crew.join()
        return found

    def test_main_is_stuck(self):
        """The handler of C runs at once, and ends the system call; that of Python when C returns."""
        ran_in = []
        with handler(signal.SIGUSR1, lambda *_: ran_in.append(threading.current_thread())):
            for send in (lambda number: os.kill(os.getpid(), number),
                         lambda number: signal.pthread_kill(threading.main_thread().ident, number)):
                self.assertEqual(self.main_is_signalled(signal.SIGUSR1, send), -4)
        self.assertEqual(ran_in, [threading.main_thread()] * 2)

    def test_ctrl_c_when_main_is_stuck(self):
        with handler(signal.SIGINT, signal.default_int_handler), self.assertRaises(KeyboardInterrupt):
            self.main_is_signalled(signal.SIGINT, lambda number: os.kill(os.getpid(), number))

    def test_pthread_kill_of_a_stuck_thread(self):
        """Its system call ends; Python's handler is main's."""
        ran_in, found = [], []
        gate = self.gate()
        with handler(signal.SIGUSR1, lambda *_: ran_in.append(threading.current_thread())), Crew() as crew:
            thread = crew.start(lambda: found.append(gate.enter()))
            gate.wait()
            signal.pthread_kill(thread.ident, signal.SIGUSR1)
            crew.join()
            wait_until(lambda: ran_in)
        self.assertEqual(found, [-4])
        self.assertEqual(ran_in, [threading.main_thread()])

    def test_main_is_stuck_elsewhere(self):
        """The same, where it is another thread that sits in the kernel thread on which main began."""
        with self.stuck_through_signals():
            self.test_main_is_stuck()
            self.test_ctrl_c_when_main_is_stuck()

    def test_masks_stay(self):
        def mask():
            return signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, [])

        def before():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        seen = []
        with self.stuck(before, lambda: seen.append(mask())):
            self.assertFalse(mask())
            with Crew() as crew:
                crew.start(lambda: seen.append(mask()))
        self.assertEqual(seen, [False, True])

    def test_timer_of_main(self):
        """setitimer's signal comes while a thread is stuck, again and again."""
        ticks, enough = [], threading.Event()

        def tick(*_):
            ticks.append(1)
            if len(ticks) == 10:
                enough.set()
        with handler(signal.SIGALRM, tick), self.stuck_through_signals():
            signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
            try:
                enough.wait()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)

    @contextlib.contextmanager
    def stuck_through_signals(self):
        """The thread blocks all of them, so none ends its system call."""
        with self.stuck(before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())):
            yield


class Processes(Case):
    def child(self):
        """What a forked child does, in which a thread is stuck as well."""
        with self.stuck():
            with Crew() as crew:
                crew.start_many(3, lambda _: time.sleep(0.001))

    def in_child(self):
        pid = os.fork()
        if not pid:
            code = 99
            try:
                self.child()
                code = 0
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_fork_beside_a_stuck_thread(self):
        with self.stuck():
            self.assertEqual([self.in_child() for _ in range(3)], [0] * 3)

    def test_fork_from_one_that_was_stuck(self):
        self.assertEqual(self.alone(self.in_child), 0)

    def test_fork_beside_a_stuck_main(self):
        gate, codes = self.gate(), []
        with Crew() as crew:
            crew.start(lambda: (gate.wait(), codes.append(self.in_child()), gate.open()))
            gate.enter()
        self.assertEqual(codes, [0])

    def test_subprocesses(self):
        command = [sys.executable, '-c', 'print(input())']

        def run():
            return subprocess.run(command, input='hello\n', stdout=subprocess.PIPE, text=True).stdout
        with self.stuck():
            self.assertEqual(run(), 'hello\n')
        self.assertEqual(self.alone(run), 'hello\n')


if __name__ == '__main__':
    support.main()
