#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/pythons: which interpreter it takes for a word, and what it tells of one that will not do.

The interpreters are scripts that know their version and nothing else, so setup
ends at them; a PATH of our own hides all others, and apt-get.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYTHONS = os.path.join(ROOT, 'scripts', 'pythons')
TOOLS = ('sh', 'dirname', 'readlink', 'mkdir', 'find', 'cat', 'tr', 'sed', 'id', 'sort', 'tail', 'rm')


class Pythons(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for tool in TOOLS:
            os.makedirs(os.path.join(self.folder, 'bin'), exist_ok=True)
            os.symlink(shutil.which(tool), os.path.join(self.folder, 'bin', tool))

    def interpreter(self, path, version):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as script:
            script.write(f'#!/bin/sh\n[ "$1" != -m ] && echo {version}\n')
        os.chmod(path, 0o755)

    def run_pythons(self, *words):
        env = {**os.environ, 'BUILD': os.path.join(self.folder, 'build'), 'PATH': self.folder + '/bin',
               'PYENV_ROOT': self.folder}
        done = subprocess.run([PYTHONS, *words], env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
        return done.returncode, done.stdout.splitlines()

    def test_none(self):
        status, lines = self.run_pythons('python3.99')
        self.assertEqual((status, lines[0], lines[-1]),
                         (1, 'SKIP python3.99: not here, or it does not run',
                          'interpreters: 0 passed, 0 failed, 1 skipped'))

    def test_one_that_does_not_run(self):
        """As a shim of pyenv's without its version."""
        self.interpreter('bin/python3.99', '; exit 127')
        self.assertEqual(self.run_pythons('python3.99')[1][0], 'SKIP python3.99: not here, or it does not run')

    def test_the_newest_of_pyenv(self):
        self.interpreter('bin/python3.99', '3.99.11')
        self.assertIn('     FAIL python3.99: 3.99.11, nothing installed', self.run_pythons('python3.99')[1])
        for version in '3.99.2', '3.99.10', '3.99.12t', '3.9.13':
            self.interpreter(f'versions/{version}/bin/python3.99', version)
        status, lines = self.run_pythons('python3.99')
        self.assertIn('     FAIL python3.99: 3.99.10, nothing installed', lines)
        self.assertEqual((status, lines[-1]), (1, 'interpreters: 0 passed, 1 failed, 0 skipped'))


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
