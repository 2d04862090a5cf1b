#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""The driver table: clients that need no server are a yes, a broken promise ends it with 1, and the README has it."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, 'scripts', 'drivers')
ROWS = 'sqlite3, busy', 'subprocess'
HANG = 100


def load():
    sys.path.insert(0, os.path.dirname(SCRIPT))
    loader = importlib.machinery.SourceFileLoader('drivers', SCRIPT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('drivers', loader))
    loader.exec_module(module)
    return module


drivers = load()


class Runs(unittest.TestCase):
    def run_script(self, *words, promised='', **env):
        """(status, {row: cells}, the lines behind the table)."""
        with tempfile.NamedTemporaryFile('w') as file:
            file.write(promised)
            file.flush()
            done = subprocess.run([SCRIPT, '--python', PYTHON, '--promised', file.name, *words],
                                  env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  text=True, timeout=HANG)
        lines = done.stdout.splitlines()
        table = [line for line in lines if line.startswith('|')]
        return done.returncode, drivers.read_table('\n'.join(table)), lines[len(table):]

    def test_they_wait_cooperatively(self):
        promised = ''.join(f'drivers | {row} | 50 waits at once\n' for row in ROWS)
        status, table, rest = self.run_script(*ROWS, promised='# both\nmatrix | a | b\n' + promised)
        self.assertEqual((status, rest), (0, ['2 passed, 0 failed, 0 skipped']), table)
        for row in ROWS:
            self.assertEqual(table[row][1:], ['yes'] * 4)

    def test_a_promise_is_not_kept(self):
        """With threads that have kernel threads of their own."""
        status, _, rest = self.run_script('sqlite3, busy', promised='drivers | sqlite3, busy | 50 waits at once',
                                          SYNCLESS_THREADS='none')
        self.assertEqual(status, 1)
        self.assertRegex(rest[0], '^FAIL sqlite3, busy: 50 waits at once: no: 50 kernel threads more: ')
        self.assertEqual(rest[1], '0 passed, 1 failed, 0 skipped')

    def test_not_here_is_no_yes(self):
        status, table, rest = self.run_script('pymssql', promised='drivers | pymssql | errors right',
                                              SYNCLESS_MSSQL_PORT='')
        self.assertEqual((status, table['pymssql'][1:], rest),
                         (1, ['not here'] * 4, ['0 passed, 0 failed, 1 skipped']))

    def test_misuse(self):
        self.assertEqual(self.run_script('oracle')[0], 2)
        self.assertEqual(self.run_script('--write', 'pymssql')[0], 2)
        self.assertEqual(self.run_script('pymssql', promised='drivers | oracle | errors right')[0], 1)


class Table(unittest.TestCase):
    def test_promises_are_in_the_readme(self):
        with open(drivers.README, encoding='utf-8') as file:
            found = drivers.PLACE.search(file.read())
        table = drivers.read_table(found.group(2))
        self.assertEqual(list(table), list(drivers.ROWS))
        for row, column in drivers.promises(os.path.join(drivers.HERE, 'promised.txt')):
            with self.subTest(row=row, column=column):
                cell = table[row][1 + list(drivers.COLUMNS).index(column)]
                self.assertTrue(cell.startswith('yes'), cell)

    def test_differences_are_told(self):
        plain = [['refused', True, ['Error', 'no']], ['other', False, ['KeyError', "'a'"]]]
        self.assertEqual(drivers.same(plain[:1], plain[:1]), 'yes')
        self.assertEqual(drivers.same(plain[:1], [['refused', True, ['Error', 'yes']]]),
                         'no: refused: Error: yes instead of Error: no')
        self.assertEqual(drivers.same(plain, plain), 'no: other: KeyError is not of the library, plainly as well')

    def test_another_python(self):
        base = {'a': ['1', 'yes', 'yes', 'yes', 'no: hangs'], 'b': ['2', 'yes', 'yes', 'yes', 'yes']}
        self.assertEqual(drivers.told_of_another(base, base, '3.13.0'),
                         '\nOn Python 3.13.0 it is the same. The versions there: a 1; b 2.\n')
        other = {**base, 'b': ['3', 'yes; 7 native threads', 'no: why', 'yes', 'yes']}
        self.assertEqual(drivers.told_of_another(other, base, '3.13.0'),
                         '\nOn Python 3.13.0 it is the same, but for b, errors right: no: why. The versions there: a 1; b 3.\n')


if __name__ == '__main__':
    PYTHON = subprocess.run([os.path.join(ROOT, 'scripts', 'setup'), 'python'], check=True, stdout=subprocess.PIPE,
                            text=True).stdout.strip()
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
