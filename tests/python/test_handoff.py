# SPDX-License-Identifier: Apache-2.0
# timeout: 240
"""A thread that is stuck in C, without the GIL, does not stop the others.

Each offender waits for ever for what only another thread will do: without
hand-off every one of these tests would hang, and natively none does.  So time
is measured nowhere.  What a thread must not notice of having lost the
scheduler, and of coming back, is what the rest is about.
"""
import contextlib
import ctypes
import json
import os
import queue
import re
import signal
import socket
import textwrap
import threading
import time
import unittest
import zlib

import inline_calls
import support
from handoff_case import Case, handoffs
from support import GREEN, Crew, handler, wait_until

MANY = 8
TESTS = os.path.dirname(os.path.abspath(__file__))


class Raised(Exception):
    pass


class Progress(Case):
    def test_others_go_on(self):
        """Those that wait in every way, and new ones."""
        left, right = socket.socketpair()
        box, event = queue.Queue(), threading.Event()
        with left, right, Crew() as crew:
            for wait in (lambda: box.get(), event.wait, lambda: left.recv(1), lambda: time.sleep(0.001)):
                crew.start(wait)
            with self.stuck():
                crew.start(time.sleep, 0)
                box.put(1)
                event.set()
                right.send(b'x')
                crew.join()

    def test_main_is_stuck(self):
        gate = self.gate()
        with Crew() as crew:
            crew.start(lambda: (gate.wait(), gate.open()))
            self.assertEqual(gate.enter(), 1)

    def test_many_are_stuck(self):
        """More than kernel threads may compute: these sleep."""
        gates = [self.gate() for _ in range(MANY)]
        found = []
        with Crew() as crew:
            for gate in gates:
                crew.start(lambda gate=gate: found.append(gate.enter()))
            for gate in gates:
                gate.wait()
            self.assertEqual(len({gate.place[0] for gate in gates}), MANY)
            for gate in gates:
                gate.open()
        self.assertEqual(found, [1] * MANY)

    def test_ping_pong_of_stuck_ones(self):
        """Each is stuck until the other lets it go; and so is main, in a lock, until both are done."""
        gates = self.gate(), self.gate()

        def play(i):
            for _ in range(50):
                assert gates[i].enter() == 1
                gates[1 - i].open()
        with Crew() as crew:
            crew.start_many(2, play)
            gates[0].open()
        self.assertEqual(gates[0].enter(), 1)

    def beside_computing(self, count):
        flags = [ctypes.c_char(b'\0') for _ in range(count)]
        with Crew() as crew:
            for flag in flags:
                crew.start(inline_calls.library().compute, ctypes.byref(flag))
            with Crew() as others:
                others.start_many(5, lambda _: time.sleep(0.02))
            for flag in flags:
                flag.value = b'\1'

    def test_computing_without_the_gil(self):
        self.beside_computing(2)

    def test_more_compute_than_may(self):
        """The others are held up for longer then, and not for ever."""
        self.beside_computing(os.cpu_count() + 4)

    def test_main_computes_without_the_gil(self):
        flag = ctypes.c_char(b'\0')
        with Crew() as crew:
            crew.start(lambda: (time.sleep(0.02), setattr(flag, 'value', b'\1')))
            inline_calls.library().compute(ctypes.byref(flag))

    def test_libcs_own_sleep(self):
        """By a handle of libc, which has its own calls and not ours."""
        libc = ctypes.CDLL('libc.so.6')
        done = []
        with Crew() as crew:
            sleeping = crew.start(lambda: (libc.sleep(3600), done.append(1)))
            with Crew() as others:
                others.start_many(5, lambda _: time.sleep(0.001))
            self.assertEqual(done, [])
            with handler(signal.SIGUSR1, lambda *_: None):  # ends it
                while sleeping.is_alive():
                    signal.pthread_kill(sleeping.ident, signal.SIGUSR1)
                    sleeping.join(0.01)
        self.assertEqual(done, [1])

    def test_compressing_threads(self):
        """Nobody waits for anybody: just right, also on more threads than may compute."""
        data = b''.join(b'%d squared is %d\n' % (i, i * i) for i in range(20000))
        want, found = zlib.compress(data), []

        def work(_):
            for _ in range(5):
                found.append(zlib.compress(data) == want)
        with Crew() as crew:
            crew.start_many(MANY, work)
        self.assertEqual(found, [True] * MANY * 5)


class Identity(Case):
    def test_ids_stay(self):
        def ids():
            return (threading.get_ident(), threading.get_native_id(), threading.current_thread(),
                    threading.current_thread().native_id)
        seen = []
        with self.stuck(before=lambda: seen.append(ids()), after=lambda: seen.append(ids())):
            self.assertNotEqual(ids()[:3], seen[0][:3])
        self.assertEqual(seen[0], seen[1])

    def test_ids_of_main_stay(self):
        gate = self.gate()
        with Crew() as crew:
            crew.start(lambda: (gate.wait(), gate.open()))
            gate.enter()
        self.assertEqual(threading.get_native_id(), os.getpid())
        self.assertIs(threading.current_thread(), threading.main_thread())

    def test_locals_stay(self):
        local, gone = threading.local(), []

        class Witness:
            def __del__(self):
                gone.append(threading.get_ident())

        def before():
            local.number, local.witness = 42, Witness()
        numbers = []
        local.number = 1
        with self.stuck(before, lambda: numbers.append(local.number)) as gate:
            self.assertEqual(local.number, 1)
            self.assertEqual(gone, [])
        self.assertEqual(numbers, [42])
        self.assertEqual(gone, [gate.thread.ident])

    def test_errno_stays(self):
        library = ctypes.CDLL(None, use_errno=True)
        ctypes.set_errno(7)

        def deed():
            self.assertEqual(library.close(-1), -1)
            first = ctypes.get_errno()
            gate.enter()
            return first, ctypes.get_errno()
        gate = self.gate()
        gate.open()
        self.assertEqual(self.alone(deed), (9, 9))
        self.assertEqual(ctypes.get_errno(), 7)

    def test_names_stay(self):
        with self.stuck() as gate:
            name = gate.thread.name
            self.assertIn(name, [thread.name for thread in threading.enumerate()])
            self.assertEqual(threading.active_count(), 2)


class Ends(Case):
    def outcome(self, body, **env):
        """Exit code and output of a script; main has `gate`, and `stuck`, a daemon that is in it."""
        script = textwrap.dedent('''\
            import os, sys, threading, time
            sys.path.insert(0, %r)
            from inline_calls import Gate
            from support import native_threads
            gate = Gate()
            stuck = threading.Thread(target=gate.enter, daemon=True)
            stuck.start()
            gate.wait()
            ''') % TESTS + textwrap.dedent(body)
        run = support.run_python('-c', script, env=support.same_env(**env))
        return run.returncode, run.stdout, run.stderr

    def test_process_ends_beside_a_stuck_daemon(self):
        self.assertEqual(self.outcome('print("end")'), (0, 'end\n', ''))
        self.assertEqual(self.outcome('sys.exit(3)'), (3, '', ''))
        self.assertEqual(self.outcome('os._exit(4)'), (4, '', ''))
        self.assertEqual(self.outcome('import atexit; atexit.register(print, "hook")'), (0, 'hook\n', ''))

    def test_daemon_comes_back_too_late(self):
        """The interpreter is finalized, or about to be, when it wants the GIL again."""
        self.assertEqual(self.outcome('''
            import atexit
            atexit.register(gate.open)
            '''), (0, '', ''))

    def test_main_waits_for_a_stuck_thread(self):
        self.assertEqual(self.outcome('''
            def body():
                other.enter()
                print('body')
            other = Gate()
            threading.Thread(target=body).start()
            threading.Thread(target=lambda: (other.wait(), print('opens'), other.open())).start()
            '''), (0, 'opens\nbody\n', ''))

    def test_one_that_was_stuck_ends_the_process(self):
        self.assertEqual(self.outcome('''
            def body():
                other.enter()
                os._exit(7)
            other = Gate()
            threading.Thread(target=body).start()
            other.wait()
            other.open()
            threading.Event().wait()
            '''), (7, '', ''))

    def test_main_exits_after_it_was_stuck(self):
        self.assertEqual(self.outcome('''
            other = Gate()
            threading.Thread(target=lambda: (other.wait(), other.open())).start()
            other.enter()
            sys.exit(5)
            '''), (5, '', ''))

    def test_killed(self):
        self.assertEqual(self.outcome('import signal; os.kill(os.getpid(), signal.SIGTERM)'),
                         (-signal.SIGTERM, '', ''))

    def test_many_come_and_go(self):
        for _ in range(5):
            with contextlib.ExitStack() as stack:
                for _ in range(4):
                    stack.enter_context(self.stuck())


class Exceptions(Case):
    def test_raised_by_one_that_was_stuck(self):
        def deed():
            try:
                raise Raised('deep')
            except Raised as error:
                return str(error)
        self.assertEqual(self.alone(deed), 'deep')

    def test_uncaught(self):
        seen = []

        def fail():
            gate.enter()
            raise Raised
        gate, old = self.gate(), threading.excepthook
        threading.excepthook = lambda args: seen.append((args.exc_type, args.thread))
        try:
            thread = threading.Thread(target=fail)
            thread.start()
            gate.wait()
            gate.open()
            thread.join()
        finally:
            threading.excepthook = old
        self.assertEqual(seen, [(Raised, thread)])

    def test_sent_to_a_stuck_thread(self):
        """It is raised when the thread is back in Python."""
        def body():
            try:
                gate.enter()
                for _ in range(1000):
                    time.sleep(0)
            except Raised:
                seen.append(True)
        gate, seen = self.gate(), []
        with Crew() as crew:
            thread = crew.start(body)
            gate.wait()
            set_async = ctypes.pythonapi.PyThreadState_SetAsyncExc
            self.assertEqual(set_async(ctypes.c_ulong(thread.ident), ctypes.py_object(Raised)), 1)
            gate.open()
        self.assertEqual(seen, [True])

    def test_deep_recursion(self):
        """Its stack is the one that it had, and as large."""
        def depth(n):
            return n if n == 900 else depth(n + 1)
        self.assertEqual(self.alone(lambda: depth(0)), 900)


class Locks(Case):
    def test_held_by_a_stuck_thread(self):
        for lock in (threading.Lock(), threading.RLock(), threading.Semaphore(), threading.Condition()):
            got = []

            def take(_, lock=lock, got=got):
                with lock:
                    got.append(1)
            with Crew() as crew:
                with self.stuck(lock.acquire, lock.release):
                    crew.start_many(3, take)
                    self.assertFalse(lock.acquire(blocking=False))
                    if not isinstance(lock, threading.Condition):
                        self.assertFalse(lock.acquire(timeout=0.001))
                    self.assertEqual(got, [])
            self.assertEqual(got, [1] * 3)

    def test_wanted_by_one_that_was_stuck(self):
        lock, gate, got = threading.Lock(), self.gate(), []

        def body():
            gate.enter()
            with lock:
                got.append(1)
        with Crew() as crew:
            with lock:
                crew.start(body)
                gate.wait()
                gate.open()
                time.sleep(0)
                self.assertEqual(got, [])
        self.assertEqual(got, [1])

    def test_condition(self):
        condition, gate, turns = threading.Condition(), self.gate(), []

        def body():
            for i in range(20):
                gate.enter()
                with condition:
                    turns.append(i)
                    condition.notify_all()
                    condition.wait_for(lambda: len(turns) % 2 == 0)
        with Crew() as crew:
            crew.start(body)
            for i in range(20):
                gate.open()
                with condition:
                    condition.wait_for(lambda: len(turns) % 2)
                    turns.append(i)
                    condition.notify_all()
        self.assertEqual(turns, [i for i in range(20) for _ in range(2)])

    def test_queue(self):
        """Eaters that are stuck in between."""
        box, eaten, lock = queue.Queue(3), [], threading.Lock()
        gates = [self.gate() for _ in range(4)]

        def eat(i):
            while True:
                item = box.get()
                if item is None:
                    return
                if item % 10 == 0:
                    gates[i].enter()
                with lock:
                    eaten.append(item)
        over = threading.Event()

        def open_gates():
            while not over.is_set():
                for gate in gates:
                    if gate.is_taken():
                        gate.open()
                time.sleep(0.001)
        with Crew() as crew:
            crew.start(open_gates)
            with Crew() as eaters:
                eaters.start_many(4, eat)
                for i in range(200):
                    box.put(i)
                for _ in range(4):
                    box.put(None)
            over.set()
        self.assertEqual(sorted(eaten), list(range(200)))

    def test_barrier_of_those_that_were_stuck(self):
        barrier, gates, passed = threading.Barrier(4), [self.gate() for _ in range(4)], []

        def body(i):
            gates[i].enter()
            barrier.wait()
            passed.append(i)
        with Crew() as crew:
            crew.start_many(4, body)
            for gate in gates:
                gate.wait()
            for gate in gates:
                gate.open()
        self.assertEqual(sorted(passed), [0, 1, 2, 3])

    def test_join(self):
        """Of one that is stuck; and by one that was."""
        def joins():
            with Crew() as crew:
                crew.start(time.sleep, 0.001)
            return True
        with self.stuck() as gate:
            gate.thread.join(0.001)
            self.assertTrue(gate.thread.is_alive())
        self.assertFalse(gate.thread.is_alive())
        self.assertTrue(self.alone(joins))


class Network(Case):
    def test_sockets(self):
        def talk():
            with socket.create_server(('127.0.0.1', 0)) as listener, Crew() as crew:
                def serve():
                    with listener.accept()[0] as peer:
                        peer.sendall(peer.recv(100).upper())
                crew.start(serve)
                with socket.create_connection(listener.getsockname(), timeout=support.HANG) as sock:
                    sock.sendall(b'hello')
                    return sock.recv(100)
        with self.stuck():
            self.assertEqual(talk(), b'HELLO')
        self.assertEqual(self.alone(talk), b'HELLO')

    def test_names(self):
        def resolve():
            return socket.getaddrinfo('localhost', 80, socket.AF_INET, socket.SOCK_STREAM)[0][4]
        with self.stuck():
            self.assertEqual(resolve(), ('127.0.0.1', 80))
        self.assertEqual(self.alone(resolve), ('127.0.0.1', 80))

    def test_closed_and_opened_by_one_that_was_stuck(self):
        """Others that come later wait for the new socket under the old number."""
        old = socket.socketpair()
        with Crew() as crew:
            crew.start(old[0].recv, 1)
            old[1].send(b'x')

        def replace():
            numbers = {end.fileno() for end in old}
            for end in old:
                end.close()
            pair = socket.socketpair()
            self.assertEqual({end.fileno() for end in pair}, numbers)
            return pair
        left, right = self.alone(replace)
        got = []
        with left, right, Crew() as crew:
            crew.start(lambda: got.append(left.recv(1)))
            time.sleep(0)
            right.send(b'y')
        self.assertEqual(got, [b'y'])


SETTINGS_HEAD = '''\
import ctypes, os, sys, threading, time
sys.path.insert(0, %r)
from inline_calls import Gate, task_state
from support import native_threads
from handoff_case import handoffs
gate, ran, over = Gate(), [], threading.Event()
def go_on():
    while not over.is_set():
        ran.append(1)
        time.sleep(0)
other = threading.Thread(target=go_on)
''' % TESTS


class Settings(Case):
    def run_script(self, body, **env):
        run = support.run_python('-c', SETTINGS_HEAD + textwrap.dedent(body), env=support.same_env(**env))
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.split(), run.stderr

    # A native thread lets the stuck one go, after it has seen whether the others went on.
    JUDGE = '''
        def judge():
            gate.wait()
            seen = len(ran)
            if 'stays' in os.environ['EXPECTED']:
                time.sleep(0.2) # nothing tells that something does not happen
            else:
                while len(ran) < seen + 10:
                    time.sleep(0.001)
            print('went on' if len(ran) > seen + 1 else 'stayed')
            gate.open()
        other.start()
        with native_threads():
            judging = threading.Thread(target=judge)
            judging.start()
        gate.enter()
        over.set()
        other.join()
        judging.join()
        '''

    def test_off(self):
        """All stand still then, until a native thread lets the stuck one go."""
        out, _ = self.run_script(self.JUDGE + 'print(handoffs())', SYNCLESS_HANDOFF_MS='0',
                                 EXPECTED='stays' if GREEN else 'goes on')
        self.assertEqual(out, ['stayed', '0'] if GREEN else ['went', 'on', '0'])

    def test_on(self):
        for ms in ('1', '10', '50'):
            out, _ = self.run_script(self.JUDGE + 'print(handoffs() > 0)', SYNCLESS_HANDOFF_MS=ms,
                                     EXPECTED='goes on')
            self.assertEqual(out, ['went', 'on', str(GREEN)])

    def test_few_kernel_threads(self):
        """The least number of those that compute is no limit to those that sleep."""
        out, _ = self.run_script('''
            gates = [Gate() for _ in range(6)]
            threads = [threading.Thread(target=gate.enter) for gate in gates]
            for thread in threads: thread.start()
            for gate in gates: gate.wait()
            for gate in gates: gate.open()
            for thread in threads: thread.join()
            print('end')
            ''', SYNCLESS_HOSTS='1')
        self.assertEqual(out, ['end'])

    def test_told_at_exit(self):
        _, err = self.run_script('''
            threading.Thread(target=gate.enter).start()
            gate.wait()
            gate.open()
            ''', SYNCLESS_VERBOSE='1')
        told = re.findall(r'^syncless: (\d+) hand-offs, at most (\d+) kernel threads$', err, re.M)
        self.assertEqual(len(told), int(GREEN), err)
        if GREEN:
            self.assertGreaterEqual(int(told[0][0]), 1)
            self.assertGreaterEqual(int(told[0][1]), 2)

    def test_watch_is_silent(self):
        """Nobody is kept waiting."""
        _, err = self.run_script(self.JUDGE, SYNCLESS_WATCH_MS='200', EXPECTED='goes on')
        self.assertEqual(err, '')

    def test_spare_kernel_threads_end(self):
        """When they have not been needed for a while, and when the last green thread has ended."""
        event = threading.Event()
        with Crew() as crew:
            crew.start(event.wait)
            with contextlib.ExitStack() as stack:
                for _ in range(3):
                    stack.enter_context(self.stuck())
                if GREEN:
                    self.assertGreaterEqual(support.spare_hosts(), 3)
            wait_until(lambda: support.spare_hosts() <= 1, 'the end of spare kernel threads')
            event.set()
        wait_until(lambda: support.spare_hosts() == 0, 'the end of the last one')

    def test_counted(self):
        before = handoffs()
        with self.stuck():
            if GREEN:
                self.assertGreater(handoffs(), before)
        if not GREEN:
            self.assertEqual(handoffs(), 0)

    def test_threads_with_greenlets_stay(self):
        """Greenlets are their thread's: it keeps the scheduler, and the watch says what holds the others up."""
        try:
            import greenlet  # noqa: F401
        except ImportError:
            self.skipTest('no greenlet')
        if not GREEN:
            self.skipTest('needs the preload')
        out, err = self.run_script('sys.path.insert(0, %r)' % os.path.join(support.ROOT, 'pyglue') + '''
from syncless import coio
coio.spawn(time.sleep, 0).join()
''' + textwrap.dedent(self.JUDGE), SYNCLESS_WATCH_MS='50', EXPECTED='stays')
        self.assertEqual(out, ['stayed'])
        self.assertRegex(err, r'syncless: stuck for \d+ ms outside our calls: system call read')


# --- Taken away at any place.

def mix():
    """What twelve threads of all sorts found, while they compute, wait and talk."""
    box, done, lock = queue.Queue(5), queue.Queue(), threading.Lock()
    data = bytes(range(256)) * 4000
    total, pairs = [0], [socket.socketpair() for _ in range(3)]

    def compress(i):
        for _ in range(20):
            done.put(zlib.crc32(zlib.compress(data)))

    def count(i):
        for _ in range(300):
            with lock:
                total[0] += sum(range(300)) - 44849

    def make(i):
        for n in range(60):
            box.put(n)

    def eat(i):
        done.put(sum(box.get() for _ in range(60)) >= 0)

    def echo(i):
        while pairs[i][0].send(pairs[i][0].recv(10)):
            pass

    def talk(i):
        for n in range(50):
            pairs[i][1].send(b'%d' % n)
            assert pairs[i][1].recv(10) == b'%d' % n
        pairs[i][1].shutdown(socket.SHUT_WR)
    with Crew() as crew:
        for body in (compress, count, make, eat, echo, talk):
            crew.start_many(3, body)
    for pair in pairs:
        for end in pair:
            end.close()
    found = [done.get() for _ in range(3 * 20 + 3)]
    return sorted(map(str, found)), total


class Chaos(unittest.TestCase):
    def test_taken_away_anywhere(self):
        plain, here = support.scenario_outcomes(__file__, 'mix')
        self.assertEqual(plain, here)
        env = support.same_env(SYNCLESS_CHAOS='handoff', SYNCLESS_VERBOSE='1')
        for _ in range(3):
            run = support.run_python(__file__, '--scenario', 'mix', env=env, timeout=support.HANG)
            self.assertEqual(run.stdout.splitlines()[-1:], [json.dumps(here)], run.stderr)
            if GREEN:
                self.assertRegex(run.stderr, r'(?m)^syncless: [1-9]\d* hand-offs')


if __name__ == '__main__':
    support.main({'mix': mix})
