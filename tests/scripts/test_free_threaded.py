#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A free-threaded Python keeps its threads native, whatever SYNCLESS_THREADS says.

Few machines have such a Python.  The library knows one by a symbol, so a small
program with the same symbols stands in for it everywhere.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
LIBRARY = os.path.realpath(os.path.join(BUILD, 'libsyncless.so'))
CC = os.environ.get('CC') or 'cc'
HANG = 60
PYTHONS = [python for python in map(shutil.which, ('python3.15t', 'python3.14t', 'python3.13t')) if python]
STAND_IN = r'''
#include <pthread.h>
#include <stdio.h>
extern int syncless_green_threads(void) __attribute__((weak));
void PySys_AddAuditHook(void) {}
#ifdef FREE_THREADED
void _Py_DecRefShared(void) {}
#endif
static void *run(void *arg) { printf("%d\n", syncless_green_threads()); return arg; }
int main(void)
{
	pthread_t t;
	return pthread_create(&t, NULL, run, NULL) || pthread_join(t, NULL);
}
'''
ASK = '''
import ctypes, threading
green = ctypes.CDLL(None).syncless_green_threads
thread = threading.Thread(target=lambda: print(green()))
thread.start(), thread.join()
'''


class FreeThreaded(unittest.TestCase):
    def green_threads(self, command, threads):
        env = {**os.environ, 'LD_PRELOAD': LIBRARY, 'SYNCLESS_THREADS': threads, 'SYNCLESS_VERBOSE': '1'}
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=True, timeout=HANG)
        self.assertEqual('no GIL' in done.stderr, done.stdout == '0\n', done.stderr)
        return int(done.stdout)

    def test_stand_in(self):
        with tempfile.TemporaryDirectory() as folder:
            for free_threaded in 0, 1:
                program = os.path.join(folder, f'python{free_threaded}')
                subprocess.run([CC, '-x', 'c', '-', '-rdynamic', '-pthread', '-o', program]
                               + ['-DFREE_THREADED'] * free_threaded, input=STAND_IN, text=True, check=True)
                self.assertEqual(self.green_threads([program], 'all'), 0 if free_threaded else 1)

    @unittest.skipUnless(PYTHONS, 'no free-threaded Python here')
    def test_real(self):
        for python in PYTHONS:
            for threads in 'python', 'all':
                self.assertEqual(self.green_threads([python, '-c', ASK], threads), 0)


if __name__ == '__main__':
    unittest.main()
