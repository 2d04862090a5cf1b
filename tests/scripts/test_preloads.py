#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Beside another preload that takes the place of calls (tests/calls/libwraps.c), before and behind us; and what
SYNCLESS_DLSYM says of looks into libc by its handle."""
import os
import re
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
SHIM = os.path.join(BUILD, 'libsyncless.so')
CALLS = os.path.join(BUILD, 'tests', 'calls')
WRAPS = os.path.join(CALLS, 'libwraps.so')
# Whether a symbol of libc, by the handle, is the one that the process calls.
LOOK = '''
import ctypes
by_handle = ctypes.cast(ctypes.CDLL("libc.so.6").recv, ctypes.c_void_p).value
print(by_handle == ctypes.cast(ctypes.CDLL(None).recv, ctypes.c_void_p).value)
'''


def run(command, **env):
    env = {**{name: value for name, value in os.environ.items() if not name.startswith('SYNCLESS')}, **env}
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout


class Wrappers(unittest.TestCase):
    def run_all(self, preload, fewest):
        for name in ('recv', 'recv_waitall', 'recv_nonblocking', 'sleep', 'cond_timed'):
            status, output = run([os.path.join(CALLS, name)], LD_PRELOAD=preload, SYNCLESS_THREADS='all',
                                 SYNCLESS_HANDOFF_MS='0', LIBWRAPS_TELLS='1')
            self.assertEqual((name, status), (name, 0), output)
            self.assertGreaterEqual(int(re.search(r'libwraps: (\d+) calls', output)[1]), fewest, name)

    def test_before_us(self):
        self.run_all(WRAPS + ':' + SHIM, 1)

    def test_behind_us(self):
        self.run_all(SHIM + ':' + WRAPS, 0)  # what parks is not passed on


class Handles(unittest.TestCase):
    def test_libc(self):
        for dlsym, answer in (('', 'True\n'), ('1', 'True\n'), ('0', 'False\n')):
            self.assertEqual(run([sys.executable, '-c', LOOK], LD_PRELOAD=SHIM, SYNCLESS_DLSYM=dlsym),
                             (0, answer))
        self.assertEqual(run([sys.executable, '-c', LOOK], LD_PRELOAD=''), (0, 'True\n'))


class DeepBind(unittest.TestCase):
    LOAD = 'import ctypes; ctypes.CDLL("libreads.so", mode=ctypes.RTLD_LOCAL | 8)'  # RTLD_DEEPBIND

    def load(self, **env):
        return run([sys.executable, '-c', self.LOAD], LD_PRELOAD=SHIM, LD_LIBRARY_PATH=CALLS,
                   SYNCLESS_VERBOSE='1', **env)[1]

    def test_it_is_told(self):
        self.assertIn('libreads.so is opened without RTLD_DEEPBIND', self.load())

    def test_it_is_left_alone(self):
        for env in ({'SYNCLESS_DLSYM': '0'}, {'SYNCLESS_THREADS': 'none'}):
            self.assertNotIn('DEEPBIND', self.load(**env))


if __name__ == '__main__':
    unittest.main()
