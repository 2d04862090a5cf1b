# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The first program of 2010: a server by -c, put to the background by Ctrl-Z and bg, fetched from by wget, killed."""
import os
import shutil
import sys
import unittest

import support
from terminal import Terminal

sys.path.insert(0, os.path.join(support.ROOT, 'tests'))
import loopback  # noqa: E402

LAUNCHER = os.path.join(os.path.dirname(support.PRELOAD.split(':')[0]), 'syncless')
PROMPT = r'shell\$ $'


@unittest.skipUnless(support.GREEN, 'needs the preload')
class FirstProgram(unittest.TestCase):
    def test_in_the_background(self):
        if not shutil.which('bash') or not shutil.which('wget'):
            self.skipTest('needs bash, whose jobs these are, and wget')
        port = loopback.free_port()
        program = f'''from syncless import wsgi; wsgi.simple({port}, lambda *args: ["Hello, <b>World</b>!\\n"])()'''
        env = support.plain_env(PYTHONPATH=os.path.join(support.ROOT, 'pyglue'), PS1='shell$ ', PYTHON=sys.executable,
                                PATH=os.path.dirname(LAUNCHER) + ':' + os.environ['PATH'], LC_ALL='C')
        shell = Terminal(['bash', '--noprofile', '--norc', '--noediting', '-i'], env)
        shell.expect(PROMPT)
        shell.type(f"syncless run -c '{program}'\n")

        def listens():
            with open('/proc/net/tcp') as table:
                return any(f':{port:04X} 00000000:0000 0A' in row for row in table)
        support.wait_until(listens)
        shell.type('\x1a')
        shell.expect(r'\[1\]\+ +Stopped +syncless run')
        shell.expect(PROMPT)
        shell.type('bg\n')
        shell.expect(PROMPT)
        for _ in range(2):
            shell.type(f'wget -q -S -O - http://127.0.0.1:{port}/\n')
            shell.expect(r'\n  HTTP/1.1 200 OK\n  Content-Type: text/html(.|\n)*\nHello, <b>World</b>!\n')
            shell.expect(PROMPT)
        shell.type('kill %1; wait %1; echo code $?\n')
        shell.expect(r'\[1\]\+ +Terminated +syncless run(.|\n)*\ncode 143\n')
        shell.expect(PROMPT)
        shell.type('exit 0\n')
        self.assertEqual(shell.end(), 0)


if __name__ == '__main__':
    unittest.main()
