#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""scripts/suites finds what differs under the preload, and nothing else.

The suite is one of our own, in the place of CPython's: a package `test` whose
modules know whether they are preloaded.
"""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUITES = os.path.join(ROOT, 'scripts', 'suites')
PACKAGE = '''
import os, sys
report, module = sys.argv[sys.argv.index('--junit-xml') + 1], sys.argv[-1]
here, preloaded = os.path.dirname(__file__), 'LD_PRELOAD' in os.environ
fails = {
    'test_same': [], 'test_fails': ['failure'],
    'test_differs': ['failure'] if preloaded else [],
    'test_skips': ['skipped'] if preloaded else [],
    'test_dies': [], 'test_unstable': [],
}[module]
if module == 'test_unstable':
    counter = os.path.join(here, 'runs')
    with open(counter, 'a') as file:
        file.write('.')
    fails = ['error'] if os.path.getsize(counter) % 2 == 0 else []
if module == 'test_dies' and preloaded:
    os._exit(3)
with open(report, 'w') as file:
    file.write('<testsuites><testcase name="sound"/><testcase name="odd">%s</testcase></testsuites>'
               % ''.join('<%s/>' % kind for kind in fails))
print('the output of', module)
'''


class Suites(unittest.TestCase):
    def run_suites(self, *modules, listed=None):
        with tempfile.TemporaryDirectory() as folder:
            package = os.path.join(folder, 'test')
            os.mkdir(package)
            for name, text in [('__init__', ''), ('__main__', PACKAGE),
                               *((module, '') for module in modules)]:
                with open(os.path.join(package, name + '.py'), 'w') as file:
                    file.write(text)
            words = modules
            if listed is not None:
                words = ('--all', '--list', os.path.join(folder, 'list'))
                with open(words[-1], 'w') as file:
                    file.write(listed)
            done = subprocess.run([SUITES, '--python', sys.executable, '-j', '2', *words],
                                  env={**os.environ, 'PYTHONPATH': folder}, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, text=True, timeout=100)
        return done.returncode, done.stdout

    def test_all_the_same(self):
        status, told = self.run_suites('test_same', 'test_fails')
        self.assertIn('test_same: 2 passed; 0 differ', told)
        self.assertIn('test_fails: 1 failure 1 passed; 0 differ', told)
        self.assertEqual((status, told.splitlines()[-1]), (0, '2 passed, 0 failed, 0 skipped'))

    def test_what_differs(self):
        status, told = self.run_suites('test_same', 'test_differs', 'test_skips', 'test_dies')
        self.assertIn('\n    odd: plainly passed, under syncless failure\n', told)
        self.assertIn('\n    odd: plainly passed, under syncless skipped\n', told)
        self.assertIn('\n    (the run): plainly None, under syncless ended with 3 and no report\n', told)
        self.assertIn('\n    | the output of test_differs\n', told)
        self.assertEqual((status, told.splitlines()[-1]), (1, '1 passed, 3 failed, 0 skipped'))

    def test_what_is_unstable(self):
        status, told = self.run_suites('test_unstable')
        self.assertRegex(told, 'odd: unstable natively: passed, then error')
        self.assertEqual(status, 0)

    def test_the_list(self):
        status, told = self.run_suites('test_same', 'test_dies', listed='test_same\ntest_dies: it dies\n')
        self.assertNotIn('test_dies', told)
        self.assertEqual((status, told.splitlines()[-1]), (0, '1 passed, 0 failed, 0 skipped'))
        status, told = self.run_suites('test_same', 'test_dies', listed='# test_dies\ntest_same\n')
        self.assertIn('\ntest_dies: is not in the list of modules\n', told)
        self.assertEqual(status, 1)

    def test_lacking_module(self):
        self.assertEqual(self.run_suites('test_same', listed='test_same\ntest_lacking\n')[0], 0)


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
