# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""1,000 threads and everything that `threading` offers them.

The answers must be those of plain Python.  Under the preload the process
besides has two kernel threads (main and the preemption watchdog) once it has
settled, and at no time more than one above that: each thread is born on a
kernel thread that it leaves at once.
"""
import concurrent.futures
import queue
import sys
import threading
import time
import unittest

import support

THREADS = 1000
SETTLED = 2  # main and the watchdog
DAEMONS = r'''
import os, queue, select, signal, socket, subprocess, sys, threading, time
pairs = [socket.socketpair() for _ in range(20)]
lock = threading.Lock(); lock.acquire()
rlock = threading.RLock(); rlock.acquire()
condition = threading.Condition()
child = subprocess.Popen(['sleep', '600'])
def wait_condition():
    with condition:
        condition.wait()
def wait_rlock():
    with rlock:
        pass
waits = [
    lambda: time.sleep(600), lambda: time.sleep(600),
    lambda: pairs[0][0].recv(1), lambda: pairs[1][0].recv(1),
    lock.acquire, lambda: lock.acquire(timeout=600),
    wait_rlock, wait_condition,
    queue.Queue().get, lambda: queue.Queue().get(timeout=600),
    queue.SimpleQueue().get, threading.Event().wait,
    lambda: threading.Event().wait(600), threading.Semaphore(0).acquire,
    threading.Barrier(2).wait, lambda: select.select([pairs[2][0]], [], []),
    lambda: os.read(pairs[3][0].fileno(), 1), signal.pause,
    child.wait, threading.main_thread().join,
]
assert len(waits) == 20
ready = []
def run(wait):
    ready.append(1)
    wait()
for wait in waits:
    threading.Thread(target=run, args=(wait,), daemon=True).start()
while len(ready) < len(waits):
    time.sleep(0.001)
child.kill()
print('parked', flush=True)
sys.exit(7)
'''
NOT_DAEMON = '''
import os, threading
gate = threading.Event()
def late():
    gate.wait()
    threading.main_thread().join()
    os.write(1, b'late\\n')
for _ in range(50):
    threading.Thread(target=late).start()
threading.Thread(target=gate.set).start()
print('main ends', flush=True)
'''


class Thousand(unittest.TestCase):
    def run_all(self, body, meanwhile=None):
        """Starts THREADS threads on body(i), watching the kernel threads."""
        most = 0
        with support.Crew() as crew:
            for i in range(THREADS):
                crew.start(body, i)
                if i % 50 == 0:
                    most = max(most, support.kernel_threads())
            if support.GREEN:
                self.assertLessEqual(most, SETTLED + 1)
                self.assertLessEqual(support.kernel_threads(), SETTLED + 1)
            if meanwhile:
                meanwhile()
                if support.GREEN:
                    support.wait_until(
                        lambda: support.kernel_threads() <= SETTLED)
        return crew

    def test_local(self):
        data = threading.local()
        barrier = threading.Barrier(THREADS)
        seen = set()

        def body(i):
            self.assertFalse(hasattr(data, 'value'))
            data.value = i
            barrier.wait()
            self.assertEqual(data.value, i)
            seen.add(data.value)
        self.run_all(body)
        self.assertEqual(len(seen), THREADS)

    def test_lock(self):
        lock = threading.Lock()
        total = [0]
        inside = []

        def body(i):
            with lock:
                inside.append(i)
                self.assertEqual(inside, [i])
                before = total[0]
                time.sleep(0)
                total[0] = before + 1
                inside.remove(i)
        lock.acquire()
        self.run_all(body, lock.release)
        self.assertEqual(total, [THREADS])

    def test_lock_timeout(self):
        lock = threading.Lock()
        lock.acquire()
        gave_up = []

        def body(i):
            self.assertFalse(lock.acquire(timeout=0.01))
            self.assertFalse(lock.acquire(blocking=False))
            gave_up.append(i)
        self.run_all(body)
        self.assertEqual(len(gave_up), THREADS)
        lock.release()
        self.assertTrue(lock.acquire(timeout=5))

    def test_rlock(self):
        rlock = threading.RLock()
        total = [0]

        def body(_):
            with rlock:
                with rlock:
                    before = total[0]
                    time.sleep(0)
                    total[0] = before + 1
            with self.assertRaises(RuntimeError):
                rlock.release()
        rlock.acquire()
        self.run_all(body, rlock.release)
        self.assertEqual(total, [THREADS])

    def test_condition(self):
        condition = threading.Condition()
        state = {'go': False, 'waiting': 0, 'woken': 0}

        def body(_):
            with condition:
                state['waiting'] += 1
                self.assertTrue(condition.wait_for(lambda: state['go'], 60))
                state['woken'] += 1

        def open_gate():
            support.wait_until(lambda: state['waiting'] == THREADS)
            with condition:
                condition.notify(THREADS // 2)
            with condition:
                self.assertEqual(state['woken'], 0)
                state['go'] = True
                condition.notify_all()
        self.run_all(body, open_gate)
        self.assertEqual(state['woken'], THREADS)

    def test_event(self):
        gate = threading.Event()
        back = [threading.Event() for _ in range(THREADS)]

        def body(i):
            self.assertFalse(gate.wait(0.001) and not gate.is_set())
            self.assertTrue(gate.wait())
            back[i].set()

        def open_gate():
            gate.set()
            for event in back:
                self.assertTrue(event.wait(60))
        self.run_all(body, open_gate)

    def test_semaphore(self):
        semaphore = threading.BoundedSemaphore(7)
        state = {'inside': 0, 'most': 0, 'done': 0}
        guard = threading.Lock()

        def body(_):
            with semaphore:
                with guard:
                    state['inside'] += 1
                    state['most'] = max(state['most'], state['inside'])
                time.sleep(0)
                with guard:
                    state['inside'] -= 1
                    state['done'] += 1
        self.run_all(body)
        self.assertEqual(state['done'], THREADS)
        self.assertLessEqual(state['most'], 7)
        with self.assertRaises(ValueError):
            semaphore.release()

    def test_barrier(self):
        before = []
        places = []
        barrier = threading.Barrier(THREADS, action=lambda: places.append(-1))

        def body(i):
            before.append(i)
            place = barrier.wait(60)
            self.assertEqual(len(before), THREADS)
            places.append(place)
            second.wait(60)
        second = threading.Barrier(THREADS)
        self.run_all(body)
        self.assertEqual(sorted(places), [-1] + list(range(THREADS)))

    def test_barrier_abort(self):
        barrier = threading.Barrier(THREADS + 1)
        broken = []

        def body(i):
            with self.assertRaises(threading.BrokenBarrierError):
                barrier.wait()
            broken.append(i)

        def abort():
            support.wait_until(lambda: barrier.n_waiting == THREADS)
            barrier.abort()
        self.run_all(body, abort)
        self.assertEqual(len(broken), THREADS)

    def test_queue(self):
        for make in (queue.Queue, queue.SimpleQueue):
            asked, answers = make(), queue.Queue(10)

            def body(_):
                answers.put(asked.get() * 2)

            def exchange():
                for i in range(THREADS):
                    asked.put(i)
                got = [answers.get(timeout=60) for _ in range(THREADS)]
                self.assertEqual(sorted(got),
                                 [2 * i for i in range(THREADS)])
            with self.subTest(make.__name__):
                self.run_all(body, exchange)

    def test_queue_join_and_timeout(self):
        work = queue.Queue()
        with self.assertRaises(queue.Empty):
            work.get(timeout=0.01)

        def body(_):
            work.get()
            work.task_done()
        for i in range(THREADS):
            work.put(i)
        self.run_all(body, work.join)
        self.assertEqual(work.unfinished_tasks, 0)

    def test_executor(self):
        pool = concurrent.futures.ThreadPoolExecutor(THREADS)
        gate = threading.Barrier(THREADS)

        def body(i):
            gate.wait(60)
            if i % 100 == 99:
                raise KeyError(i)
            return i * i
        with pool:
            futures = [pool.submit(body, i) for i in range(THREADS)]
            done, late = concurrent.futures.wait(futures, timeout=60)
            self.assertFalse(late)
            for i, future in enumerate(futures):
                if i % 100 == 99:
                    self.assertEqual(future.exception().args, (i,))
                else:
                    self.assertEqual(future.result(), i * i)
            if support.GREEN:
                support.wait_until(lambda: support.kernel_threads() <= SETTLED)
            self.assertEqual(list(pool.map(abs, range(-50, 0))),
                             list(range(50, 0, -1)))
        late = pool._threads if hasattr(pool, '_threads') else ()
        self.assertFalse([t for t in late if t.is_alive()])


class Ends(unittest.TestCase):
    def test_join_timeout(self):
        gate = threading.Event()
        threads = [threading.Thread(target=gate.wait, daemon=True)
                   for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads[::50]:
            thread.join(0.001)
            self.assertTrue(thread.is_alive())
            thread.join(0)
            thread.join(-1)
            self.assertTrue(thread.is_alive())
        gate.set()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
            thread.join()
        with self.assertRaises(RuntimeError):
            threading.current_thread().join()

    def test_many_joiners_of_one(self):
        gate = threading.Event()
        one = threading.Thread(target=gate.wait, daemon=True)
        one.start()
        with support.Crew() as crew:
            crew.start_many(100, lambda _: one.join())
            gate.set()

    def test_join_chain(self):
        with support.Crew() as crew:
            gate = threading.Event()
            last = crew.start(gate.wait)
            for _ in range(THREADS):
                last = crew.start(last.join)
            gate.set()

    def test_daemons_at_exit(self):
        """Parked daemon threads neither hold the exit up nor change its code."""
        run = support.run_python('-c', DAEMONS)
        self.assertEqual((run.returncode, run.stdout, run.stderr),
                         (7, 'parked\n', ''))

    def test_exit_waits_for_the_others(self):
        run = support.run_python('-c', NOT_DAEMON)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.stdout.splitlines(), ['main ends'] + ['late'] * 50)

    def test_busy_daemon_at_exit(self):
        run = support.run_python('-c', '''
import sys, threading
def spin():
    started.set()
    while True:
        pass
for _ in range(5):
    started = threading.Event()
    threading.Thread(target=spin, daemon=True).start()
    started.wait()
sys.exit(3)
''')
        self.assertEqual((run.returncode, run.stderr), (3, ''))

    def test_atexit_may_use_threads(self):
        run = support.run_python('-c', '''
import atexit, threading, time
done = []
old = threading.Thread(target=time.sleep, args=(600,), daemon=True)
@atexit.register
def last():
    lock = threading.Lock()
    with lock:
        time.sleep(0.001)
    old.join(0.01)
    print(old.is_alive())
old.start()
''')
        self.assertEqual((run.returncode, run.stdout, run.stderr),
                         (0, 'True\n', ''))


class Hooks(unittest.TestCase):
    def test_excepthook(self):
        seen = []
        old = threading.excepthook
        threading.excepthook = lambda args: seen.append(
            (args.exc_type, args.exc_value.args[0], args.thread.name))
        try:
            def fail(i):
                time.sleep(0)
                raise ArithmeticError(i)
            threads = [threading.Thread(target=fail, args=(i,), name='t%d' % i)
                       for i in range(200)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        finally:
            threading.excepthook = old
        self.assertEqual(sorted(seen, key=lambda s: s[1]), [
            (ArithmeticError, i, 't%d' % i) for i in range(200)])

    def test_default_excepthook_and_exit(self):
        run = support.run_python('-c', '''
import sys, threading
def fail(): raise KeyError('told')
def leave(): sys.exit(9)
for body in fail, leave:
    thread = threading.Thread(target=body); thread.start(); thread.join()
''')
        self.assertEqual(run.returncode, 0)
        self.assertIn("KeyError: 'told'", run.stderr)
        self.assertNotIn('SystemExit', run.stderr)

    def test_settrace_and_setprofile(self):
        calls = {'trace': set(), 'profile': set()}

        def traced():
            time.sleep(0)

        def hook(kind):
            def note(frame, event, _):
                if event == 'call' and frame.f_code is traced.__code__:
                    calls[kind].add(threading.get_ident())
            return note
        gate = threading.Barrier(50)

        def body(_):
            gate.wait(60)
            traced()
        threading.settrace(hook('trace'))
        threading.setprofile(hook('profile'))
        try:
            with support.Crew() as crew:
                crew.start_many(50, body)
        finally:
            threading.settrace(None)
            threading.setprofile(None)
        idents = {t.ident for t in crew.threads}
        self.assertEqual(calls, {'trace': idents, 'profile': idents})

    def test_identity(self):
        gate = threading.Barrier(100)
        seen = []

        def body(i):
            gate.wait(60)
            me = threading.current_thread()
            self.assertEqual(me.name, 'worker-%d' % i)
            self.assertEqual(me.ident, threading.get_ident())
            self.assertEqual(me.native_id, threading.get_native_id())
            self.assertIs(threading.main_thread() is me, False)
            self.assertEqual(
                sys._current_frames()[me.ident].f_code, body.__code__)
            seen.append((me.ident, me.native_id))
            gate.wait(60)
        with support.Crew() as crew:
            for i in range(100):
                crew.start(body, i, name='worker-%d' % i)
        self.assertEqual(len({ident for ident, _ in seen}), 100)
        self.assertEqual(len({native for _, native in seen}), 100)

    def test_exceptions_set_from_outside(self):
        """PyThreadState_SetAsyncExc reaches a thread that computes."""
        import ctypes
        caught = threading.Event()

        def body():
            started.set()
            try:
                while True:
                    time.sleep(0)
            except ZeroDivisionError:
                caught.set()
        started = threading.Event()
        with support.Crew() as crew:
            thread = crew.start(body)
            started.wait()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(ZeroDivisionError))
        self.assertTrue(caught.is_set())

    def test_stack_size(self):
        old = threading.stack_size()
        try:
            for size in (64 << 10, 256 << 10, 32 << 20):
                threading.stack_size(size)
                with support.Crew() as crew:
                    crew.start_many(20, lambda _: time.sleep(0.001))
        finally:
            threading.stack_size(old)


if __name__ == '__main__':
    support.main()
