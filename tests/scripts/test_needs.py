#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""scripts/needs, as make runs it: one line that names the package, before anything is compiled.

Headers are hidden by an include folder that has all of the machine's but one,
archives by a compiler that knows none.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The make above us passes its variables on in MAKEFLAGS.
ENV = {name: value for name, value in os.environ.items()
       if not name.startswith(('MAKE', 'MFLAGS', 'CPPFLAGS'))}


class Needs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def told(self, *words, **more):
        build = os.path.join(self.folder, 'build')
        done = subprocess.run(['make', '-k', 'BUILD=' + build, *words, build + '/shim/init.o'], cwd=ROOT,
                              env={**ENV, **more}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=100)
        self.assertEqual(done.returncode, 2)
        self.assertNotIn('  CC ', done.stdout)
        lines = [line for line in done.stderr.splitlines() if not line.startswith('make')]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def hide(self, header):
        """Flags for a machine without it."""
        for at in '/usr/include', '/usr/local/include':
            place = self.folder + at
            os.makedirs(place)
            for name in os.listdir(at) if os.path.isdir(at) else []:
                if name != header:
                    os.symlink(os.path.join(at, name), os.path.join(place, name))
        its_own, machine = (subprocess.run(['gcc', word], stdout=subprocess.PIPE, text=True, check=True)
                            .stdout.strip() for word in ('-print-file-name=include', '-print-multiarch'))
        places = [its_own, self.folder + '/usr/local/include', self.folder + '/usr/include']
        if machine:
            places.append('/usr/include/' + machine)
        return ' '.join(['-nostdinc', *('-isystem ' + place for place in places)])

    def test_header(self):
        for header, package in ('ev.h', 'libev-dev'), ('ares.h', 'libc-ares-dev'):
            self.assertIn(f'syncless: the build lacks {header}; install {package} (',
                          self.told(CPPFLAGS=self.hide(header)))
            shutil.rmtree(self.folder + '/usr')

    def test_all_headers(self):
        self.assertIn('ev.h, ares.h; install libc6-dev libev-dev libc-ares-dev (',
                      self.told(CPPFLAGS='-nostdinc'))

    def test_archive(self):
        compiler = os.path.join(self.folder, 'cc')
        with open(compiler, 'w') as file:
            file.write('#!/bin/sh\ncase $1 in *libcares.a) echo libcares.a ;; *) exec gcc "$@" ;; esac\n')
        os.chmod(compiler, 0o755)
        self.assertIn('syncless: the build lacks libcares.a; install libc-ares-dev (', self.told('CC=' + compiler))

    def test_compiler(self):
        self.assertEqual(self.told('CC=no-such-compiler -m64'),
                         'syncless: there is no compiler no-such-compiler here; install gcc, or set CC')


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
