# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""Greenlets are what waits: tasks, greenlets of others, and both in threads; signals, forks and ends.

The module under test is the private one that coio, stackless and aio share.
"""
import contextvars
import ctypes
import ctypes.util
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import weakref

import greenlet
import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
import syncless  # noqa: E402
from syncless import _glue  # noqa: E402


PTHREAD_MUTEX_RECURSIVE = 1


class Raised(Exception):
    pass


def start(fn, *args):
    task = _glue.Task(fn, args)
    task.on_uncaught = lambda ended: None
    return task.start()


def result(task):
    task.join()
    if task.exception:
        raise task.exception
    return task.result


def state_of(pid):
    """Of its first kernel thread, as a letter of proc(5)."""
    with open(f'/proc/{pid}/stat') as file:
        return file.read().rpartition(')')[2].split()[0]


def until(task):
    """Runs others until the task waits."""
    _glue.schedule()
    while task.is_ready:
        _glue.schedule()
    return task


def waits(task):
    return until(task).alive


def in_ms(milliseconds):
    return time.monotonic_ns() + milliseconds * 1000000


@unittest.skipIf(support.GREEN, 'without the preload')
class Plainly(unittest.TestCase):
    def test_says_what_to_do(self):
        self.assertFalse(_glue.is_preloaded())
        for call in _glue.schedule, _glue.park, _glue.current, _glue.Task(print).start:
            with self.assertRaisesRegex(RuntimeError, 'syncless run'):
                call()


class Preloaded(unittest.TestCase):
    def setUp(self):
        if not support.GREEN:
            self.skipTest('needs the preload')
        self.a, self.b = socket.socketpair()
        self.addCleanup(self.a.close)
        self.addCleanup(self.b.close)
        self.addCleanup(_glue.verify)


class Waits(Preloaded):
    def test_order(self):
        log = []

        def say(name):
            for n in range(3):
                log.append(name + str(n))
                _glue.schedule()

        tasks = [start(say, name) for name in 'abc']
        self.assertEqual(_glue.ready_tasks(), tasks)
        for task in tasks:
            result(task)
        self.assertEqual(log, ['a0', 'b0', 'c0', 'a1', 'b1', 'c1', 'a2', 'b2', 'c2'])

    def test_socket_parks_the_task_alone(self):
        reader = start(self.a.recv, 10)
        self.assertTrue(waits(reader))
        self.b.send(b'news')
        self.assertEqual(result(reader), b'news')

    def test_locks_tell_tasks_apart(self):
        lock, event = threading.Lock(), threading.Event()
        lock.acquire()
        waiting = [start(lock.acquire), start(event.wait)]
        self.assertTrue(all(waits(task) for task in waiting))
        lock.release()
        event.set()
        self.assertEqual([result(task) for task in waiting], [True, True])
        lock.release()

    def test_lock_is_shared_fairly(self):
        """One that locks again at once does not starve the other, and no release() is cut in two."""
        lock, log = threading.Lock(), []

        def hold(name):
            for _ in range(20):
                with lock:
                    log.append(name)
                    _glue.sleep(0.0001)

        tasks = [start(hold, name) for name in 'ab']
        for task in tasks:
            result(task)
        self.assertEqual(log.count('a'), 20)
        self.assertNotIn('aaa', ''.join(log).rstrip('a'))

    def test_many_sleep_at_once(self):
        count = [0]

        def sleep():
            count[0] += 1
            time.sleep(0.2)
            left = count[0]
            count[0] -= 1
            return left

        tasks = [start(sleep) for _ in range(1000)]
        self.assertEqual(max(result(task) for task in tasks), 1000)

    def test_begins_from_one_low_place(self):
        def chain(left):
            return 0 if not left else 1 + result(start(chain, left - 1))

        self.assertEqual(result(start(chain, 3000)), 3000)  # far beyond the limit of recursion

    def test_exception_in_hand_and_context_are_its_own(self):
        variable = contextvars.ContextVar('variable', default=0)

        def body(n):
            variable.set(variable.get() + n)
            try:
                raise Raised(n)
            except Raised as e:
                time.sleep(0.001)
                return variable.get(), sys.exc_info()[1] is e

        variable.set(100)
        tasks = [start(body, n) for n in range(5)]
        self.assertEqual([result(task) for task in tasks], [(100 + n, True) for n in range(5)])
        self.assertEqual(variable.get(), 100)

    def test_uncaught_exception_ends_only_itself(self):
        shown = []
        task, other = _glue.Task(lambda: 1 // 0).start(), start(self.a.recv, 1)
        hook, sys.excepthook = sys.excepthook, lambda *info: shown.append(info[0])
        try:
            self.assertRaises(ZeroDivisionError, result, task)
        finally:
            sys.excepthook = hook
        self.b.send(b'x')
        self.assertEqual((shown, result(other)), ([ZeroDivisionError], b'x'))


class Foreign(Preloaded):
    def test_foreign_greenlet_waits(self):
        g = greenlet.greenlet(lambda: self.a.recv(5))
        start(lambda: self.b.send(b'x'))
        self.assertEqual(g.switch(), b'x')

    def test_greenlets_inside_a_task(self):
        def outer():
            home = greenlet.getcurrent()
            return greenlet.greenlet(lambda: home.switch('inner', self.a.recv(5))).switch()

        task = start(outer)
        self.assertTrue(waits(task))
        self.b.send(b'x')
        self.assertEqual(result(task), ('inner', b'x'))

    def test_resumed_by_others(self):
        """It waits on, and whoever did that runs again."""
        task = until(start(self.a.recv, 5))
        resumed = task.greenlet
        start(lambda: self.b.send(b'y'))
        greenlet.greenlet(lambda: resumed.switch('junk')).switch()
        self.assertEqual(result(task), b'y')

    def test_event_loop_in_a_greenlet(self):
        """It waits in epoll_wait(); who switches to it has something new for it, as hubs are used."""
        log, main = [], greenlet.getcurrent()

        def loop():
            with select.epoll() as poll:
                while True:
                    log.append(poll.poll(3600))
                    main.switch('turn')

        hub = greenlet.greenlet(loop)
        start(hub.switch)
        _glue.schedule()
        self.assertEqual(log, [])
        self.assertEqual((hub.switch(), log), ('turn', [[]]))

    def test_thrown_into_by_others(self):
        task = until(start(self.a.recv, 5))
        victim = task.greenlet
        greenlet.greenlet(lambda: victim.throw(Raised('by others'))).switch()
        with self.assertRaisesRegex(Raised, 'by others'):
            result(task)


class Ends(Preloaded):
    def ends_with(self, fn):
        """Raised reaches fn where it waits."""
        task = until(start(fn))
        self.assertTrue(task.alive)
        task.throw(Raised('due'))
        self.assertRaisesRegex(Raised, 'due', result, task)

    def limited(self, fn):
        """fn is ended by a limit, in the calling thread."""
        me = _glue.current()
        _glue.set_expired(lambda task: Raised('limit'))
        me.set_limit(in_ms(20))
        try:
            return fn()
        except Raised as e:
            return str(e)
        finally:
            me.set_limit(None)

    def waits_of_python(self):
        lock = threading.Lock()
        lock.acquire()

        def by_with():
            with lock:
                pass

        quick = socket.socketpair()
        self.addCleanup(quick[0].close)
        self.addCleanup(quick[1].close)
        quick[0].settimeout(60)
        return [lambda: self.a.recv(5), lambda: quick[0].recv(5), lock.acquire, by_with,
                lambda: lock.acquire(timeout=60), lambda: time.sleep(60), _glue.park,
                lambda: _glue.sleep(60), threading.Event().wait, lambda: self.a.makefile('rb').read(1),
                lambda: os.read(self.a.fileno(), 1)]

    def test_throw(self):
        for wait in self.waits_of_python():
            self.ends_with(wait)

    def test_limit(self):
        for wait in self.waits_of_python():
            self.assertEqual(result(start(self.limited, wait)), 'limit')
            self.assertEqual(self.limited(wait), 'limit')

    def test_limit_in_a_thread(self):
        found = []
        thread = threading.Thread(target=lambda: found.extend(map(self.limited, self.waits_of_python())))
        thread.start()
        thread.join()
        self.assertEqual(set(found), {'limit'})

    def test_freed_while_all_others_wait(self):
        gone = threading.Event()
        weakref.finalize(start(int), gone.set)
        self.assertTrue(gone.wait(support.HANG))

    def test_not_begun(self):
        task = start(self.fail)
        task.throw(Raised())
        self.assertTrue(task.ended)
        self.assertRaises(Raised, result, task)

    def test_from_native_thread(self):
        parked, reader = until(start(_glue.park)), until(start(self.a.recv, 5))
        with syncless.native_threads():
            thread = threading.Thread(target=lambda: (parked.unpark(), reader.throw(Raised())))
            thread.start()
        self.assertTrue(result(parked))
        self.assertRaises(Raised, result, reader)
        thread.join()

    def test_unpark_before_park(self):
        task = start(_glue.park)
        task.unpark()
        self.assertTrue(result(task))


class Signals(Preloaded):
    def test_keyboard_interrupt_is_for_the_main_greenlet(self):
        for wait in (lambda: time.sleep(60), start(self.a.recv, 5).join, _glue.park, threading.Event().wait):
            killer = start(lambda: (time.sleep(0.01), os.kill(os.getpid(), signal.SIGINT)))
            with self.assertRaises(KeyboardInterrupt):
                wait()
            result(killer)
        self.b.send(b'x')

    def test_keyboard_interrupt_beside_another_wake(self):
        """Both come while the thread sleeps; the greenlet that is woken runs first, and is not interrupted."""
        def bystander():
            data = self.a.recv(5)
            return data + b'%d' % sum(range(1000))

        def disturb(process):
            """Both at once, when it sleeps."""
            support.wait_until(lambda: state_of(process) == 'S')
            os.kill(process, signal.SIGSTOP)
            self.b.send(b'x')
            os.kill(process, signal.SIGINT)
            os.kill(process, signal.SIGCONT)

        for main_sleeps_last in False, True:  # that one is the shim's current flow
            other = start(bystander)
            if main_sleeps_last:
                until(other)
            with self.assertRaises(KeyboardInterrupt):
                pid = os.fork()
                if not pid:
                    try:
                        disturb(os.getppid())
                    finally:
                        os._exit(0)
                _glue.park()
            self.assertEqual(result(other), b'x499500')
            os.waitpid(pid, 0)

    def test_handler_runs_and_the_call_goes_on(self):
        seen = []
        old = signal.signal(signal.SIGUSR1, lambda *_: seen.append(_glue.current()))
        self.addCleanup(signal.signal, signal.SIGUSR1, old)
        killer = start(lambda: (time.sleep(0.01), os.kill(os.getpid(), signal.SIGUSR1), self.b.send(b'x')))
        self.assertEqual(self.a.recv(5), b'x')
        result(killer)
        self.assertEqual(seen, [_glue.main()])


class Forks(Preloaded):
    def child(self, body):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                code = body()
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def tasks_in_child(self):
        tasks = [_glue.Task(time.sleep, (0.01,)).start() for _ in range(3)]
        for task in tasks:
            task.join()
        return 9 if not any(task.exception for task in tasks) else 1

    def test_child_has_tasks_of_its_own(self):
        left = until(start(self.a.recv, 5))
        self.assertEqual(self.child(self.tasks_in_child), 9)
        tasks = [start(self.child, self.tasks_in_child) for _ in range(5)]
        self.assertEqual([result(task) for task in tasks], [9] * 5)
        self.b.send(b'x')
        self.assertEqual(result(left), b'x')

    def test_task_that_forks_and_returns(self):
        """In the child it is alone: main does not go on there."""
        def fork():
            pid = os.fork()
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else None

        self.assertEqual(result(start(fork)), 0)

    def test_subprocess(self):
        tasks = [start(lambda: subprocess.run(['true']).returncode) for _ in range(10)]
        self.assertEqual([result(task) for task in tasks], [0] * 10)


class Storage(Preloaded):
    """What C code keeps by thread is each task's own."""

    def test_recursive_mutex(self):
        libc, log = ctypes.CDLL(None), []
        mutex, attributes = ctypes.create_string_buffer(64), ctypes.create_string_buffer(16)
        libc.pthread_mutexattr_init(attributes)
        libc.pthread_mutexattr_settype(attributes, PTHREAD_MUTEX_RECURSIVE)
        libc.pthread_mutex_init(mutex, attributes)

        def hold(name):
            for call in libc.pthread_mutex_lock, libc.pthread_mutex_lock:
                self.assertEqual(call(mutex), 0)
            log.append(name)
            libc.usleep(1000)
            log.append(name)
            for call in libc.pthread_mutex_unlock, libc.pthread_mutex_unlock:
                self.assertEqual(call(mutex), 0)

        tasks = [start(hold, name) for name in 'abc']
        hold('main')
        for task in tasks:
            result(task)
        self.assertEqual(log[::2], log[1::2])
        self.assertEqual(sorted(log[::2]), ['a', 'b', 'c', 'main'])

    def test_openssl_errors(self):
        path = ctypes.util.find_library('crypto')
        if not path:
            self.skipTest('no libcrypto')
        crypto, libc = ctypes.CDLL(path), ctypes.CDLL(None)
        if not hasattr(crypto, 'ERR_set_error'):
            self.skipTest('an old libcrypto')
        crypto.ERR_get_error.restype = ctypes.c_ulong

        def errors(n):
            for _ in range(n):
                crypto.ERR_new()
                crypto.ERR_set_error(2, 100 + n, None)
            libc.usleep(1000)
            return [crypto.ERR_get_error() & 0xfff for _ in range(n + 1)]

        tasks = [start(errors, n) for n in range(4)]
        self.assertEqual([result(task) for task in tasks], [[100 + n] * n + [0] for n in range(4)])


class Threads(Preloaded):
    def test_tasks_in_threads(self):
        sums = []

        def thread():
            tasks = [_glue.Task(time.sleep, (0.01,)).start() for _ in range(10)]
            for task in tasks:
                task.join()
            sums.append(sum(task.ended for task in tasks))

        threads = [threading.Thread(target=thread) for _ in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sums, [10] * 5)

    def test_thread_ends_before_its_tasks(self):
        def thread():
            for _ in range(5):
                until(start(self.a.recv, 5))

        t = threading.Thread(target=thread)
        t.start()
        t.join()
        self.b.send(b'kept')
        self.assertEqual(self.a.recv(5), b'kept')

    def test_computing_beside_threads(self):
        counts = []

        def count():
            for _ in range(20):
                for _ in range(2000):
                    pass
                time.sleep(0)
            counts.append(1)

        threads = [threading.Thread(target=count) for _ in range(10)]
        tasks = [start(count) for _ in range(10)]
        for t in threads:
            t.start()
        for t in threads + tasks:
            t.join()
        self.assertEqual(len(counts), 20)


class Memory(Preloaded):
    def test_nothing_grows(self):
        def sizes():
            gc.collect()
            with open('/proc/self/statm') as file:
                return int(file.read().split()[1]), len(os.listdir('/proc/self/fd'))

        def round_():
            tasks = [start(_glue.sleep, 0.001) for _ in range(3000)]
            for task in tasks:
                task.join()

        for _ in range(3):
            round_()
        before = sizes()
        for _ in range(7):
            round_()
        after = sizes()
        self.assertEqual(after[1], before[1])
        self.assertLess((after[0] - before[0]) * 4096, 2 << 20)

    def test_hundred_thousand_asleep(self):
        asleep = [0]

        def sleep():
            asleep[0] += 1
            _glue.sleep(3600)

        tasks = [start(sleep) for _ in range(100000)]
        _glue.schedule()
        self.assertEqual((asleep[0], _glue.ready_count()), (100000, 0))
        self.assertLessEqual(support.kernel_threads(), 2)  # one may be the watchdog of earlier threads
        for task in tasks:
            task.throw(Raised())
        for task in tasks:
            task.join()
        self.assertEqual({type(task.exception) for task in tasks}, {Raised})

    def test_alive_at_exit(self):
        run = support.run_python('-c', f'''
import sys; sys.path.insert(0, {support.ROOT + '/pyglue'!r})
import socket, threading
from syncless import _glue
a, b = socket.socketpair()
lock = threading.Lock(); lock.acquire()
for wait in lambda: a.recv(5), lock.acquire, _glue.park:
    _glue.Task(wait).start()
_glue.schedule()
print('end')
''')
        self.assertEqual((run.stdout, run.stderr, run.returncode), ('end\n', '', 0))


if __name__ == '__main__':
    unittest.main()
