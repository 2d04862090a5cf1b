# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The first program of 2010: a server by `python -c`, put to the background by Ctrl-Z and bg, fetched from, killed."""
import os
import shutil
import sys
import unittest
import urllib.request

import support
from terminal import Terminal

sys.path.insert(0, os.path.join(support.ROOT, 'tests'))
import loopback  # noqa: E402

LAUNCHER = os.path.join(os.path.dirname(support.PRELOAD.split(':')[0]), 'syncless')
PROMPT = r'shell\$ $'


@unittest.skipUnless(support.GREEN, 'needs the preload')
class FirstProgram(unittest.TestCase):
    def test_in_the_background(self):
        if not shutil.which('bash'):
            self.skipTest('no bash, whose jobs these are')
        port = loopback.free_port()
        program = f'''from syncless import wsgi; wsgi.simple({port}, lambda *args: ["Hello, <b>World</b>!\\n"])()'''
        env = support.plain_env(PYTHONPATH=os.path.join(support.ROOT, 'pyglue'), PROGRAM=program, PS1='shell$ ',
                                LAUNCHER=LAUNCHER, PYTHON=sys.executable)
        shell = Terminal(['bash', '--noprofile', '--norc', '--noediting', '-i'], env)
        shell.expect(PROMPT)
        shell.type('"$LAUNCHER" run "$PYTHON" -c "$PROGRAM"\n')

        def listens():
            with open('/proc/net/tcp') as table:
                return any(f':{port:04X} 00000000:0000 0A' in row for row in table)
        support.wait_until(listens)
        shell.type('\x1a')
        shell.expect('Stopped')
        shell.expect(PROMPT)
        shell.type('bg\n')
        shell.expect(PROMPT)
        for _ in range(2):
            with urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=support.HANG) as page:
                self.assertEqual((page.read(), page.headers.get_content_type()),
                                 (b'Hello, <b>World</b>!\n', 'text/html'))
        shell.type('kill %1; wait %1\n')
        shell.expect('Terminated')
        shell.expect(PROMPT)
        shell.type('exit 0\n')
        self.assertEqual(shell.end(), 0)


if __name__ == '__main__':
    unittest.main()
