# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""Recursion in a thread goes as deep as natively, and then ends the same way.

A scenario recurses, noting its depth in a shared page, until the interpreter
stops it or its stack ends.  Depth (within 2 %) and outcome, be it
RecursionError or SIGSEGV, must be those of a process without the preload.
"""
import mmap
import signal
import struct
import tempfile
import unittest

import support

# C recursion through ctypes callbacks: each level is some hundred bytes of C
# stack, and no interpreter since 3.9 forbids it below its own C limit.
PROGRAM = r'''
import ctypes, mmap, struct, sys, threading
kind, stack, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(path, 'r+b') as f:
    page = mmap.mmap(f.fileno(), 4096)
sys.setrecursionlimit(10**6 if kind != 'limit' else 5000)
depth = 0
def note():
    global depth
    depth += 1
    struct.pack_into('q', page, 0, depth)
@ctypes.PYFUNCTYPE(ctypes.c_int)
def callback():
    note()
    return callback()
class Nested:
    def __repr__(self):
        note()
        return repr(self)
def plain():
    note()
    plain()
def descend():
    note()
    max([1], key=lambda _: descend())
bodies = dict(callback=callback, repr=lambda: repr(Nested()), sort=descend, limit=plain)
def body():
    try:
        bodies[kind]()
    except RecursionError:
        print('RecursionError')
if stack:
    threading.stack_size(stack)
def run():
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
if kind == 'main':
    bodies['main'] = descend
    warm = threading.Thread(target=len, args=('',)); warm.start(); warm.join()
    body()
else:
    run()
'''


def deepest(kind, stack, env):
    """(exit code, output, depth) of one recursing process."""
    with tempfile.NamedTemporaryFile() as shared:
        shared.truncate(4096)
        run = support.run_python('-c', PROGRAM, kind, str(stack), shared.name,
                                 env=env)
        with mmap.mmap(shared.fileno(), 4096) as page:
            return run.returncode, run.stdout, struct.unpack_from('q', page)[0]


class Recursion(unittest.TestCase):
    def compare(self, kind, stack):
        plain = deepest(kind, stack, support.plain_env())
        self.assertGreater(plain[2], 20)
        if not support.GREEN:
            return plain
        ours = deepest(kind, stack, support.same_env())
        self.assertEqual(ours[:2], plain[:2])
        self.assertLessEqual(abs(ours[2] - plain[2]), 0.02 * plain[2],
                             (kind, stack, ours, plain))
        return ours

    def test_callbacks_on_small_stacks(self):
        found = self.compare('callback', 256 << 10)
        self.assertEqual(found[0], -signal.SIGSEGV)
        self.compare('callback', 1 << 20)

    def test_callbacks_on_the_default_stack(self):
        self.compare('callback', 0)

    def test_callbacks_on_a_large_stack(self):
        self.compare('callback', 64 << 20)

    def test_repr(self):
        self.compare('repr', 0)

    def test_sort_key(self):
        self.compare('sort', 512 << 10)

    def test_main_stack(self):
        self.compare('main', 0)

    def test_recursion_limit(self):
        found = self.compare('limit', 0)
        self.assertEqual(found[:2], (0, 'RecursionError\n'))

    def test_recycled_stack_is_as_deep(self):
        """A stack that was used before and trimmed still has its full size."""
        code = '''
import sys, threading
def descend(n):
    if n:
        max([1], key=lambda _: descend(n - 1) or 1)
    else:
        reached.append(1)
sys.setrecursionlimit(10**6)
reached = []
for n in 5, 200, 5, 200, 200:
    thread = threading.Thread(target=descend, args=(n,))
    thread.start(); thread.join()
print(len(reached))
'''
        run = support.run_python('-c', code)
        self.assertEqual((run.returncode, run.stdout), (0, '5\n'), run.stderr)


if __name__ == '__main__':
    support.main()
