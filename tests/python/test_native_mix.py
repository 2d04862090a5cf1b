# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""Native and green threads share what `threading` offers, both ways.

Wakes go from green to native, from native to green, and among each kind, in
one program.  In plain mode all threads are native, which is the oracle.
"""
import concurrent.futures
import ctypes
import hashlib
import os
import queue
import socket
import threading
import time
import unittest

import support

EACH = 10
ROUNDS = 50


def start_mixed(crew, count, body):
    """count threads of each kind on body(i); even numbers are green."""
    for i in range(count):
        crew.start(body, 2 * i)
        with support.native_threads():
            crew.start(body, 2 * i + 1)


class Mix(unittest.TestCase):
    def test_kinds(self):
        """The context manager does what it says, and only inside."""
        gate = threading.Event()
        with support.Crew() as crew:
            crew.start(gate.wait)
            with support.native_threads():
                crew.start_many(3, lambda _: gate.wait())
            crew.start_many(3, lambda _: gate.wait())
            # By their ids: a worker that has joined native threads for main may idle beside them.
            kinds = [thread.native_id in native_tids() for thread in crew.threads]
            gate.set()
        known = not support.GREEN
        self.assertEqual(kinds, [known] + 3 * [True] + 3 * [known])

    def test_nested_and_from_a_thread(self):
        """Inside is a matter of the thread that is inside."""
        kinds = []

        def note(_):
            kinds.append(threading.get_native_id() in native_tids())
        inside, outside = threading.Event(), threading.Event()

        def body():
            with support.native_threads():
                with support.native_threads():
                    pass
                with support.Crew() as crew:
                    crew.start(note, 0)
                inside.set()
                outside.wait()
        with support.Crew() as crew:
            crew.start(body)
            inside.wait()
            with support.Crew() as own:
                own.start(note, 1)
            outside.set()
        self.assertEqual(kinds, [True, not support.GREEN])

    def test_lock(self):
        for lock in (threading.Lock(), threading.RLock()):
            total = [0]

            def body(_):
                for _ in range(ROUNDS):
                    with lock:
                        before = total[0]
                        time.sleep(0)
                        total[0] = before + 1
            with support.Crew() as crew:
                start_mixed(crew, EACH, body)
            self.assertEqual(total, [2 * EACH * ROUNDS])

    def test_lock_handed_over(self):
        """One kind acquires what only the other kind releases."""
        for native_releases in (False, True):
            locks = [threading.Lock() for _ in range(ROUNDS)]
            for lock in locks:
                lock.acquire()

            def take():
                for lock in locks:
                    self.assertTrue(lock.acquire(timeout=support.HANG))

            def give():
                for lock in locks:
                    lock.release()
            with support.Crew() as crew:
                mine, theirs = (take, give) if native_releases else (give, take)
                with support.native_threads():
                    crew.start(theirs)
                crew.start(mine)

    def test_condition(self):
        """A ping-pong of notifies between every pair of kinds."""
        condition = threading.Condition()
        turn = [0]

        def body(i):
            for k in range(ROUNDS // 5):
                with condition:
                    self.assertTrue(condition.wait_for(
                        lambda: turn[0] == k * 2 * EACH + i, support.HANG))
                    turn[0] += 1
                    condition.notify_all()
        with support.Crew() as crew:
            start_mixed(crew, EACH, body)
        self.assertEqual(turn[0], 2 * EACH * (ROUNDS // 5))

    def test_event(self):
        events = [threading.Event() for _ in range(2 * EACH)]

        def body(i):
            self.assertTrue(events[i].wait(support.HANG))
            if i + 1 < len(events):
                events[i + 1].set()
        with support.Crew() as crew:
            start_mixed(crew, EACH, body)
            events[0].set()

    def test_semaphore(self):
        semaphore = threading.Semaphore(3)
        guard = threading.Lock()
        state = {'inside': 0, 'most': 0}

        def body(_):
            for _ in range(ROUNDS):
                with semaphore:
                    with guard:
                        state['inside'] += 1
                        state['most'] = max(state['most'], state['inside'])
                    time.sleep(0)
                    with guard:
                        state['inside'] -= 1
        with support.Crew() as crew:
            start_mixed(crew, EACH, body)
        self.assertEqual(state['inside'], 0)
        self.assertLessEqual(state['most'], 3)

    def test_barrier(self):
        barrier = threading.Barrier(2 * EACH)
        places = []

        def body(_):
            for _ in range(ROUNDS // 5):
                places.append(barrier.wait(support.HANG))
        with support.Crew() as crew:
            start_mixed(crew, EACH, body)
        self.assertEqual(sorted(places), sorted(
            list(range(2 * EACH)) * (ROUNDS // 5)))

    def test_queues(self):
        for make in (lambda: queue.Queue(2), queue.SimpleQueue):
            asked, answered = make(), make()

            def body(i):
                if i // 2 % 2:
                    for k in range(ROUNDS):
                        asked.put(k)
                else:
                    for _ in range(ROUNDS):
                        answered.put(asked.get(timeout=support.HANG))
            with support.Crew() as crew:
                start_mixed(crew, EACH, body)
                got = [answered.get(timeout=support.HANG)
                       for _ in range(EACH * ROUNDS)]
            self.assertEqual(sorted(got), sorted(list(range(ROUNDS)) * EACH))

    def test_timeouts(self):
        """Waits of both kinds on one lock time out, or get it, never both."""
        lock = threading.Lock()
        got = []

        def body(_):
            for _ in range(ROUNDS // 5):
                if lock.acquire(timeout=0.002):
                    got.append(1)
                    self.assertEqual(len(got), 1)
                    time.sleep(0.0005)
                    got.pop()
                    lock.release()
        with support.Crew() as crew:
            start_mixed(crew, EACH, body)
        self.assertTrue(lock.acquire(timeout=1))

    def test_join(self):
        """Each kind joins the other."""
        gate = threading.Event()
        with support.Crew() as crew:
            green = crew.start(gate.wait)
            with support.native_threads():
                native = crew.start(gate.wait)
                crew.start(green.join)
                crew.start(native.join)
            crew.start(green.join)
            crew.start(native.join)
            gate.set()

    def test_sockets(self):
        """A native and a green thread talk, either way round."""
        for native_first in (False, True):
            left, right = socket.socketpair()

            def ping(end):
                for i in range(ROUNDS):
                    end.sendall(b'%03d' % i)
                    self.assertEqual(end.recv(3), b'%03d' % i)

            def echo(end):
                while True:
                    data = end.recv(3)
                    if not data:
                        return
                    end.sendall(data)
            with left, right, support.Crew() as crew:
                with support.native_threads():
                    crew.start(echo if native_first else ping, right)
                crew.start(ping if native_first else echo, left)
                crew.threads[1 if native_first else 0].join()
                left.shutdown(socket.SHUT_WR)
                right.shutdown(socket.SHUT_WR)

    def test_futures(self):
        """A native pool works for green threads that wait for its results."""
        results = []
        with support.native_threads():
            pool = concurrent.futures.ThreadPoolExecutor(
                3, initializer=time.sleep, initargs=(0,))
            futures = [pool.submit(pow, 2, i) for i in range(3)]
        with pool:
            def body(i):
                results.append(pool.submit(pow, 3, i).result(support.HANG))
            with support.Crew() as crew:
                crew.start_many(EACH, body)
            self.assertEqual([f.result(support.HANG) for f in futures],
                             [1, 2, 4])
        self.assertEqual(sorted(results), [3 ** i for i in range(EACH)])

    def test_c_code_in_a_native_thread(self):
        """Work that runs in C without the GIL holds nobody up there."""
        ended, ticks = threading.Event(), 0

        def work():
            while ticks < 5:
                hashlib.pbkdf2_hmac('sha256', b'x', b'y', 20000)
            ended.set()
        with support.Crew() as crew:
            with support.native_threads():
                crew.start(work)
            while not ended.wait(0.001):
                ticks += 1

    def test_pthread_mutex_and_condition(self):
        """The bare pthread calls, whose waiters glibc would not wake for us.

        A native thread's pthread_cond_wait lets the mutex go: a green thread
        that is parked on it must then get it, and the signal back.
        """
        libc = ctypes.CDLL(None)
        mutex, condition = (ctypes.create_string_buffer(64) for _ in range(2))
        state = {'turn': 0}

        def body(i):
            for k in range(20):
                libc.pthread_mutex_lock(mutex)
                while state['turn'] != 2 * k + i:
                    libc.pthread_cond_wait(condition, mutex)
                state['turn'] += 1
                libc.pthread_cond_signal(condition)
                libc.pthread_mutex_unlock(mutex)
        with support.Crew() as crew:
            start_mixed(crew, 1, body)
        self.assertEqual(state['turn'], 40)


def native_tids():
    """Thread ids that the kernel knows in this process."""
    return set(map(int, os.listdir('/proc/self/task')))


if __name__ == '__main__':
    support.main()
