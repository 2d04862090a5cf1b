# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""coio.thread_pool: kernel threads that do the calls of coroutines, or of threads without the preload."""
import _thread
import concurrent.futures
import os
import threading
import time
import traceback
import unittest

import support
from coroutines import Coio, Raised, coio, until


class Gate:
    """A function that a worker is in until open() is called."""

    def __init__(self):
        self.lock = threading.Lock()
        self.lock.acquire()
        self.inside = threading.Semaphore(0)

    def __call__(self, value=None):
        self.inside.release()
        with self.lock:
            return value

    def open(self):
        self.lock.release()


class Pool(unittest.TestCase):
    def test_results(self):
        pool = coio.thread_pool(2)
        self.assertEqual((pool.size, pool.busy, pool.waiting), (0, 0, 0))
        self.assertEqual(pool(divmod, 7, 3), (2, 1))
        self.assertEqual(pool(int, 'ff', base=16), 255)
        self.assertNotEqual(pool(_thread.get_ident), _thread.get_ident())
        self.assertEqual((pool.busy, pool.waiting), (0, 0))
        self.assertIn(pool.size, (1, 2))

    def test_exceptions(self):
        def fails_here(error):
            raise error

        pool = coio.thread_pool(1)
        for error in Raised('here'), SystemExit(3), KeyboardInterrupt(), coio.GreenletExit():
            try:
                self.fail(pool(fails_here, error))
            except type(error) as caught:
                self.assertIs(caught, error)
                self.assertIn('in fails_here\n', ''.join(traceback.format_tb(caught.__traceback__)))
        self.assertEqual(pool(int), 0)

    def test_counts_and_order(self):
        pool, gate, log = coio.thread_pool(2), Gate(), []
        futures = [pool.submit(gate, n) for n in range(2)]
        for _ in futures:
            gate.inside.acquire()
        rest = [pool.submit(log.append, n) for n in range(5)]
        self.assertEqual((pool.size, pool.busy, pool.waiting), (2, 2, 5))
        gate.open()
        self.assertEqual([future.result(support.HANG) for future in futures], [0, 1])
        concurrent.futures.wait(rest, support.HANG)
        self.assertEqual(sorted(log), list(range(5)))
        self.assertEqual((pool.size, pool.busy, pool.waiting), (2, 0, 0))

    def test_one_thread_works_in_order(self):
        pool, gate, log = coio.thread_pool(1), Gate(), []
        pool.submit(gate)
        gate.inside.acquire()
        rest = [pool.submit(log.append, n) for n in range(5)]
        gate.open()
        rest[-1].result(support.HANG)
        self.assertEqual(log, list(range(5)))

    def test_cancel(self):
        pool, gate = coio.thread_pool(1), Gate()
        first = pool.submit(gate, 'result')
        gate.inside.acquire()
        second, third = pool.submit(self.fail), pool.submit(int)
        self.assertFalse(first.cancel())
        self.assertTrue(second.cancel())
        self.assertEqual(pool.waiting, 1)
        gate.open()
        self.assertEqual((first.result(support.HANG), third.result(support.HANG)), ('result', 0))
        self.assertTrue(second.cancelled())

    def test_arguments(self):
        for wrong in 0, -1:
            self.assertRaises(ValueError, coio.thread_pool, wrong)
        self.assertEqual(coio.thread_pool(1, thread=_thread)(int), 0)
        self.assertRaises(TypeError, coio.thread_pool(1), 5)

    def test_the_program_does_not_wait_for_its_workers(self):
        run = support.run_python('-c', f'''
import sys, threading; sys.path.insert(0, {os.path.join(support.ROOT, 'pyglue')!r})
from syncless import coio
begun = threading.Event()
def work():
    begun.set()
    threading.Event().wait()
coio.thread_pool(1).submit(work)
begun.wait()
print('over')
''')
        self.assertEqual((run.returncode, run.stdout), (0, 'over\n'), run.stderr)

    def test_forked(self):
        """The child has no threads; its pool starts with none."""
        pool = coio.thread_pool(1)
        pool(int)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                code = 0 if pool.size == 1 and pool(divmod, 7, 3) == (2, 1) else 2
            finally:
                os._exit(code)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)


class Beside(Coio):
    def test_others_run(self):
        pool, gate = coio.thread_pool(1), Gate()
        with coio.Timeout(support.HANG):
            caller = until(coio.spawn(pool, gate, 'result'))
            coio.sleep(0.001)
            self.assertFalse(caller.ended)
            gate.open()
            self.assertEqual(caller.get(), 'result')

    def test_are_kernel_threads(self):
        pool, gate = coio.thread_pool(3), Gate()
        before = len(support.workers())
        futures = [pool.submit(gate) for _ in range(3)]
        for _ in futures:
            gate.inside.acquire()
        self.assertEqual(len(support.workers()), before + 3)
        gate.open()
        concurrent.futures.wait(futures, support.HANG)

    def test_killed_caller(self):
        """Its worker is not given to others before it is done, and nobody else gets its result."""
        pool, gate = coio.thread_pool(1), Gate()
        busy = until(coio.spawn(pool, gate, 'old'))
        gate.inside.acquire()
        waits = until(coio.spawn(pool, self.fail))
        other = until(coio.spawn(pool, str, 'new'))
        busy.kill()
        waits.kill()
        self.assertEqual((pool.busy, pool.waiting), (1, 1))
        self.assertFalse(other.ended)
        gate.open()
        self.assertEqual(other.get(support.HANG), 'new')

    def test_timeout_of_a_caller(self):
        pool, gate = coio.thread_pool(1), Gate()
        with coio.Timeout(0.01, silent=True):
            pool(gate)
            self.fail()
        gate.open()
        self.assertEqual(pool(int), 0)

    def test_many_callers(self):
        pool = coio.thread_pool(3)
        callers = [coio.spawn(pool, lambda n: time.sleep(0) or n, n) for n in range(200)]
        self.assertEqual([caller.get(support.HANG) for caller in callers], list(range(200)))
        self.assertLessEqual(pool.size, 3)

    def test_no_coroutines_in_a_worker(self):
        with self.assertRaisesRegex(RuntimeError, 'kernel thread'):
            coio.thread_pool(1)(coio.spawn, int)


if __name__ == '__main__':
    support.main()
