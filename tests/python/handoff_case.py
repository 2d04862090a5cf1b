# SPDX-License-Identifier: Apache-2.0
"""What the tests of hand-off share: a thread that is stuck in C, without the GIL."""
import contextlib
import ctypes
import unittest

import inline_calls
from inline_calls import CC, Gate
from support import GREEN, Crew


class Stats(ctypes.Structure):
    """struct syncless_stats of shim/syncless.h."""
    _fields_ = [('size', ctypes.c_size_t), ('switches', ctypes.c_uint64), ('green_threads', ctypes.c_int64),
                ('coroutines', ctypes.c_int64), ('handoffs', ctypes.c_uint64)]


def handoffs():
    """So often a thread has lost the scheduler; 0 natively."""
    stats = Stats(ctypes.sizeof(Stats))
    if GREEN:
        assert ctypes.PyDLL(None).syncless_get_stats(ctypes.byref(stats)) == 0
    return stats.handoffs


@unittest.skipUnless(CC, 'no C compiler')
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        inline_calls.library()

    def gate(self):
        gate = Gate()
        self.addCleanup(gate.close)
        return gate

    @contextlib.contextmanager
    def stuck(self, before=lambda: None, after=lambda: None):
        """A thread that is stuck in the gate meanwhile; before and after that it does these."""
        gate = self.gate()

        def body():
            before()
            found.append(gate.enter_for_good())
            after()
        found = []
        with Crew() as crew:
            gate.thread = crew.start(body)
            gate.wait()
            yield gate
            gate.open()
            crew.join()
        self.assertEqual(found, [1])

    def alone(self, deed):
        """The deed, by a thread that has just been stuck; its result."""
        results = []
        with self.stuck(after=lambda: results.append(deed())):
            pass
        return results[0]
