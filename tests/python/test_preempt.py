# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""A thread that computes does not stop the others.

While one thread computes for 2 s in bytecode, a ticker of 10 ms ticks at
least 50 times, whatever it waits in and whichever of the two is main.  These
are seconds of the processor: where others take it away there is more time for
ticks, not less.  And progress is mutual: computing threads share the
interpreter with each other.
"""
import ctypes
import os
import queue
import select
import socket
import sys
import threading
import time
import unittest

import support

COMPUTE = 2.0
TICKS = 50


def compute(until):
    """Bytecode only: no call in here ever blocks."""
    count = 0
    while time.process_time() < until:
        for _ in range(1000):
            count += 1
    return count


def select_tick():
    select.select([], [], [], 0.01)


def recv_tick():
    try:
        SILENT.recv(1)
    except socket.timeout:
        pass


def queue_tick():
    try:
        EMPTY.get(timeout=0.01)
    except queue.Empty:
        pass


SILENT, PEER = socket.socketpair()
SILENT.settimeout(0.01)
EMPTY = queue.Queue()
NEVER = threading.Event()
WAITS = {
    'sleep': lambda: time.sleep(0.01),
    'event': lambda: NEVER.wait(0.01),
    'select': select_tick, 'recv': recv_tick, 'queue': queue_tick,
}


class Preempt(unittest.TestCase):
    def tick_while(self, compute_in_main):
        """Ticks of each kind of ticker while one thread computes.

        Either main computes, or main is itself the second ticker.
        """
        ticks = dict.fromkeys(WAITS, 0)
        done = threading.Event()

        def tick(name):
            while not done.is_set():
                WAITS[name]()
                ticks[name] += 1

        def work():
            compute(time.process_time() + COMPUTE)
            done.set()
        with support.Crew() as crew:
            names = list(WAITS) if compute_in_main else ['sleep', 'event']
            for name in names[:None if compute_in_main else 1]:
                crew.start(tick, name)
            if compute_in_main:
                work()
            else:
                crew.start(work)
                tick('event')
        return {name: ticks[name] for name in names}

    def test_thread_computes(self):
        for name, ticks in self.tick_while(False).items():
            self.assertGreaterEqual(ticks, TICKS, name)

    def test_main_computes(self):
        for name, ticks in self.tick_while(True).items():
            self.assertGreaterEqual(ticks, TICKS, name)

    def test_spinners_share(self):
        """Each of six endless loops runs until all six have been seen run."""
        counts = [0] * 6

        def spin(i):
            while min(counts) < 20:
                counts[i] += 1
                before = sum(counts)
                for _ in range(50000):
                    if sum(counts) != before:
                        break
        with support.Crew() as crew:
            crew.start_many(6, spin)

    def test_io_beside_spinners(self):
        """A ping-pong over a socket goes on beside four endless loops."""
        left, right = socket.socketpair()
        done = threading.Event()

        def spin(_):
            while not done.is_set():
                pass

        def echo():
            while right.send(right.recv(100)):
                pass
        with left, right, support.Crew() as crew:
            crew.start_many(4, spin)
            crew.start(echo)
            for i in range(20):
                left.send(b'%d' % i)
                self.assertEqual(left.recv(100), b'%d' % i)
            done.set()
            left.shutdown(socket.SHUT_WR)

    def test_preemption_in_a_forked_child(self):
        """The child of a fork has a watchdog of its own."""
        def child():
            done = threading.Event()

            def spin(_):
                while not done.is_set():
                    pass
            with support.Crew() as crew:
                crew.start_many(2, spin)
                for _ in range(20):
                    time.sleep(0.001)
                done.set()

        with support.Crew() as crew:
            crew.start(time.sleep, 0.001)
        pid = os.fork()
        if not pid:
            try:
                child()
                os._exit(0)
            finally:
                os._exit(1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)

    def test_short_interval(self):
        """Who asks a thread to give way may be asked for the same a moment later."""
        done = threading.Event()

        def nap(_):
            while not done.is_set():
                time.sleep(0.001)

        def spin():
            while not done.is_set():
                pass
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        with support.Crew() as crew:
            crew.start(spin)
            crew.start_many(16, nap)
            for _ in range(300):
                time.sleep(0.001)
            done.set()

    def test_subinterpreter(self):
        """Its threads share its GIL, which may be another than the main one."""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        isolated = sys.version_info >= (3, 12)  # in older ones threads are for the others
        interp = interpreters.create() if isolated else interpreters.create(isolated=False)
        interpreters.run_string(interp, """if True:
            import threading
            done = False
            def spin():
                while not done:
                    pass
            threads = [threading.Thread(target=spin) for _ in range(2)]
            for thread in threads:
                thread.start()
            done = True
            for thread in threads:
                thread.join()
            """)
        interpreters.destroy(interp)


    def test_nothing_of_ours_stays(self):
        """Who has made a thread give way is not left among the interpreter's threads."""
        head, after = ctypes.pythonapi.PyInterpreterState_ThreadHead, ctypes.pythonapi.PyThreadState_Next
        main = ctypes.pythonapi.PyInterpreterState_Main
        for function in head, after, main:
            function.restype = ctypes.c_void_p

        def states():
            found, state = 0, head(ctypes.c_void_p(main()))
            while state:
                found, state = found + 1, after(ctypes.c_void_p(state))
            return found

        with support.Crew() as crew:
            for _ in range(2):
                crew.start(compute, time.process_time() + 0.2)
        support.wait_until(lambda: states() == 1, 'an interpreter with one thread')


def tearDownModule():
    SILENT.close()
    PEER.close()


if __name__ == '__main__':
    support.main()
