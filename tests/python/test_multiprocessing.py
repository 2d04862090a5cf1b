# SPDX-License-Identifier: Apache-2.0
# timeout: 240
"""multiprocessing from threads: Pool, Queue, Pipe and Manager, by fork, spawn and forkserver, several at once.

All that is done in a child stands at the top of this module, where a child that is spawned finds it.
"""
import multiprocessing
import os
import queue
import threading
import time
import unittest

import support

THREADS = 3
METHODS = 'fork', 'spawn', 'forkserver'


def square(number):
    return number * number


def sum_of_squares_by_threads(numbers):
    """Threads in a child are what they are in the parent."""
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(square(n))) for n in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(found)


def fail(text):
    raise LookupError(text)


def give(from_parent, to_parent):
    """Each thing back, in order, until None."""
    for thing in iter(from_parent.get, None):
        to_parent.put(('back', thing))
    to_parent.put(None)


def echo(connection):
    with connection:
        for thing in iter(connection.recv, None):
            connection.send(thing)


def count_under(lock, value, times):
    for _ in range(times):
        with lock:
            before = value.value
            time.sleep(0)
            value.value = before + 1


def fill_shared(shared, name, number):
    shared[name] = number


def wait_then_tell(event, told):
    event.wait()
    told.put(os.getpid())


class Multiprocessing:
    """For each method in a class of its own; every test runs in THREADS threads at once."""
    method = None

    def setUp(self):
        self.context = multiprocessing.get_context(self.method)

    def in_threads(self, deed):
        with support.Crew() as crew:
            crew.start_many(THREADS, deed)

    def test_pool(self):
        def deed(i):
            with self.context.Pool(2) as pool:
                self.assertEqual(pool.map(square, range(i, i + 50)), [n * n for n in range(i, i + 50)])
                self.assertEqual(pool.apply(sum_of_squares_by_threads, ([1, 2, i],)), 5 + i * i)
                self.assertEqual(sorted(pool.imap_unordered(square, range(10), 3)),
                                 sorted(n * n for n in range(10)))
                with self.assertRaisesRegex(LookupError, 'for thread %d' % i):
                    pool.apply_async(fail, ('for thread %d' % i,)).get(support.HANG)
                pool.close()
                pool.join()
        self.in_threads(deed)

    def test_pool_is_terminated(self):
        def deed(i):
            with self.context.Pool(2) as pool:
                waiting = pool.apply_async(time.sleep, (1000,))
                with self.assertRaises(multiprocessing.TimeoutError):
                    waiting.get(0.05)
            pool.join()
        self.in_threads(deed)

    def test_queue(self):
        def deed(i):
            there, back = self.context.Queue(), self.context.Queue()
            child = self.context.Process(target=give, args=(there, back))
            child.start()
            things = [(i, n, 'x' * (n * 2000)) for n in range(40)]  # more than a pipe holds
            for thing in things:
                there.put(thing)
            there.put(None)
            found = list(iter(lambda: back.get(timeout=support.HANG), None))
            self.assertEqual(found, [('back', thing) for thing in things])
            with self.assertRaises(queue.Empty):
                back.get(timeout=0.01)
            child.join()
            self.assertEqual(child.exitcode, 0)
            for each in (there, back):
                each.close()
                each.join_thread()
        self.in_threads(deed)

    def test_pipe(self):
        def deed(i):
            ours, its = self.context.Pipe()
            child = self.context.Process(target=echo, args=(its,))
            child.start()
            its.close()
            with ours:
                for n in range(20):
                    ours.send((i, n, b'y' * (n * 10000)))
                    self.assertTrue(ours.poll(support.HANG))
                    self.assertEqual(ours.recv(), (i, n, b'y' * (n * 10000)))
                ours.send(None)
                with self.assertRaises(EOFError):
                    ours.recv()
            child.join()
            self.assertEqual(child.exitcode, 0)
        self.in_threads(deed)

    def test_manager(self):
        def deed(i):
            with self.context.Manager() as manager:
                shared, items, lock = manager.dict(), manager.list(), manager.Lock()
                children = [self.context.Process(target=fill_shared, args=(shared, n, i * n)) for n in range(2)]
                for child in children:
                    child.start()
                for child in children:
                    child.join()
                    self.assertEqual(child.exitcode, 0)
                self.assertEqual(dict(shared), {0: 0, 1: i})
                with support.Crew() as crew:  # each of whom has a connection of its own
                    crew.start_many(4, lambda n: [self.append_under(lock, items, n) for _ in range(5)])
                self.assertEqual(sorted(items), sorted([n for n in range(4)] * 5))
        self.in_threads(deed)

    @staticmethod
    def append_under(lock, items, number):
        with lock:
            items.append(number)

    def test_lock_and_value(self):
        """Semaphores that processes share: threads here and children contend for one."""
        lock, value = self.context.Lock(), self.context.Value('i', 0, lock=False)
        children = [self.context.Process(target=count_under, args=(lock, value, 50)) for _ in range(2)]
        for child in children:
            child.start()
        self.in_threads(lambda i: count_under(lock, value, 50))
        for child in children:
            child.join()
            self.assertEqual(child.exitcode, 0)
        self.assertEqual(value.value, 50 * (THREADS + 2))

    def test_event(self):
        def deed(i):
            event, told = self.context.Event(), self.context.SimpleQueue()
            child = self.context.Process(target=wait_then_tell, args=(event, told))
            child.start()
            event.set()
            self.assertEqual(told.get(), child.pid)
            child.join()
            told.close()
        self.in_threads(deed)

    def test_process_is_killed(self):
        children = []

        def deed(i):
            child = self.context.Process(target=time.sleep, args=(1000,))
            children.append(child)
            child.start()
            self.assertTrue(child.is_alive())
            child.kill()
            child.join()
            self.assertEqual(child.exitcode, -9)
        self.in_threads(deed)
        for child in children:
            child.close()  # not in the threads: in older 3.11s, start() in another one may trip over it


class ByFork(Multiprocessing, unittest.TestCase):
    method = 'fork'


class BySpawn(Multiprocessing, unittest.TestCase):
    method = 'spawn'


class ByForkserver(Multiprocessing, unittest.TestCase):
    method = 'forkserver'


if __name__ == '__main__':
    unittest.main()
