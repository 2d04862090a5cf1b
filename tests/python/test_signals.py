# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""Signals: Python handlers run in main, at once, whoever was running.

Main waits in every way there is while the others are parked or compute.  A
signal must run its handler in main while that wait goes on: an exception ends
the wait, and without one the wait is taken up again (PEP 475).  The proof is
never a time: the handler itself brings what the wait waits for.
"""
import contextlib
import os
import queue
import select
import signal
import socket
import subprocess
import threading
import time
import unittest

import support
from support import handler

RETRY = 5  # seconds; a signal just before the wait begins is lost natively too
BUSY_WAITS = ('recv timeout', 'select', 'lock', 'event timeout', 'join',
              'wait child')  # beside a computing thread each costs 0.2 s


class Stop(Exception):
    pass


@contextlib.contextmanager
def company(kind):
    """Other threads: none, parked ones, or one that computes as well."""
    done = threading.Event()
    left, right = socket.socketpair()

    def spin():
        while not done.is_set():
            pass
    bodies = {'alone': (), 'parked': (done.wait, lambda: left.recv(1)),
              'busy': (spin, done.wait)}[kind]
    with left, right, support.Crew() as crew:
        for body in bodies:
            crew.start(body)
        try:
            yield
        finally:
            done.set()
            right.send(b'x')


class Bed:
    """Things to wait for, and how to make each wait succeed."""

    def __init__(self, stack):
        self.left, self.right = map(stack.enter_context, socket.socketpair())
        self.timed, peer = map(stack.enter_context, socket.socketpair())
        self.timed.settimeout(600)
        self.listener = stack.enter_context(
            socket.create_server(('127.0.0.1', 0)))
        reader, writer = os.pipe()
        self.fds = reader, writer
        for fd in self.fds:
            stack.callback(os.close, fd)
        self.child = subprocess.Popen(['cat'], stdin=subprocess.PIPE)
        stack.callback(self.child.wait)
        stack.callback(self.child.stdin.close)
        self.lock, self.rlock = threading.Lock(), threading.RLock()
        self.event, self.condition = threading.Event(), threading.Condition()
        self.queue, self.simple = queue.Queue(), queue.SimpleQueue()
        self.semaphore = threading.Semaphore(0)
        self.epoll = stack.enter_context(select.epoll())
        self.epoll.register(self.left, select.EPOLLIN)
        self.poll = select.poll()
        self.poll.register(self.left, select.POLLIN)
        self.lock.acquire()
        self.thread = threading.Thread(target=self.event.wait, daemon=True)
        self.peer, self.stack = peer, stack

    def connect(self):
        self.stack.enter_context(
            socket.create_connection(self.listener.getsockname()))

    def send(self):
        self.right.send(b'x')

    def waits(self):
        """name: (what waits, what ends the wait)"""
        return {
            'recv': (lambda: self.left.recv(1), self.send),
            'recv timeout': (lambda: self.timed.recv(1),
                             lambda: self.peer.send(b'x')),
            'accept': (lambda: self.listener.accept()[0].close(), self.connect),
            'read': (lambda: os.read(self.fds[0], 1),
                     lambda: os.write(self.fds[1], b'x')),
            'select': (lambda: select.select([self.left], [], []), self.send),
            'select timeout': (lambda: select.select([self.left], [], [], 600),
                               self.send),
            'poll': (lambda: self.poll.poll(600000), self.send),
            'epoll': (self.epoll.poll, self.send),
            'lock': (self.lock.acquire, self.lock.release),
            'lock timeout': (lambda: self.lock.acquire(timeout=600),
                             self.lock.release),
            'event': (self.event.wait, self.event.set),
            'event timeout': (lambda: self.event.wait(600), self.event.set),
            'semaphore': (self.semaphore.acquire, self.semaphore.release),
            'queue': (self.queue.get, None),
            'simple queue': (self.simple.get, lambda: self.simple.put(1)),
            'join': (self.join, self.event.set),
            'join timeout': (lambda: self.join(600), self.event.set),
            'wait child': (self.child.wait, self.child.stdin.close),
            'sleep': (lambda: time.sleep(600), None),
            'condition': (self.wait_condition, None),
        }

    def join(self, timeout=None):
        if self.thread.ident is None:
            self.thread.start()
        self.thread.join(timeout)

    def wait_condition(self):
        with self.condition:
            self.condition.wait(600)


class Waits(unittest.TestCase):
    def send_while(self, wait, act, signum=signal.SIGUSR1):
        """Signals ourselves once main sits in wait(); act() is the handler."""
        handled, armed = threading.Event(), threading.Event()
        self.resent = 0
        ran_in = []

        def on_signal(*_):
            if not handled.is_set():
                handled.set()
                ran_in.append(threading.current_thread())
                act()

        def sender():
            armed.wait()
            time.sleep(0.005)
            os.kill(os.getpid(), signum)
            while not handled.wait(RETRY):
                self.resent += 1
                os.kill(os.getpid(), signum)
        with handler(signum, on_signal), support.Crew() as crew:
            crew.start(sender)
            armed.set()
            try:
                wait()
            finally:
                crew.join()
        self.assertEqual(ran_in, [threading.main_thread()])

    def every_wait(self, others, deed):
        resent = 0
        with contextlib.ExitStack() as stack:
            names = list(Bed(stack).waits())
        for name in BUSY_WAITS if others == 'busy' else names:
            with self.subTest(name, others=others), company(others), \
                    contextlib.ExitStack() as stack:
                bed = Bed(stack)
                wait, end = bed.waits()[name]
                deed(wait, end)
                resent += self.resent
                bed.event.set()
        self.assertLessEqual(resent, 1)

    def exception_ends_wait(self, wait, _):
        def act():
            raise Stop
        with self.assertRaises(Stop):
            self.send_while(wait, act)

    def wait_resumes(self, wait, end):
        self.resent = 0
        if end:
            self.send_while(wait, end)

    def test_exception_alone(self):
        self.every_wait('alone', self.exception_ends_wait)

    def test_exception_beside_parked(self):
        self.every_wait('parked', self.exception_ends_wait)

    def test_exception_beside_busy(self):
        self.every_wait('busy', self.exception_ends_wait)

    def test_resumes_beside_parked(self):
        self.every_wait('parked', self.wait_resumes)

    def test_resumes_beside_busy(self):
        self.every_wait('busy', self.wait_resumes)

    def test_keyboard_interrupt(self):
        for others in ('alone', 'parked', 'busy'):
            with company(others), self.assertRaises(KeyboardInterrupt):
                self.send_while(
                    lambda: time.sleep(600), signum=signal.SIGINT,
                    act=lambda: signal.default_int_handler(signal.SIGINT, None))

    def test_main_computes(self):
        def spin():
            while True:
                pass

        def act():
            raise Stop
        for others in ('alone', 'parked', 'busy'):
            with company(others), self.assertRaises(Stop):
                self.send_while(spin, act)

    def test_sleep_is_not_shortened(self):
        """PEP 475: the handler runs during the sleep, which then goes on."""
        ran = []
        for others in ('parked', 'busy'):
            for length in (0.2, 1, 4):
                with company(others):
                    begin = time.monotonic()
                    self.send_while(lambda: time.sleep(length),
                                    lambda: ran.append(time.monotonic()))
                    slept = time.monotonic() - begin
                self.assertGreaterEqual(slept, length)
                if ran[-1] < begin + length / 2:
                    break
            else:
                self.fail('the handler ran only at the end of the sleep')

    def test_other_threads_keep_waiting(self):
        """Signals neither end nor shorten what other threads wait for."""
        left, right = socket.socketpair()
        count = [0]
        found = []

        def reader():
            found.append(left.recv(1))

        def sleeper():
            begin = time.monotonic()
            time.sleep(0.2)
            found.append(time.monotonic() - begin >= 0.2)

        def on_signal(*_):
            count[0] += 1
        with left, right, handler(signal.SIGUSR1, on_signal):
            with support.Crew() as crew:
                crew.start(reader)
                sleep = crew.start(sleeper)
                while sleep.is_alive():
                    os.kill(os.getpid(), signal.SIGUSR1)
                    time.sleep(0.005)
                self.assertEqual(found, [True])
                right.send(b'x')
        self.assertEqual(found, [True, b'x'])
        self.assertGreater(count[0], 1)


class Threads(unittest.TestCase):
    def test_pthread_kill(self):
        """The handler runs in main; the thread's wait goes on."""
        left, right = socket.socketpair()
        ran_in, got = [], []
        with left, right, handler(
                signal.SIGUSR1,
                lambda *_: ran_in.append(threading.current_thread())):
            with support.Crew() as crew:
                thread = crew.start(lambda: got.append(left.recv(1)))
                for i in range(5):
                    signal.pthread_kill(thread.ident, signal.SIGUSR1)
                    support.wait_until(lambda: len(ran_in) == i + 1)
                signal.pthread_kill(thread.ident, 0)
                self.assertEqual(got, [])
                right.send(b'x')
        self.assertEqual(got, [b'x'])
        self.assertEqual(set(ran_in), {threading.main_thread()})

    def test_pthread_kill_main(self):
        with self.assertRaises(Stop):
            def stop(*_):
                raise Stop
            with handler(signal.SIGUSR2, stop), support.Crew() as crew:
                main = threading.main_thread().ident
                crew.start(lambda: (time.sleep(0.01), signal.pthread_kill(
                    main, signal.SIGUSR2)))
                support.wait_until(lambda: False, limit=30)

    def test_raise_signal_in_a_thread(self):
        ran_in = []
        with handler(signal.SIGUSR1, lambda *_: ran_in.append(
                threading.current_thread())):
            with support.Crew() as crew:
                crew.start(signal.raise_signal, signal.SIGUSR1)
            support.wait_until(lambda: ran_in)
        self.assertEqual(ran_in, [threading.main_thread()])

    def test_masks_are_per_thread(self):
        usr1, usr2 = {signal.SIGUSR1}, {signal.SIGUSR2}
        barrier = threading.Barrier(4)
        seen = {}

        def mask():
            return {s for s in signal.pthread_sigmask(signal.SIG_BLOCK, [])
                    if s in usr1 | usr2}

        def body(i):
            inherited = mask()
            signal.pthread_sigmask(signal.SIG_SETMASK, (set(), usr1, usr2)[i])
            barrier.wait()
            time.sleep(0)
            before = mask()
            barrier.wait()
            child = []
            with support.Crew() as own:
                own.start(lambda: child.append(mask()))
            seen[i] = inherited, before, child[0], mask()
        signal.pthread_sigmask(signal.SIG_BLOCK, usr2)
        try:
            with support.Crew() as crew:
                crew.start_many(3, body)
                barrier.wait()
                mine = mask()
                barrier.wait()
            self.assertEqual(mask(), usr2)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, usr2)
        self.assertEqual(mine, usr2)
        self.assertEqual(seen, {i: (usr2, own, own, own) for i, own
                                in enumerate((set(), usr1, usr2))})

    def test_pending_until_unblocked(self):
        """Thread-directed and blocked there: pending there, and only there."""
        ran = []
        steps = [threading.Event() for _ in range(3)]

        def body():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            steps[0].set()
            steps[1].wait()
            self.assertIn(signal.SIGUSR1, signal.sigpending())
            self.assertEqual(ran, [])
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
            self.assertNotIn(signal.SIGUSR1, signal.sigpending())
            steps[2].set()
        with handler(signal.SIGUSR1, lambda *_: ran.append(1)):
            with support.Crew() as crew:
                thread = crew.start(body)
                steps[0].wait()
                signal.pthread_kill(thread.ident, signal.SIGUSR1)
                self.assertNotIn(signal.SIGUSR1, signal.sigpending())
                time.sleep(0)
                self.assertEqual(ran, [])
                steps[1].set()
                steps[2].wait()
            support.wait_until(lambda: ran)

    def test_blocked_in_main_runs_through_another(self):
        """A process-directed signal finds the thread that leaves it unblocked."""
        ran_in = []
        with handler(signal.SIGUSR1, lambda *_: ran_in.append(
                threading.current_thread())), company('parked'):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            try:
                os.kill(os.getpid(), signal.SIGUSR1)
                support.wait_until(lambda: ran_in)
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        self.assertEqual(ran_in, [threading.main_thread()])

    def test_blocked_everywhere(self):
        ran = []
        if not support.GREEN:  # a joined thread may still be on its way out, and take the signal
            support.wait_until(lambda: support.kernel_threads() == 1)
        with handler(signal.SIGUSR1, lambda *_: ran.append(1)):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            with company('parked'):
                os.kill(os.getpid(), signal.SIGUSR1)
                time.sleep(0.01)
                self.assertEqual(ran, [])
                self.assertIn(signal.SIGUSR1, signal.sigpending())
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
                support.wait_until(lambda: ran)

    def test_sigwait(self):
        """A thread waits for a blocked signal; the others go on."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        try:
            got = []

            def body():
                got.append(signal.sigtimedwait([signal.SIGUSR1], 0.01))
                ready.set()
                got.append(signal.sigwait([signal.SIGUSR1]))
            ready = threading.Event()
            with support.Crew() as crew:
                thread = crew.start(body)
                ready.wait()
                with support.Crew() as others:
                    others.start_many(5, lambda _: time.sleep(0.001))
                signal.pthread_kill(thread.ident, signal.SIGUSR1)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        self.assertEqual(got, [None, signal.SIGUSR1])


class Process(unittest.TestCase):
    def test_wakeup_fd(self):
        left, right = socket.socketpair()
        right.setblocking(False)
        old = signal.set_wakeup_fd(right.fileno())
        try:
            with left, right, handler(signal.SIGUSR1, lambda *_: None):
                for others in ('parked', 'busy'):
                    with company(others), support.Crew() as crew:
                        crew.start(os.kill, os.getpid(), signal.SIGUSR1)
                        self.assertEqual(left.recv(1), b'%c' % signal.SIGUSR1)
        finally:
            signal.set_wakeup_fd(old)

    def test_setitimer(self):
        for others in ('parked', 'busy'):
            left, right = socket.socketpair()
            count = [0]

            def tick(*_):
                count[0] += 1
                if count[0] == 5:
                    right.send(b'x')
            with left, right, handler(signal.SIGALRM, tick), company(others):
                signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
                try:
                    self.assertEqual(left.recv(1), b'x')
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)

    def test_virtual_timer_counts_threads(self):
        """CPU time that a thread spends ends main's wait."""
        def stop(*_):
            raise Stop
        with handler(signal.SIGVTALRM, stop):
            with self.assertRaises(Stop), company('busy'):
                signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)
                while True:
                    time.sleep(0.01)

    def test_sigchld(self):
        left, right = socket.socketpair()
        with left, right, company('parked'), handler(
                signal.SIGCHLD, lambda *_: right.send(b'x')):
            child = subprocess.Popen(['true'])
            self.assertEqual(left.recv(1), b'x')
            child.wait()

    def outcome_of(self, code, signum, stops=False):
        """Exit status and output of a program that is signalled when ready."""
        import sys
        with subprocess.Popen([sys.executable, '-c', code],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True) as child:
            self.assertEqual(child.stdout.readline(), 'ready\n')
            if stops:
                os.waitpid(child.pid, os.WUNTRACED)
            child.send_signal(signum)
            out, err = child.communicate(timeout=support.HANG)
        return child.returncode, out, err

    PARKED = '''
import threading, time
gate = threading.Event()
threads = [threading.Thread(target=gate.wait, daemon=True) for _ in range(50)]
for thread in threads: thread.start()
try:
    print('ready', flush=True)
    threads[0].join()
except KeyboardInterrupt:
    print(threading.active_count(), flush=True)
    raise
'''

    def test_ctrl_c_from_outside(self):
        code, out, err = self.outcome_of(self.PARKED, signal.SIGINT)
        self.assertEqual((code, out), (-signal.SIGINT, '51\n'))
        self.assertIn('KeyboardInterrupt', err)

    def test_default_action_kills(self):
        for signum in (signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM):
            self.assertEqual(self.outcome_of(self.PARKED, signum),
                             (-signum, '', ''))

    def test_stop_and_continue(self):
        code = '''
import signal, os, threading, time, socket
left, right = socket.socketpair()
got = []
def body(): got.append(left.recv(1))
thread = threading.Thread(target=body); thread.start()
signal.signal(signal.SIGCONT, lambda *_: right.send(b'x'))
print('ready', flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
while thread.is_alive():  # the kernel may give SIGCONT to the other thread
    thread.join(0.01)
print(got, flush=True)
'''
        self.assertEqual(self.outcome_of(code, signal.SIGCONT, True),
                         (0, "[b'x']\n", ''))

    def test_ctrl_c_with_a_dump_timer(self):
        """faulthandler's watchdog thread must not block everyone's signals."""
        code = 'import faulthandler; faulthandler.dump_traceback_later(600)' \
            + self.PARKED
        code, out, _ = self.outcome_of(code, signal.SIGINT)
        self.assertEqual((code, out), (-signal.SIGINT, '51\n'))

    def dumps(self, body):
        run = support.run_python('-c', '''
import faulthandler, hashlib, threading
def stuck():
    faulthandler.dump_traceback_later(0.2, exit=True)  # not before: a busy machine starts threads late
    %s
threading.Thread(target=stuck).start()
threading.Event().wait()
''' % body)
        self.assertEqual(run.returncode, 1, run)
        self.assertIn('Timeout (', run.stderr)
        self.assertIn(' in stuck', run.stderr)

    def test_dump_while_stuck_with_the_gil(self):
        self.dumps('sum(range(10**15))')

    def test_dump_while_stuck_without_the_gil(self):
        self.dumps("hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2**31 - 1)")

    def test_dump_and_cancel(self):
        run = support.run_python('-c', '''
import faulthandler, sys, threading, time
faulthandler.dump_traceback_later(0.02, repeat=False)
time.sleep(0.1)
faulthandler.dump_traceback_later(600)
faulthandler.cancel_dump_traceback_later()
thread = threading.Thread(target=time.sleep, args=(0.01,))
thread.start(); thread.join()
print('end')
''')
        self.assertEqual((run.returncode, run.stdout), (0, 'end\n'))
        self.assertEqual(run.stderr.count('Timeout ('), 1)

    def test_sigsegv_is_reported(self):
        """faulthandler's own stack works in a thread too."""
        run = support.run_python('-X', 'faulthandler', '-c', '''
import ctypes, threading
def crash(): ctypes.string_at(0)
thread = threading.Thread(target=crash); thread.start(); thread.join()
''')
        self.assertEqual(run.returncode, -signal.SIGSEGV)
        self.assertIn('Segmentation fault', run.stderr)
        self.assertIn(' in crash', run.stderr)


if __name__ == '__main__':
    support.main()
