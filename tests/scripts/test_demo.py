#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# needs: pycurl
# timeout: 120
"""The demo's example and its driver: right answers pass, wrong ones do not."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, 'examples')
SETUP = os.path.join(ROOT, 'scripts', 'setup')
HANG = 60
PYTHON = subprocess.run([SETUP, 'python'], stdout=subprocess.PIPE, text=True,
                        check=True, timeout=HANG).stdout.strip()


class Example(unittest.TestCase):
    def setUp(self):
        if subprocess.run([PYTHON, '-c', 'import pycurl'], stderr=subprocess.DEVNULL,
                          timeout=HANG).returncode:
            self.skipTest('no module pycurl')

    def run_example(self, address):
        env = {name: value for name, value in os.environ.items() if name != 'MYSQL_HOST'}
        done = subprocess.run([PYTHON, os.path.join(EXAMPLES, 'threaded_clients.py'), address,
                               '20', '0.1'], env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=HANG)
        return done.returncode, json.loads(done.stdout)

    def test_right_answers(self):
        with subprocess.Popen([sys.executable, os.path.join(EXAMPLES, 'slow_server.py'),
                               '--with-stdin'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as server:
            port = server.stdout.readline().split()[1]
            status, took = self.run_example('http://127.0.0.1:' + port)
            # One more folder in the path, so all that it gets are errors.
            wrong_status, wrong = self.run_example(f'http://127.0.0.1:{port}/0')
            server.stdin.close()
            self.assertEqual(server.wait(HANG), 0)
        self.assertEqual((status, took['threads'], took['wrong']), (0, 20, 0))
        self.assertGreaterEqual(took['wall_s'], 0.1)
        self.assertEqual((wrong_status, wrong['wrong']), (1, 20))


class Demo(unittest.TestCase):
    def test_says_what_is_missing(self):
        with tempfile.TemporaryDirectory() as build:
            done = subprocess.run([os.path.join(ROOT, 'scripts', 'demo')], timeout=HANG,
                                  env={**os.environ, 'BUILD': build}, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('libsyncless.so is missing', done.stderr)


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
