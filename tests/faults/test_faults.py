# SPDX-License-Identifier: Apache-2.0
# timeout: 150
"""A part of `make check-faults`, spread over all programs, calls and ways to fail; and that a fault is met."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOME = 350
SKIPPED = 77


def load_inject():
    path = os.path.join(HERE, 'inject')
    loader = importlib.machinery.SourceFileLoader('inject', path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('inject', loader))
    loader.exec_module(module)
    return module


sys.dont_write_bytecode = True
inject = load_inject()


class Faults(unittest.TestCase):
    maxDiff = None

    def test_some(self):
        done = subprocess.run([sys.executable, os.path.join(HERE, 'inject'), '--some', str(SOME)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_libc_fails_as_often_as_told(self):
        run = inject.Run('sockets', 'send:2-9/3:EINTR').play()
        self.assertEqual((run.status, run.figures.get('hits')), (0, 3), run.text)

    def test_the_kernel_fails(self):
        run = inject.Run('sockets', 'raw_epoll_ctl:2-2/1:ENOMEM').play()
        self.assertEqual((run.status, run.figures.get('hits')), (0, 1), run.text)

    def test_the_heap_fails(self):
        run = inject.Run('sockets', 'calloc:2-2/1:ENOMEM').play()
        self.assertEqual((run.status, run.figures.get('hits')), (0, 1), run.text)

    def test_what_is_left_behind_is_told(self):
        _, undisturbed = inject.counted('sockets')
        run = inject.Run('sockets', 'recv:1-1/1:EINTR').play()
        self.assertIsNone(run.complaint(undisturbed))
        run.figures['descriptors'] += 1
        self.assertIn('descriptors', run.complaint(undisturbed))

    def test_nonsense_is_refused(self):
        for fault in ('recv', 'recv:1:EINTR', 'recv:1-1/0:EINTR', 'recv:1-1/1:ENOTHING'):
            self.assertEqual(inject.Run('sockets', fault).play().status, 2)


if __name__ == '__main__':
    if inject.counted('locks') is None:
        print('SKIP: no seccomp notifications here')
        sys.exit(SKIPPED)
    unittest.main()
