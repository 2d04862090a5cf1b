#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
"""scripts/check-surface sees what an object imports, under whatever spelling, and what has no row."""
import glob
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHECK = os.path.join(ROOT, 'scripts', 'check-surface')
SOURCE = '''
extern int recv(), close(), __recv_chk(), pread64(), preadv64v2(), __isoc99_scanf(), __open64_2();
extern int own_function(), malloc(), __sprintf_chk();
int local(void) { return 0; }
int use(void)
{
	return recv() + close() + __recv_chk() + pread64() + preadv64v2() + __isoc99_scanf() + __open64_2() +
	       own_function() + malloc() + __sprintf_chk() + local();
}
'''


class Surface(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.object = os.path.join(folder.name, 'object.so')
        subprocess.run(['gcc', '-w', '-fno-builtin', '-shared', '-fPIC', '-x', 'c', '-', '-o', self.object],
                       input=SOURCE, text=True, check=True)

    def check(self, *words, table=None):
        if table is not None:
            path = os.path.join(self.folder, 'table')
            with open(path, 'w') as file:
                file.write(table)
            words = ('--table', path, *words)
        done = subprocess.run([CHECK, *words], stdout=subprocess.PIPE, text=True, timeout=50)
        return done.returncode, done.stdout.splitlines()

    @staticmethod
    def counted(told):
        """The symbols of the lines COUNT SYMBOL."""
        return [words[1] for words in map(str.split, told) if len(words) == 2 and words[0].isdigit()]

    def test_every_spelling(self):
        status, told = self.check('-v', self.object, table='')
        self.assertEqual(self.counted(told), ['__isoc99_scanf', '__open64_2', '__recv_chk', 'close', 'pread64',
                                              'preadv64v2', 'recv'])
        self.assertEqual(status, 1)

    def test_what_has_no_row(self):
        rows = 'CALL(recv, socket, PARKS)\nCHECKED(__recv_chk, recv)\nLEFT(pread64, "a disk")\n' \
               'CALL(close, fd, WAKES)\nALIAS(preadv64v2, preadv2)\nLEFT(__isoc99_scanf, "a stream")\n'
        status, told = self.check(self.folder, table=rows)
        self.assertEqual(told, [
            f'check-surface: __open64_2 can wait and has no row in calls.def; imported by {self.object}',
            '1 objects import 7 symbols that can wait, 1 of them without a row'])
        self.assertEqual(status, 1)
        self.assertEqual(self.check(self.object, table=rows + 'CHECKED(__open64_2, open64)\n')[0], 0)

    def test_no_object(self):
        """Nothing that was looked at proves nothing."""
        os.remove(self.object)
        with open(os.path.join(self.folder, 'text.so'), 'w') as file:
            file.write('no object')
        self.assertEqual(self.check(self.folder)[0], 1)

    def test_as_nm_reads_them(self):
        libraries = glob.glob('/usr/lib/*/libcrypto.so.*') + glob.glob('/usr/lib/*/libresolv.so.2')
        for library in [*libraries, os.path.realpath(sys.executable)]:
            named = subprocess.run(['nm', '-D', '--undefined-only', library], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout.splitlines()
            named = {line.split()[-1].partition('@')[0] for line in named}
            _, told = self.check('-v', library, table='')
            found = set(self.counted(told))
            self.assertLessEqual(found, named, library)
            self.assertLessEqual(named & {'read', 'write', 'close', 'connect', 'poll'}, found, library)


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(not result.wasSuccessful())
