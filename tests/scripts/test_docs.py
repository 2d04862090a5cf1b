#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# services: mariadb
"""The blocks of code in README.md and docs/: each is run under `syncless run`, and what it says is checked.

A comment before a block of Python or of a terminal tells how, and one without it fails the test:

    <!-- prints: REGEX -->       run as it is; REGEX is all of its stdout, and it ends with 0
    <!-- run by: NAME -->        by the function run_NAME below, which has the server or the client that it needs
    <!-- not run: REASON -->

What is in other languages is other tests' matter.  A module of the package
without a page that names it and has a block fails the test, too.
"""
import contextlib
import http.client
import os
import pkgutil
import re
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
PYTHON = os.environ.get('PYTHON') or '/usr/bin/python3'
HANG = 60
PACKAGE = os.path.join(ROOT, 'pyglue')
LANGUAGES = '```python', '```console', '```'
PROGRAMS = {'__main__', 'doctor', 'doctor_probe'}  # commands, see README.md
sys.path[:0] = [os.path.join(ROOT, 'tests'), os.path.join(ROOT, 'tests', 'python')]
import loopback  # noqa: E402
import support  # noqa: E402
import terminal  # noqa: E402

# For the blocks that ask MariaDB: the address and the rights of the test's own server, and what is there at first.
AS_APP = '''
import MySQLdb
def connect(real=MySQLdb.connect, **wanted):
    connected.append(wanted)
    given = dict(host={host!r}, port={port}, user={user!r}, passwd={password!r}, db={db!r})
    connection = real(**{{**wanted, **given}})
    for statement in {statements!r}:
        connection.cursor().execute(statement)
    return connection
connected = []
MySQLdb.connect = connect
'''


def environment(**extra):
    env = {key: value for key, value in os.environ.items()
           if key not in ('LD_PRELOAD', 'GLIBC_TUNABLES') and (key == 'SYNCLESS' or not key.startswith('SYNCLESS'))}
    return {**env, 'PYTHONPATH': PACKAGE, 'TERM': 'xterm', 'PYTHON_COLORS': '0', **extra}


class Block:
    """One of a page's; earlier: the code of those that stand before it there."""

    def __init__(self, page, number, line, mark, code, earlier):
        self.place = f'{page}:{line}'
        self.name = f'{os.path.basename(page)[:-3]}_{number}'
        self.mark, self.code, self.earlier = mark, code, earlier


def blocks_of(page):
    """The fenced blocks of a page, each with the words of the comment before it."""
    found, mark, begin, is_ours = [], None, None, False
    with open(os.path.join(ROOT, page)) as file:
        lines = file.read().split('\n')
    for number, line in enumerate(lines):
        if begin is not None and line == '```':
            if is_ours:
                code = '\n'.join(lines[begin:number]) + '\n'
                found.append(Block(page, len(found) + 1, begin, mark, code, ''.join(block.code for block in found)))
            begin = mark = None
        elif begin is None and line.startswith('```'):
            begin, is_ours = number + 1, line in LANGUAGES
        elif begin is None and line:
            comment = re.fullmatch(r'<!-- (prints|run by|not run): (.*?) ?-->', line)
            mark = comment and comment.groups()
    return found


def pages():
    return ['README.md', *sorted('docs/' + name for name in os.listdir(os.path.join(ROOT, 'docs')))]


class Docs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, code):
        path = os.path.join(self.folder, 'block.py')
        with open(path, 'w') as file:
            file.write(code)
        return path

    def command(self, code):
        return [os.path.join(BUILD, 'syncless'), 'run', PYTHON, self.write(code)]

    def run_code(self, code, text=''):
        """Its stdout; it must end with 0."""
        run = subprocess.run(self.command(code), env=environment(), input=text, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, timeout=HANG)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    @contextlib.contextmanager
    def begun(self, code, **env):
        """The process; it is ended."""
        with subprocess.Popen(self.command(code), env=environment(**env), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextlib.contextmanager
    def serving(self, block, port):
        """A block that serves at this port, or rather at another, which is free: yields that one."""
        self.assertEqual(block.code.count(str(port)), 1, block.place)
        free = loopback.free_port()
        with self.begun(block.code.replace(str(port), str(free))) as process:
            loopback.await_port(free, process)
            yield free

    def service(self, code, *statements):
        """The code, which uses MySQLdb, with the test's server.  Each connection begins with the statements."""
        self.needs('MySQLdb')
        patient = re.sub(r'Timeout\(\d+\)', f'Timeout({HANG})', code)
        return AS_APP.format(**support.service('MYSQL'), statements=statements) + patient

    def needs(self, module):
        if subprocess.run([PYTHON, '-c', f'import {module}'], stderr=subprocess.DEVNULL).returncode:
            self.skipTest(f'no {module}')

    # --- The blocks that need something.

    def run_readme_threads(self, block):
        self.assertEqual(self.run_code(self.service(block.code) + 'print(len(connected))\n'), '200\n')

    def run_readme_coroutines(self, block):
        code = block.earlier + block.code + 'print(sum(sleeper.successful() for sleeper in sleepers))\n'
        self.assertEqual(self.run_code(self.service(code)), '200\n')

    def run_tables(self, block):
        tables = [f'CREATE TEMPORARY TABLE {name} SELECT seq FROM seq_1_to_{n}'
                  for n, name in enumerate(('orders', 'items', 'clients'), 5)]
        self.assertEqual(self.run_code(self.service(block.code, *tables)), '[5, 6, 7]\n')

    def run_parser(self, block):
        with self.serving(block, 8080) as port, loopback.socket.create_connection(('127.0.0.1', port), HANG) as sock:
            sock.sendall(b'one\r\ntw')
            with sock.makefile('rb') as file:
                self.assertEqual(file.readline(), b'ONE\n')
                sock.sendall(b'o\n')
                self.assertEqual(file.readline(), b'TWO\n')

    def run_game(self, block):
        with self.serving(block, 1337) as port:
            socks = [loopback.socket.create_connection(('127.0.0.1', port), HANG) for _ in range(3)]
            for sock in socks:
                sock.sendall(b'hello')
            for sock in socks:
                self.assertEqual(sock.recv(5, loopback.socket.MSG_WAITALL), b'HELLO')
                sock.close()

    def run_fetch(self, block):
        with loopback.web() as port:
            code = block.code.replace('http://localhost/', f'http://localhost:{port}/5')
            self.assertNotEqual(code, block.code)
            self.assertEqual(self.run_code(code), '200\n')

    def run_questions(self, block):
        self.assertEqual(self.run_code(block.code, 'Arthur\n40\n'),
                         'Your name? Hello, Arthur\nYour age? 40 years\nso be it\n')
        slow = re.sub(r'\b3\b', '0.05', block.code)
        self.assertNotEqual(slow, block.code)
        with self.begun(slow) as process:  # whose stdin stays open, and says nothing
            self.assertEqual(process.stdout.read(), 'Your name? Hello, nobody\nYour age? so be it\n')
            self.assertEqual(process.wait(HANG), 0)

    def run_twisted(self, block):
        self.needs('twisted')
        self.assertRegex(self.run_code(block.code), r'^(from Twisted\n){2,}$')

    def run_session(self, block):
        console = terminal.Terminal([os.path.join(BUILD, 'syncless'), 'run', PYTHON, '-m', 'syncless.console'],
                                    environment(PYTHON_HISTORY=os.path.join(self.folder, 'history')))
        for line in block.code.splitlines():
            if line[:3] in ('>>>', '...'):
                text = re.sub(r'  +#.*', '', line[4:])
                console.expect_on_screen(r'\n(>>>|\.\.\.) $')
                console.type(text)
                console.expect_on_screen(re.escape(line[:3] + ' ' + text))
                console.type('\n')
            else:
                console.expect_on_screen(r'\n' + re.escape(line) + r'\n')
        console.expect_on_screen(r'\n>>> $')
        console.type('\x04')
        self.assertEqual(console.end(), 0)

    def run_attach(self, block):
        with self.begun(block.code + 'import sys; print("up", flush=True); sys.stdin.read()\n',
                        XDG_RUNTIME_DIR=self.folder) as process:
            self.assertEqual(process.stdout.readline(), 'up\n')
            attached = terminal.Terminal([os.path.join(BUILD, 'syncless'), 'attach', str(process.pid)],
                                         environment(XDG_RUNTIME_DIR=self.folder))
            attached.expect('>>> $')
            attached.type('6 * 7\n')
            attached.expect('42\n>>> $')
            attached.type('\x04')
            self.assertEqual(attached.end(), 0)

    def assert_answers(self, port, body):
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=HANG)
        connection.request('GET', '/')
        response = connection.getresponse()
        self.assertEqual((response.status, response.read()), (200, body))
        connection.close()

    def run_server_8000(self, block):
        with self.serving(block, 8000) as port:
            self.assert_answers(port, b'Hello, world!\n')

    def run_server_8080(self, block):
        with self.serving(block, 8080) as port:
            self.assert_answers(port, b'Hello, <b>World</b>!\n')

    def run_server_8443(self, block):
        with loopback.web(self.folder):  # makes the certificate
            pass
        block.code = re.sub(r"'(\w+\.pem)'", rf"'{self.folder}/\1'", block.code)
        context = ssl.create_default_context(cafile=os.path.join(self.folder, 'cert.pem'))
        with self.serving(block, 8443) as port, \
                urllib.request.urlopen(f'https://localhost:{port}/', context=context, timeout=HANG) as page:
            self.assertEqual(page.read(), b'Hello!\n')

    def run_websocket_of_2010(self, block):
        block.code += "from syncless import wsgi\nwsgi.RunHttpServer(application, ('127.0.0.1', 6666))\n"
        with self.serving(block, 6666) as port, loopback.socket.create_connection(('127.0.0.1', port), HANG) as sock:
            sock.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
                         b'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
                         b'\x81\x85\0\0\0\0hello')
            with sock.makefile('rb') as file:
                self.assertEqual(file.readline(), b'HTTP/1.1 101 Switching Protocols\r\n')
                for line in iter(file.readline, b'\r\n'):
                    self.assertTrue(line)
                self.assertEqual(file.read(7), b'\x81\x05hello')

    # --- All of them.

    def test_each_module_has_a_page(self):
        texts = {}
        for page in pages()[1:]:
            with open(os.path.join(ROOT, page)) as file:
                texts[page] = file.read()
        for found in pkgutil.iter_modules([os.path.join(PACKAGE, 'syncless')], 'syncless.'):
            name = found.name.partition('.')[2]
            if not name.startswith('_') and name not in PROGRAMS:
                mentioned = re.compile(rf'\bsyncless\.{name}\b|from syncless import .*\b{name}\b')
                self.assertTrue([text for text in texts.values() if '```' in text and mentioned.search(text)], name)


def test_of(block):
    def test(self):
        self.assertIsNotNone(block.mark, f'{block.place}: no comment before the block tells how it is run')
        how, what = block.mark
        if how == 'prints':
            self.assertRegex(self.run_code(block.code), rf'^(?:{what})\Z', block.place)
        elif how == 'run by':
            getattr(self, 'run_' + what)(block)
        else:
            self.assertTrue(what, block.place)
    return test


for _page in pages():
    for _block in blocks_of(_page):
        setattr(Docs, 'test_' + _block.name, test_of(_block))

if __name__ == '__main__':
    support.main()
