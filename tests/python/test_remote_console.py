# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""Consoles in a running process: who may come in, what is seen there, and `syncless attach`."""
import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

import support
from terminal import Terminal

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
from syncless import remote_console  # noqa: E402

PACKAGE = os.path.join(support.ROOT, 'pyglue')
BUILD = os.path.dirname(support.PRELOAD.split(':')[0])
NOBODY = 65534
MARK, PROMPT, FURTHER = b'\0\0\r', b'\0\r\0\r\r>>> \0', b'\0\r\0\r\r... \0'
TARGET = '''
import sys
from syncless import coio, remote_console
value = 42
{}
print('up', flush=True)
sys.stdin.read()
'''


@unittest.skipUnless(support.GREEN, 'needs the preload')
class RemoteConsole(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.env = support.same_env(PYTHONPATH=PACKAGE, XDG_RUNTIME_DIR=folder.name, TERM='xterm')
        self.folder = os.path.join(folder.name, 'syncless')

    def run_target(self, what):
        """A process that does `what`, then says that it is up; what it has printed before.  Ends with the test."""
        self.target = subprocess.Popen([sys.executable, '-c', TARGET.format(what)], env=self.env,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end_target)
        self.path = os.path.join(self.folder, f'{self.target.pid}.console')
        printed = ''
        while not printed.endswith('up\n'):
            line = self.target.stdout.readline()
            if not line:
                self.fail(self.target.stderr.read())
            printed += line
        return printed[:-3]

    def end_target(self):
        if self.target.stdin.closed:
            return None
        out, err = self.target.communicate(timeout=support.HANG)
        self.assertEqual((self.target.returncode, err), (0, ''))
        return out

    def connect(self, address=None):
        sock = socket.socket(socket.AF_UNIX if address is None else socket.AF_INET)
        self.addCleanup(sock.close)
        sock.settimeout(support.HANG)
        sock.connect(self.path if address is None else address)
        return sock

    def upto(self, sock, mark):
        seen = b''
        while not seen.endswith(mark):
            piece = sock.recv(1)
            self.assertTrue(piece, f'closed after {seen!r}')
            seen += piece
        return seen[:-len(mark)]

    def ask(self, sock, line, mark=PROMPT):
        sock.sendall(line.encode() + b'\n')
        return self.upto(sock, mark).decode()

    def enter(self, address=None, first=b''):
        sock = self.connect(address)
        sock.sendall(first)
        banner = self.upto(sock, PROMPT)
        self.assertTrue(banner.startswith(MARK + b'Python 3.'), banner)
        return sock

    def assert_closed_in_silence(self, sock):
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(sock.recv(100), b'')

    def test_the_socket_is_its_owners_alone(self):
        self.run_target('remote_console.start()')
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.folder).st_mode), 0o700)
        self.end_target()
        self.assertFalse(os.path.exists(self.path))

    def test_a_folder_that_others_may_enter_is_refused(self):
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o755)
        run = support.run_python('-c', 'from syncless import remote_console; remote_console.start()', env=self.env)
        self.assertIn('not a folder that this user alone can enter; remove it', run.stderr)

    def test_commands(self):
        self.run_target('remote_console.start()')
        one = self.enter()
        self.assertEqual(self.ask(one, 'import __main__; __main__.value'), '42\n')
        self.assertEqual(self.ask(one, 'None'), '')
        self.assertEqual(self.ask(one, '_ + 1'), '43\n')
        self.assertEqual(self.ask(one, 'for i in range(2):', FURTHER), '')
        self.assertEqual(self.ask(one, '  print("line", i)', FURTHER), '')
        self.assertEqual(self.ask(one, ''), 'line 0\nline 1\n')
        self.assertIn('ZeroDivisionError', self.ask(one, '1/0'))
        self.assertIn('SyntaxError', self.ask(one, '1 +'))
        self.assertEqual(self.ask(one, 'import asyncio; await asyncio.sleep(0, 5)'), '5\n')
        other = self.enter()
        self.assertIn('NameError', self.ask(other, 'i'))
        for way in 'quit()', 'exit()', 'raise SystemExit', '\x04':
            sock = self.enter()
            sock.sendall(way.encode() + b'\n')
            self.assert_closed_in_silence(sock)
        telnet = self.enter()
        telnet.sendall(b'\xff\xf4\xff\xfd\x06')  # Ctrl-C
        telnet.shutdown(socket.SHUT_WR)
        self.assert_closed_in_silence(telnet)

    def test_what_is_printed_goes_to_the_connection(self):
        self.run_target('remote_console.start(); later = []')
        one, other = self.enter(), self.enter()
        self.ask(one, 'import __main__')
        self.ask(one, 'from syncless import coio')
        self.ask(one, 'def late(): coio.sleep(0.05); print("from the coroutine")', FURTHER)
        self.ask(one, '')
        self.ask(one, 'co = coio.spawn(late)')
        self.assertEqual(self.upto(one, b'coroutine\n'), b'from the ')
        self.assertEqual(self.ask(other, 'print("to other")'), 'to other\n')
        self.assertEqual(self.end_target(), '')

    def serve_tcp(self, token=None):
        """The address of a console on TCP."""
        return '127.0.0.1', int(self.run_target(
            f'listener = remote_console._bound("127.0.0.1", 0, {token!r})\n'
            f'coio.spawn(remote_console._serve, listener, True, {token!r})\n'
            'print(listener.getsockname()[1])'))

    def as_nobody(self, code, *arguments):
        """Runs code as another user; what it prints.  The modules are loaded before, from where he may not read."""
        modules = 'contextlib, errno, os, select, socket, stat, sys, time'
        run = subprocess.run([sys.executable, '-c', f'import {modules}\n'
                              f'os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n' + code,
                              *map(str, arguments)], env=support.plain_env(), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=support.HANG)
        return run.stdout

    READ_ALL = """
try:
    print(sock.recv(100))
except ConnectionResetError:
    print(b'')
"""

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be somebody else')
    def test_another_user_at_the_socket(self):
        self.run_target('remote_console.start()')
        os.chmod(self.folder, 0o755)  # else he would not come so far
        os.chmod(self.path, 0o666)
        seen = self.as_nobody('sock = socket.socket(socket.AF_UNIX); sock.connect(sys.argv[1])' + self.READ_ALL, self.path)
        self.assertEqual(seen, "b''\n")
        os.chmod(self.folder, 0o700)

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be somebody else')
    def test_another_user_on_tcp(self):
        _, port = self.serve_tcp()
        seen = self.as_nobody('sock = socket.socket(); sock.connect(("127.0.0.1", int(sys.argv[1])))' + self.READ_ALL, port)
        self.assertEqual(seen, "b''\n")

    def test_tcp(self):
        address = self.serve_tcp()
        self.assertEqual(self.ask(self.enter(address), '6 * 7'), '42\n')

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be somebody else')
    def test_port_that_connections_share(self):
        """It is the end of one of this user's and of one of another's; each end of the server's is told apart."""
        with socket.create_server(('127.0.0.1', 0)) as one, socket.create_server(('127.0.0.1', 0)) as two:
            clients = []
            for listener, uid in (one, os.geteuid()), (two, NOBODY):
                sock = socket.socket()
                self.addCleanup(sock.close)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(clients[0].getsockname() if clients else ('127.0.0.1', 0))
                os.fchown(sock.fileno(), uid, -1)
                sock.connect(listener.getsockname())
                clients.append(sock)
            peer = clients[0].getsockname()
            self.assertTrue(remote_console.HasTcpPeerUid(peer, os.geteuid(), one.getsockname()))
            self.assertFalse(remote_console.HasTcpPeerUid(peer, os.geteuid(), two.getsockname()))
            self.assertTrue(remote_console.HasTcpPeerUid(peer, NOBODY, two.getsockname()))
            self.assertFalse(remote_console.HasTcpPeerUid(peer, os.geteuid()))
        self.assertFalse(remote_console.HasTcpPeerUid(('127.0.0.1', 1), os.geteuid()))
        with self.assertRaises(ValueError):
            remote_console.HasTcpPeerUid(('192.0.2.1', 1), os.geteuid())

    def test_token(self):
        address = self.serve_tcp('a secret')
        self.assertEqual(self.ask(self.enter(address, b'a secret\n'), '6 * 7'), '42\n')
        for wrong in b'a secreT\n', b'\n' * 9, b'a secret':
            sock = self.connect(address)
            sock.sendall(wrong)
            sock.shutdown(socket.SHUT_WR)
            self.assert_closed_in_silence(sock)

    def test_no_other_address_without_a_token(self):
        for address in '0.0.0.0', '192.0.2.1', '::':
            run = support.run_python('-m', 'syncless.remote_console', address, '0', env=self.env)
            self.assertEqual(run.returncode, 1)
            self.assertIn(f'a console at {address} needs a token', run.stderr)

    def test_other_address(self):
        """With a token; `backdoor_client` sends it, and lines are edited as at attach."""
        env = {**self.env, 'SYNCLESS_CONSOLE_TOKEN': 'a secret'}
        with subprocess.Popen([sys.executable, '-m', 'syncless.remote_console', '0.0.0.0', '0'], env=env,
                              stderr=subprocess.PIPE, text=True) as server:
            self.addCleanup(server.kill)
            port = server.stderr.readline().rpartition(':')[2].strip()
            terminal = Terminal([sys.executable, '-m', 'syncless.backdoor_client', '127.0.0.1', port], env)
            terminal.expect('>>> $')
            terminal.type('6 *\x088\x08* 7\n')
            terminal.expect('42\n')
            terminal.expect('>>> $')
            terminal.type('\x1b[A\n')
            terminal.expect('42\n')
            terminal.expect('>>> $')
            terminal.type('\x04')
            self.assertEqual(terminal.end(), 0)
            terminal = Terminal([sys.executable, '-m', 'syncless.backdoor_client', port],
                                {**env, 'SYNCLESS_CONSOLE_TOKEN': 'a guess?'})
            self.assertEqual((terminal.end(), terminal.seen), (3, ''))
            server.send_signal(signal.SIGINT)
            self.assertEqual(server.wait(support.HANG), 130)

    def test_files_that_are_none(self):
        run = support.run_python('-c', 'from syncless.remote_console import RemoteConsole\nRemoteConsole(object())',
                                 env=self.env)
        self.assertIn('TypeError: a console needs a file with readline, write and flush', run.stderr)

    # syncless attach

    def attach(self, pid=None):
        return Terminal([os.path.join(BUILD, 'syncless'), 'attach', str(pid or self.target.pid)], self.env)

    def use(self, terminal):
        terminal.expect('Python 3.*\n')
        terminal.expect('>>> $')
        terminal.type('import __main__\n')
        terminal.expect('>>> $')
        terminal.type('__main__.valu\x08ue + 1\n')  # the line is edited here
        terminal.expect('43\n')
        terminal.expect('>>> $')
        terminal.type('\x1b[A\n')
        terminal.expect('43\n')
        terminal.expect('>>> $')

    def test_attach(self):
        self.run_target('remote_console.start()')
        for last in '\x04', 'quit()\n':
            terminal = self.attach()
            self.use(terminal)
            terminal.type(last)
            self.assertEqual(terminal.end(), 0)

    def test_interrupt(self):
        """It ends the client, at its prompt and while a command runs, and nothing else."""
        self.run_target('remote_console.start()')
        for line in 'half a line', 'import time; time.sleep(1000)\n':
            terminal = self.attach()
            terminal.expect('>>> $')
            terminal.type(line)
            terminal.expect(re.escape(line.strip()))
            terminal.until_it_sleeps()
            terminal.type('\x03')
            self.assertEqual(terminal.end(), 0)
            self.assertNotIn('Traceback', terminal.seen)
        self.assertEqual(self.ask(self.enter(), '6 * 7'), '42\n')

    def test_attach_opens_by_signal(self):
        self.run_target('remote_console.open_on_signal()')
        self.assertFalse(os.path.exists(self.path))
        terminal = self.attach()
        self.use(terminal)
        terminal.type('\x04')
        self.assertEqual(terminal.end(), 0)

    def test_attach_says_how(self):
        self.run_target('')
        terminal = self.attach()
        terminal.expect(f'process {self.target.pid} has no console; let it call\n.*remote_console.start()')
        self.assertEqual(terminal.end(), 2)

    def test_a_number_that_is_used_again_gets_no_signal(self):
        self.run_target('remote_console.open_on_signal()')
        path = os.path.join(self.folder, f'{self.target.pid}.signal')
        with open(path) as file:
            number, began = file.read().split()
        self.assertEqual(int(number), signal.SIGUSR1)
        with open(path, 'w') as file:
            file.write(f'{number} {int(began) + 1}\n')
        terminal = self.attach()
        terminal.expect('has no console')
        self.assertEqual(terminal.end(), 2)
        self.assertFalse(os.path.exists(self.path))

    def test_attach_without_a_process(self):
        terminal = self.attach(0x7fffffff)
        terminal.expect('there is no process 2147483647\n')
        self.assertEqual(terminal.end(), 2)
        terminal = self.attach('x')
        terminal.expect('attach needs the number of a process, not x\n')
        self.assertEqual(terminal.end(), 2)

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be somebody else')
    def test_client_of_another_user(self):
        self.run_target('remote_console.start()')
        client = shutil.copy(os.path.join(PACKAGE, 'syncless', 'backdoor_client.py'), os.path.dirname(self.folder))
        seen = self.as_nobody('del sys.argv[0]; exec(open(sys.argv[0]).read())', client, f'pid:{self.target.pid}')
        self.assertEqual(seen, f'syncless: process {self.target.pid} belongs to user 0; only that one may attach\n')

    def test_client_usage(self):
        for words in ['x'], ['pid:'], ['pid:x'], ['host', 'x'], ['a', 'b', '1'], ['-h'], ['host', 'pid:1']:
            run = support.run_python('-m', 'syncless.backdoor_client', *words, env=self.env)
            self.assertEqual(run.returncode, 2, words)
            self.assertEqual(run.stderr, 'usage: backdoor_client [[HOST] PORT] | pid:PID\n')

    def test_client_exit_codes(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            port = str(listener.getsockname()[1])
            for says, code in (b'', 3), (b'SSH-2.0\r\n', 4):
                client = subprocess.Popen([sys.executable, '-m', 'syncless.backdoor_client', port], env=self.env,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                sock, _ = listener.accept()
                sock.sendall(says)
                sock.close()
                self.assertEqual(client.stdout.read(), says)
                self.assertEqual(client.wait(support.HANG), code)
                client.stdin.close()
                client.stdout.close()
        run = support.run_python('-m', 'syncless.backdoor_client', port, env=self.env)
        self.assertEqual(run.returncode, 2)
        self.assertIn('Connection refused', run.stderr)


if __name__ == '__main__':
    unittest.main()
