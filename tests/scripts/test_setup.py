#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
"""scripts/setup: silent when all is there, plain when it may not install.

Nothing is installed here: where something is missing, that is because a PATH
of our own hides it, and apt-get too.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SETUP = os.path.join(ROOT, 'scripts', 'setup')
TOOLS = ('sh', 'dirname', 'readlink', 'mkdir', 'find', 'cat', 'tr', 'sed', 'id', 'make', 'objcopy')


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = os.path.join(folder.name, 'build')
        self.programs = os.path.join(folder.name, 'programs')
        os.mkdir(self.programs)
        for tool in TOOLS:
            os.symlink(shutil.which(tool), os.path.join(self.programs, tool))

    def setup(self, *words, **more):
        env = {**os.environ, 'BUILD': self.build, **more}
        if 'PYTHON' not in more:
            env.pop('PYTHON', None)
        done = subprocess.run([SETUP, *words], env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
        return done.returncode, done.stdout, done.stderr

    def test_silent_when_nothing_is_missing(self):
        self.assertEqual(self.setup('build'), (0, '', ''))
        self.assertFalse(os.path.exists(self.build))

    def test_without_apt_the_list_and_1(self):
        self.assertEqual(self.setup('build', PATH=self.programs), (
            1, '', 'setup: missing, and no apt-get here or no right to use it: gcc\n'))

    def test_cross_without_apt(self):
        status, out, told = self.setup('cross', PATH=self.programs)
        self.assertEqual((status, out), (1, ''))
        self.assertRegex(told, r' gcc gcc-aarch64-linux-gnu .*\bqemu-user\n')
        self.assertFalse(os.path.exists(os.path.join(self.build, 'aarch64')))

    def test_the_interpreter(self):
        status, python, _ = self.setup('python')
        self.assertEqual((status, python), (0, '/usr/bin/python3\n'))
        status, told, _ = self.setup('python', PYTHON='/usr/bin/python3')
        self.assertEqual((status, told), (0, python))
        other = os.path.join(self.programs, 'another')
        with open(other, 'w') as script:
            script.write('#!/bin/sh\necho 3.99\n')
        os.chmod(other, 0o755)
        self.assertEqual(self.setup('python', PYTHON=other),
                         (0, os.path.join(self.build, 'venv-3.99', 'bin', 'python') + '\n', ''))

    def test_misuse(self):
        self.assertEqual(self.setup('everything')[0], 1)
        self.assertEqual(self.setup('build', PYTHON='/nonexistent')[0], 1)


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
