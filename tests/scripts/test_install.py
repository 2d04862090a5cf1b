#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""make install and uninstall, into a folder with a space in its name.

The object is not compiled anew, since make finds it in BUILD.
"""
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
PYTHON = os.environ.get('PYTHON') or sys.executable
# The make above us passes its variables on in MAKEFLAGS.
ENV = {name: value for name, value in os.environ.items()
       if not name.startswith(('SYNCLESS', 'LD_', 'MAKE', 'MFLAGS', 'PKG_CONFIG'))}
USES_LIBRARY = r'''
#include <syncless.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *wait(void *nothing) { usleep(100000); return nothing; }
int main(void) { pthread_t t; pthread_create(&t, NULL, wait, NULL); printf("%d\n", syncless_green_threads());
	return pthread_join(t, NULL) || syncless_verify(); }
'''
STARTS_THREADS = r'''
import os, syncless, threading
held = threading.Event()
threads = [threading.Thread(target=held.wait) for _ in range(50)]
for thread in threads: thread.start()
print(len(os.listdir('/proc/self/task')) <= 2, os.path.dirname(syncless.__file__))  # with the watchdog
held.set()
'''


def files_below(folder):
    return {os.path.relpath(os.path.join(at, name), folder)
            for at, _, names in os.walk(folder) for name in names if not name.endswith('.pyc')}


class Install(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def run_at(self, *words, cwd='/', **more):
        done = subprocess.run(words, cwd=cwd, env={**ENV, **more}, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def make(self, *words):
        return self.run_at('make', 'BUILD=' + BUILD, 'PYTHON=' + PYTHON, *words, cwd=ROOT)

    def test_prefix(self):
        prefix = os.path.join(self.folder, 'a prefix')
        self.assertNotIn('  CC ', self.make('install', 'PREFIX=' + prefix))
        packages, = {os.path.join(prefix, os.path.dirname(os.path.dirname(path)))
                     for path in files_below(prefix) if path.endswith('syncless/__init__.py')}
        self.use_launcher(prefix, packages)
        if shutil.which('pkg-config'):
            self.use_pkg_config(prefix)
        else:
            print('skipped: syncless.pc, for want of pkg-config')
        self.make('uninstall', 'PREFIX=' + prefix)
        self.assertEqual(files_below(prefix), set())

    def use_launcher(self, prefix, packages):
        link = os.path.join(self.folder, 'a link')
        os.symlink(os.path.join(prefix, 'bin', 'syncless'), link)
        for command in [link, 'run', PYTHON], [PYTHON, '-m', 'syncless', 'run']:
            told = self.run_at(*command, '-c', STARTS_THREADS, PYTHONPATH=packages, PYTHON='')
            self.assertEqual(told, f'True {packages}/syncless\n')

    def use_pkg_config(self, prefix):
        path = os.path.join(prefix, 'lib', 'pkgconfig')
        told = shlex.split(self.run_at('pkg-config', '--cflags', '--libs', 'syncless', PKG_CONFIG_PATH=path))
        self.assertEqual(self.run_at('pkg-config', '--modversion', 'syncless', PKG_CONFIG_PATH=path),
                         self.run_at(os.path.join(prefix, 'bin', 'syncless'), '--version').split()[1] + '\n')
        source, program = (os.path.join(self.folder, name) for name in ('uses.c', 'uses'))
        with open(source, 'w') as file:
            file.write(USES_LIBRARY)
        self.run_at('gcc', '-Wall', '-Werror', '-pthread', '-o', program, source, *told)
        self.assertEqual(self.run_at(program, SYNCLESS_THREADS='all'), '1\n')
        self.assertEqual(self.run_at(program, SYNCLESS='0'), '0\n')

    def test_destdir(self):
        """A package is made elsewhere than it will lie; nothing in it says where."""
        self.make('install', 'PREFIX=/usr', 'PYTHONDIR=/usr/python', 'DESTDIR=' + self.folder)
        package = {'python/syncless/' + path for path in files_below(os.path.join(ROOT, 'pyglue', 'syncless'))}
        self.assertEqual(files_below(self.folder), {'usr/' + path for path in package | {
            'bin/syncless', 'include/syncless.h', 'lib/syncless/libsyncless.so', 'lib/syncless/doctor.py',
            'lib/syncless/doctor_probe.py', 'lib/syncless/backdoor_client.py', 'lib/pkgconfig/syncless.pc',
            'share/man/man3/syncless.3',
            'python/syncless/launcher', 'python/syncless/_syncless.abi3.so',
            'python/syncless/_syncless_http.abi3.so', 'python/syncless/_syncless_ws.abi3.so'}})
        self.assertEqual(os.readlink(self.folder + '/usr/python/syncless/launcher'), '../../bin/syncless')
        with open(self.folder + '/usr/lib/pkgconfig/syncless.pc') as file:
            self.assertNotIn(self.folder, file.read())


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
