#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 180
"""The matrix of libraries: what its runner says of one that is always here, of one that never is, and of promises."""
import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, 'tests', 'apps', 'matrix', 'run')
PROMISED = os.path.join(ROOT, 'tests', 'apps', 'promised.txt')


def run(*words):
    done = subprocess.run([RUN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    return done.returncode, done.stdout


class Matrix(unittest.TestCase):
    def test_yes_and_never(self):
        status, told = run('asyncio', 'concurrence')
        self.assertEqual(status, 0, told)
        self.assertRegex(told, r'(?m)^\| asyncio \| 3\.\S+ \| yes \| yes \|$')
        self.assertRegex(told, r'(?m)^\| Concurrence \|  \| (for Python 2 alone, .*) \| \1 \|$')
        self.assertRegex(told, r'(?m)^\| asyncio \| yes \|$')
        self.assertIn('3 yes, 0 no, 2 neither, 0 promises broken', told)

    def test_a_broken_promise(self):
        with tempfile.NamedTemporaryFile('w', suffix='.txt') as file:
            file.write('# more\ndriver x\nmatrix thread concurrence\nmatrix pair gtk qt\n')
            file.flush()
            status, told = run('--promised', file.name, 'concurrence')
        self.assertEqual(status, 1)
        self.assertIn('promised: thread concurrence: for Python 2 alone', told)
        self.assertIn('1 promises broken', told)

    def test_misuse(self):
        status, told = run('concurence')
        self.assertEqual(status, 2)
        self.assertIn('no such library: concurence; they are twisted, ', told)
        self.assertEqual(run('--write', 'asyncio')[0], 2)

    def test_promises_are_of_cells(self):
        with open(PROMISED, encoding='utf-8') as file:
            cells = re.findall(r'(?m)^matrix (.*)$', file.read())
        self.assertGreater(len(cells), 50)
        for cell in cells:
            how, *names = cell.split()
            self.assertIn((how, len(names)), {('coroutine', 1), ('thread', 1), ('pair', 2)}, cell)
            for name in names:
                self.assertTrue(os.path.exists(os.path.join(os.path.dirname(RUN), f'on_{name}.py')), cell)


if __name__ == '__main__':
    unittest.main()
