#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The differential suite's harness tells each kind of difference, and no other; and there are many cases."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LEAST = 600

LEDGER = '''\
law 8: for this test
self.listed (native green coroutine)
- 0 strcmp(world(), "plain") ? fails_as(EBADF) : 1 = 1
+ 0 strcmp(world(), "plain") ? fails_as(EBADF) : 1 = -1 EBADF

self.listed_but_same (green)
- 0 0 = 0
+ 0 0 = 1
'''

# case: {world: what is said about it}
TOLD = {
    'result_differs': {'green': ['- 0 strcmp(world(), "green") ? 0 : 1 = 0',
                                 '+ 0 strcmp(world(), "green") ? 0 : 1 = 1']},
    'errno_differs': {'coroutine': [
        '- 0 fails_as(strcmp(world(), "coroutine") ? EAGAIN : EBADF) = -1 EAGAIN',
        '+ 0 fails_as(strcmp(world(), "coroutine") ? EAGAIN : EBADF) = -1 EBADF']},
    'errno_touched': {'native': [
        '- 0 strcmp(world(), "native") ? 0 : (errno = EINTR, 0) = 0',
        '+ 0 strcmp(world(), "native") ? 0 : (errno = EINTR, 0) = 0, errno became EINTR']},
    'bytes_differ': {'green': ['- 0   2 bytes: ab', '+ 0   2 bytes: a\\x01']},
    'line_missing': {'green': ['- 0 1 = 1']},
    'exit_code_differs': {'green': ['+ end: exit code 3']},
    'signal_differs': {'coroutine': ['+ end: killed by SIGKILL']},
    'hangs': {'green': ['+ end: no end after 2 s']},
    'says_on_stderr': {'native': ['+ stderr: oops']},
    'listed_but_same': {'green': ['no difference', 'differences.txt has', '- 0 0 = 0', '+ 0 0 = 1']},
}


def harness(*args, **env):
    return subprocess.run([os.path.join(HERE, 'harness'), *args], env={**os.environ, **env},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class TestHarness(unittest.TestCase):
    def test_each_kind_of_difference_is_told(self):
        with tempfile.NamedTemporaryFile('w') as ledger:
            ledger.write(LEDGER)
            ledger.flush()
            run = harness('--differences', ledger.name, 'self', DIFF_TIMEOUT='2')
        told, at = {}, None
        for line in run.stdout.splitlines()[:-1]:
            head = re.fullmatch(r'FAIL self\.(\w+) \((\w+)\)', line)
            if head:
                at = told.setdefault(head[1], {}).setdefault(head[2], [])
            elif 'no oracle' in line:
                at = []
            else:
                at.append(line.strip())
        self.assertEqual(told, TOLD)
        self.assertIn('FAIL self.no_oracle: no oracle', run.stdout)
        self.assertIn('FAIL self.silent: no oracle', run.stdout)
        self.assertEqual(run.stdout.splitlines()[-1], '15 cases: 3 as plainly, 12 differ, 0 skipped')
        self.assertEqual(run.returncode, 1)

    def test_what_is_the_same_is_no_difference(self):
        run = harness('-k', 'self.same', 'self')
        self.assertEqual(run.stdout, '2 cases: 2 as plainly, 0 differ, 0 skipped\n')
        self.assertEqual(run.returncode, 0)

    def test_a_list_that_makes_no_sense_is_refused(self):
        for text in ('self.listed (green)\n- 0 x\n', 'law 8: x\nself.listed (nowhere)\n', 'law 8: x\n- 0 x\n'):
            with tempfile.NamedTemporaryFile('w') as ledger:
                ledger.write(text)
                ledger.flush()
                run = harness('--differences', ledger.name, 'self')
            self.assertEqual(run.returncode, 1)
            self.assertIn('neither a law, a case, nor a line of one', run.stdout)

    def test_the_suite_is_large(self):
        self.assertGreaterEqual(int(harness('--count').stdout), LEAST)


if __name__ == '__main__':
    sys.exit(unittest.main())
