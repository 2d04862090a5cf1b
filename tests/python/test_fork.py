# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""fork from threads: the child is the caller alone, and lives a full life.

A child of os.fork() has one thread, the one that forked.  It may start
threads, sockets and children of its own; nothing of the parent's other
threads may run in it, and nothing it does may touch the parent's.
"""
import contextlib
import multiprocessing
import os
import queue
import signal
import socket
import threading
import time
import unittest

import support


def in_child(deed, leave=os._exit):
    """Forks, runs the deed in the child; its exit status."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99
    try:
        deed()
        code = 0
    finally:
        if code:
            import traceback
            traceback.print_exc()
        leave(code)


def talk(count=5):
    """Threads that talk over sockets, locks and queues, all of it new."""
    answers = queue.Queue()

    def side(end, word):
        end.sendall(word)
        time.sleep(0.001)
        answers.put(end.recv(100))
    with support.Crew() as crew, contextlib.ExitStack() as stack:
        for i in range(count):
            for end, word in zip(socket.socketpair(), (b'left', b'right')):
                crew.start(side, stack.enter_context(end), word)
        got = sorted(answers.get(timeout=support.HANG)
                     for _ in range(2 * count))
        crew.join()
    assert got == [b'left'] * count + [b'right'] * count, got


@contextlib.contextmanager
def crowd():
    """Parked threads of every kind, which must still be there afterwards."""
    left, right = socket.socketpair()
    pipe = os.pipe()
    gate, box = threading.Event(), queue.Queue()
    woken = []
    with support.Crew() as crew:
        for body in (gate.wait, box.get, lambda: left.recv(1),
                     lambda: os.read(pipe[0], 1)):
            crew.start(lambda body=body: (body(), woken.append(1)))
        yield
        assert not woken
        gate.set()
        box.put(1)
        right.send(b'x')
        os.write(pipe[1], b'x')
        crew.join()
    for fd in pipe:
        os.close(fd)
    left.close()
    right.close()


class Fork(unittest.TestCase):
    def test_ten_threads_fork(self):
        codes = []

        def body(i):
            for _ in range(3):
                talk(2)
                codes.append(in_child(talk))
        with crowd(), support.Crew() as crew:
            crew.start_many(10, body)
        self.assertEqual(codes, [0] * 30)

    def test_grandchildren(self):
        def child():
            codes = []
            with support.Crew() as crew:
                crew.start_many(3, lambda i: codes.append(in_child(talk)))
            assert codes == [0] * 3
        with crowd():
            self.assertEqual(in_child(child), 0)
            talk()

    def test_child_sees_itself_alone(self):
        def child():
            assert threading.active_count() == 1
            assert threading.current_thread() is threading.main_thread()
            assert threading.get_native_id() == os.getpid()
            assert support.kernel_threads() == 1
            talk()
        codes = []
        with crowd():
            with support.Crew() as crew:
                crew.start_many(3, lambda i: codes.append(in_child(child)))
            codes.append(in_child(child))
        self.assertEqual(codes, [0] * 4)

    def test_child_thread_returns(self):
        """A child whose only thread, not main, ends its body exits with 0."""
        reader, writer = os.pipe()
        pids = []

        def body(_):
            pid = os.fork()
            if pid:
                pids.append(pid)
            else:
                os.write(writer, b'c')
        threads = [threading.Thread(target=body, args=(i,)) for i in range(5)]
        with crowd():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            codes = [os.waitpid(pid, 0)[1] for pid in pids]
        os.close(writer)
        self.assertEqual(codes, [0] * 5)
        self.assertEqual(os.read(reader, 100), b'ccccc')
        os.close(reader)

    def test_joiner_does_not_run_in_the_child(self):
        """What main does after join() happens once, in the parent."""
        reader, writer = os.pipe()
        me = os.getpid()
        pids = []

        def body():
            pids.append(os.fork())
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        os.write(writer, b'after join in %s,' % (
            b'parent' if os.getpid() == me else b'CHILD'))
        if os.getpid() != me:
            os._exit(1)
        self.assertEqual(os.waitpid(pids[0], 0)[1], 0)
        os.close(writer)
        self.assertEqual(os.read(reader, 1000), b'after join in parent,')
        os.close(reader)

    def test_timers_and_waits_of_others_die_in_the_child(self):
        """The parent's sleepers and readers never act in the child."""
        reader, writer = os.pipe()
        left, right = socket.socketpair()
        go = threading.Event()

        def sleeper():
            time.sleep(0.2)
            os.write(writer, b's')

        def receiver():
            left.recv(1)
            os.write(writer, b'r')

        def waiter():
            go.wait()
            os.write(writer, b'e')
        with support.Crew() as crew:
            for body in (sleeper, receiver, waiter):
                crew.start(body)

            def child():
                go.set()
                os.write(writer, b'c')
                time.sleep(0.3)
                talk()
            self.assertEqual(in_child(child), 0)
            self.assertFalse(go.is_set())
            right.send(b'x')
            go.set()
            crew.join()
        os.close(writer)
        self.assertEqual(sorted(os.read(reader, 100)), sorted(b'cser'))
        for end in (left, right):
            end.close()
        os.close(reader)

    def test_parent_reads_go_on(self):
        """The child's loop must not eat the parent's events: epoll is shared."""
        pairs = [socket.socketpair() for _ in range(10)]
        heard = []

        def body(i):
            for _ in range(20):
                heard.append(pairs[i][0].recv(1))
        with support.Crew() as crew:
            crew.start_many(10, body)
            pids = []
            for _ in range(4):
                pid = os.fork()
                if not pid:
                    try:
                        for left, right in pairs:
                            left.close()
                            right.close()
                        for _ in range(5):
                            talk(1)
                    finally:
                        os._exit(0)
                pids.append(pid)
            for _ in range(20):
                for _, right in pairs:
                    right.send(b'x')
            for pid in pids:
                self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertEqual(heard, [b'x'] * 200)
        for pair in pairs:
            for end in pair:
                end.close()

    def test_wait_for_many_children(self):
        """Threads wait for their own child, and are told its own status."""
        found = {}

        def body(i):
            reader, writer = os.pipe()
            pid = os.fork()
            if not pid:
                os.read(reader, 1)
                os._exit(i)
            pids.append(pid)
            writers.append(writer)
            gate.wait(support.HANG)
            found[i] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(reader)
        pids, writers = [], []
        gate = threading.Barrier(31)
        with support.Crew() as crew:
            crew.start_many(30, body)
            gate.wait(support.HANG)
            for writer in writers:
                os.write(writer, b'x')
            crew.join()
        for writer in writers:
            os.close(writer)
        self.assertEqual(found, {i: i for i in range(30)})

    def test_wait_any_child(self):
        codes = []

        def body(_):
            codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
        pids = []
        for i in range(5):
            pids.append(os.fork())
            if not pids[-1]:
                os._exit(i)
        with support.Crew() as crew:
            crew.start_many(5, body)
        self.assertEqual(sorted(codes), list(range(5)))
        with self.assertRaises(ChildProcessError):
            os.waitpid(pids[0], 0)

    def test_child_killed(self):
        statuses = []

        def body(_):
            pid = os.fork()
            if not pid:
                signal.pause()
                os._exit(1)
            os.kill(pid, signal.SIGKILL)
            statuses.append(os.wait4(pid, 0)[1])
        with support.Crew() as crew:
            crew.start_many(5, body)
        self.assertEqual(statuses, [signal.SIGKILL] * 5)

    def test_atfork_hooks(self):
        order = []
        lock = threading.Lock()
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release,
                            after_in_child=lock.release)
        busy = threading.Event()

        def hold():
            while not busy.is_set():
                with lock:
                    time.sleep(0)
        with support.Crew() as crew:
            crew.start(hold)

            def child():
                assert lock.acquire(timeout=30)
                talk(1)
            for _ in range(5):
                order.append(in_child(child))
            busy.set()
        self.assertEqual(order, [0] * 5)

    def test_child_exits_by_sys_exit(self):
        """A full finalization in a child forked from beside many threads."""
        run = support.run_python('-c', '''
import os, sys, threading, time
gate = threading.Event()
for _ in range(20):
    threading.Thread(target=gate.wait, daemon=True).start()
pid = os.fork()
if not pid:
    worker = threading.Thread(target=time.sleep, args=(0.01,))
    worker.start()
    sys.exit(5)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(code, gate.is_set(), threading.active_count(), flush=True)
''')
        self.assertEqual((run.returncode, run.stdout), (0, '5 False 21\n'),
                         run.stderr)


def square(i):
    talk(1)
    return i * i


class Multiprocessing(unittest.TestCase):
    def setUp(self):
        self.context = multiprocessing.get_context('fork')

    def test_pool(self):
        with crowd(), self.context.Pool(3) as pool:
            self.assertEqual(pool.map(square, range(30)),
                             [i * i for i in range(30)])
            pool.close()
            pool.join()

    def test_pools_from_threads(self):
        results = []

        def body(_):
            with self.context.Pool(2) as pool:
                results.append(pool.map(square, range(5)))
                pool.close()
                pool.join()
        with support.Crew() as crew:
            crew.start_many(3, body)
        self.assertEqual(results, [[0, 1, 4, 9, 16]] * 3)

    def test_shared_locks(self):
        """A wait on another process's lock stops only the thread in it."""
        lock, ready = self.context.Lock(), self.context.Event()
        box = self.context.Queue()

        def child():
            with lock:
                ready.set()
                box.get()

        process = self.context.Process(target=child)
        process.start()
        ready.wait()
        got = []

        def take(_):
            with lock:
                got.append(1)
        with support.Crew() as crew:
            crew.start_many(5, take)
            talk()
            self.assertFalse(lock.acquire(timeout=0.01))
            self.assertEqual(got, [])
            box.put('go')
            process.join()
            crew.join()
        self.assertEqual((len(got), process.exitcode), (5, 0))
        box.close()


if __name__ == '__main__':
    support.main()
