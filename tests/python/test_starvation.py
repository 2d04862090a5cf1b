# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""Busy green threads and a native one share the interpreter.

20 threads compute without end; a native thread comes for the GIL again and
again.  Both must get on: the native thread as often as it asks, the busy ones
each, and main's own sleeps end meanwhile.  Counted, not timed: with one kind
preferred, the other would never be served at all.
"""
import ctypes
import threading
import time
import unittest

import support

BUSY = 20
TURNS = 8


class Starvation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.done = threading.Event()
        cls.counts = [0] * BUSY
        cls.busy = support.Crew()
        cls.busy.start_many(BUSY, cls.spin)
        support.wait_until(lambda: min(cls.counts) > 0)

    @classmethod
    def tearDownClass(cls):
        cls.done.set()
        cls.busy.join()

    @classmethod
    def spin(cls, i):
        while not cls.done.is_set():
            cls.counts[i] += 1

    def setUp(self):
        before = self.counts[:]
        self.addCleanup(support.wait_until, lambda: all(
            now > then for now, then in zip(self.counts, before)),
            'progress of each busy thread')

    def test_native_takes_the_gil(self):
        """Each sleep of a native thread ends in a wait for the GIL."""
        turns = [0, 0]

        def native(i):
            for _ in range(TURNS):
                time.sleep(0.001)
                turns[i] += 1
        crew = support.Crew()
        with support.native_threads():
            crew.start_many(2, native)
        crew.join()
        self.assertEqual(turns, [TURNS] * 2)

    def test_native_callbacks(self):
        """A C thread's callbacks into Python: PyGILState_Ensure each time."""
        calls = []

        @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
        def callback(_):
            calls.append(1)
            return None
        libc = ctypes.CDLL(None)
        with support.native_threads():
            for _ in range(4):
                thread = ctypes.c_ulong()
                self.assertEqual(0, libc.pthread_create(
                    ctypes.byref(thread), None, callback, None))
                self.assertEqual(0, libc.pthread_join(thread, None))
        self.assertEqual(len(calls), 4)

    def test_native_computes_too(self):
        """A busy native thread and the busy green ones take turns."""
        turns = [0]
        stop = threading.Event()

        def native():
            while not stop.is_set():
                turns[0] += 1
        with support.Crew() as crew:
            with support.native_threads():
                crew.start(native)
            before, then = self.counts[:], turns[0]
            support.wait_until(lambda: turns[0] > then and all(
                now > then for now, then in zip(self.counts, before)))
            stop.set()

    def test_main_sleeps_end(self):
        for _ in range(TURNS):
            time.sleep(0.002)

    def test_contended_lock(self):
        """One lock between native and green threads: each gets it."""
        lock = threading.Lock()
        taken = {}
        stop = threading.Event()

        def take(name):
            while not stop.is_set():
                with lock:
                    taken[name] = taken.get(name, 0) + 1
                time.sleep(0)
        with support.Crew() as crew:
            for i in range(2):
                crew.start(take, 'green %d' % i)
            with support.native_threads():
                for i in range(2):
                    crew.start(take, 'native %d' % i)
            support.wait_until(lambda: len(taken) == 4
                               and min(taken.values()) > 2)
            stop.set()


if __name__ == '__main__':
    support.main()
