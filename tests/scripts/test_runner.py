#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""tests/run itself: what fails, hangs or skips is told, and nothing is left running."""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, 'tests', 'run')
HANG = 60


class RunnerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def program(self, name, *lines):
        path = os.path.join(self.folder, name)
        with open(path, 'w') as file:
            file.write('\n'.join(('#!/bin/sh', *lines)) + '\n')
        os.chmod(path, 0o755)
        return path

    def run_tests(self, *words):
        done = subprocess.run([RUN, '--mode', 'plain', *words], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANG)
        lines = done.stdout.splitlines() or ['']
        return done.returncode, lines[-1], lines, done.stderr

    def test_passing(self):
        status, total, lines, _ = self.run_tests(self.program('good', 'echo noise'))
        self.assertEqual((status, total), (0, '1 passed, 0 failed, 0 skipped'))
        self.assertNotIn('noise', ' '.join(lines))

    def test_failing(self):
        status, total, lines, _ = self.run_tests(
            self.program('bad', 'echo the cause', 'exit 3'), self.program('good'))
        self.assertEqual((status, total), (1, '1 passed, 1 failed, 0 skipped'))
        self.assertRegex(lines[0], r'^FAIL bad \(plain\) .*: exit code 3$')
        self.assertEqual(lines[1].strip(), 'the cause')

    def test_dying(self):
        status, total, lines, _ = self.run_tests(self.program('dies', 'kill -SEGV $$'))
        self.assertEqual((status, total), (1, '0 passed, 1 failed, 0 skipped'))
        self.assertIn('killed by SIGSEGV', lines[0])

    def test_hanging(self):
        """The program and the child that it left are both gone, each by its group's end."""
        told = os.path.join(self.folder, 'told')
        hangs = self.program('hangs', '# timeout: 1', 'sleep 1000 &', f'echo $! $$ >{told}',
                             'echo before', 'wait')
        began = time.monotonic()
        status, total, lines, _ = self.run_tests(hangs)
        self.assertLess(time.monotonic() - began, HANG / 2)
        self.assertEqual((status, total), (1, '0 passed, 1 failed, 0 skipped'))
        self.assertRegex(lines[0], r'^FAIL hangs \(plain\) .*: no end after 1 s$')
        self.assertEqual(lines[1].strip(), 'before')
        self.assert_gone(told)

    def test_told_to_end(self):
        """It takes what it started with it, and starts nothing more."""
        told, later = os.path.join(self.folder, 'told'), os.path.join(self.folder, 'later')
        hangs = self.program('hangs', f'echo $$ >{told}.part', f'mv {told}.part {told}', 'sleep 1000')
        with subprocess.Popen([RUN, '--mode', 'plain', '-j', '1', hangs,
                               self.program('next', f': >{later}')],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as runner:
            end = time.monotonic() + HANG
            while not os.path.exists(told):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)
            runner.send_signal(signal.SIGTERM)
            self.assertEqual(runner.wait(HANG), 128 + signal.SIGTERM)
        self.assert_gone(told)
        self.assertFalse(os.path.exists(later))

    def test_leaving_a_child(self):
        """It holds the output open, which must not hold the runner up."""
        told = os.path.join(self.folder, 'told')
        status, total, *_ = self.run_tests(
            self.program('leaves', 'sleep 1000 &', f'echo $! >{told}'))
        self.assertEqual((status, total), (0, '1 passed, 0 failed, 0 skipped'))
        self.assert_gone(told)

    def assert_gone(self, told):
        with open(told) as file:
            pids = file.read().split()
        self.assertTrue(pids)
        end = time.monotonic() + HANG
        for pid in pids:
            while self.is_alive(pid):
                self.assertLess(time.monotonic(), end, f'{pid} is still there')
                time.sleep(0.01)

    def is_alive(self, pid):
        try:
            with open(f'/proc/{pid}/stat') as stat:
                return stat.read().rpartition(')')[2].split()[0] not in 'ZX'
        except OSError:
            return False

    def test_skipping(self):
        status, total, lines, _ = self.run_tests(
            self.program('skips', 'echo "SKIP: no moon tonight"', 'exit 77'), self.program('good'))
        self.assertEqual((status, total), (0, '1 passed, 0 failed, 1 skipped'))
        self.assertRegex(lines[0], r'^SKIP skips \(plain\) .*: no moon tonight$')

    def test_passing_in_part(self):
        status, total, lines, _ = self.run_tests(
            self.program('part', 'echo "skipped: one: no moon"', 'echo "skipped: two: no sun"'), self.program('good'))
        self.assertEqual((status, total), (0, '2 passed, 0 failed, 0 skipped'))
        self.assertEqual(lines[1].strip(), 'skipped: one: no moon')
        self.assertEqual(lines[-2], '2 cases skipped in tests that passed; each is told there')

    def test_needing_a_module(self):
        status, total, lines, _ = self.run_tests(
            self.program('needs', '# needs: sys no_such_module', 'exit 1'), self.program('good'))
        self.assertEqual((status, total), (0, '1 passed, 0 failed, 1 skipped'))
        self.assertIn('no no_such_module', lines[0].replace('has ', ''))

    def test_nothing_is_no_pass(self):
        good = self.program('good')
        status, total, *_ = self.run_tests('-k', 'no such name', good)
        self.assertEqual((status, total), (1, '0 passed, 0 failed, 0 skipped'))
        status, total, *_ = self.run_tests(self.program('skips', 'exit 77'))
        self.assertEqual((status, total), (1, '0 passed, 0 failed, 1 skipped'))

    def test_not_executable(self):
        path = self.program('flat')
        os.chmod(path, 0o644)
        self.assertEqual(self.run_tests(path)[:2], (1, '0 passed, 1 failed, 0 skipped'))

    def test_emulated(self):
        """The program alone cannot be run, and what it leaves out is told."""
        emulator = self.program('emulator', '[ "$1" = -L ] && shift 2 && . "$1"')
        program = self.program('foreign', 'echo "skipped: emulated by ${EMULATOR##*/}"')
        os.chmod(program, 0o644)
        status, total, lines, _ = self.run_tests('--emulator', emulator + ' -L /there', program)
        self.assertEqual((status, total), (0, '1 passed, 0 failed, 0 skipped'))
        self.assertIn('     skipped: emulated by there', lines)
        self.assertEqual(self.run_tests('--emulator', emulator, program)[0], 1)

    def test_misuse(self):
        self.assertEqual(self.run_tests('--only', 'everything')[0], 2)
        status, _, _, told = self.run_tests(os.path.join(self.folder, 'nowhere'))
        self.assertEqual(status, 1)
        self.assertIn('no such program', told)


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
