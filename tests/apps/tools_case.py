# SPDX-License-Identifier: Apache-2.0
"""What the tests of tools and programs share: the virtual environment of scripts/setup tools, whose interpreter runs
them under `syncless run`.
"""
import glob
import json
import os
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'python'))
import support  # noqa: E402
from app_case import LAUNCHER, AppCase  # noqa: E402

BIN = os.path.join(os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build')), 'venv-tools', 'bin')
PYTHON = os.path.join(BIN, 'python')


def needs(*modules):
    """A decorator: skips where one of them is not installed."""
    for name in modules:
        places = f'{os.path.dirname(BIN)}/lib/python3*/site-packages/{name.replace(".", "/")}'
        if not glob.glob(places) and not glob.glob(places + '.py'):
            return unittest.skip(f'no {name}; scripts/setup tools installs it')
    return lambda test: test


class ToolCase(AppCase):
    """Programs of self.folder, run with those modules."""

    def run_python(self, *words, expect=0):
        """Under `syncless run`, to its end; what it has written."""
        done = subprocess.run([LAUNCHER, 'run', PYTHON, *words], cwd=self.folder, env=self.env, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=support.HANG)
        self.assertEqual(done.returncode, expect, done.stdout)
        return done.stdout

    def run_json(self, *words):
        """The last line of that, as JSON."""
        return json.loads(self.run_python(*words).splitlines()[-1])
