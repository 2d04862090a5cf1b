# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet gunicorn
# timeout: 120
"""What docs/deploy.md says is run: its commands, the units, the entry point of the container."""
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys

import support
from app_case import LAUNCHER, TELL_UP, AppCase, free_port

APPLICATION = '''
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'served']
'''
VENV = '/srv/app/venv/bin/'


def blocks():
    """[(language, text)] of the page's code."""
    with open(os.path.join(support.ROOT, 'docs', 'deploy.md')) as file:
        return re.findall(r'^```(\w+)\n(.*?)^```$', file.read(), re.M | re.S)


def of_kind(kind):
    return [text for language, text in blocks() if language == kind]


class Page(AppCase):
    files = {'app': APPLICATION, 'gunicorn.conf': TELL_UP}

    def setUp(self):
        super().setUp()
        bin_folder = self.folder + '/bin'
        os.mkdir(bin_folder)
        os.symlink(LAUNCHER, bin_folder + '/syncless')
        with open(bin_folder + '/gunicorn', 'w') as file:  # of the interpreter under test
            file.write(f'#!/bin/sh\nexec {sys.executable} -m gunicorn "$@"\n')
        os.chmod(bin_folder + '/gunicorn', 0o755)
        self.env['PATH'] = bin_folder + ':' + self.env['PATH']
        self.port = free_port()

    def here(self, text):
        """With this test's paths, port, and the user that it has."""
        return text.replace('0.0.0.0:8000', f'127.0.0.1:{self.port}').replace(VENV, self.folder + '/bin/').replace(
            '/srv/app', self.folder).replace('User=www-data\n', '')

    def run_words(self, words):
        process = self.start(*words, preloaded=False)
        if '--unix' in words:
            with socket.socket(socket.AF_UNIX) as sock:  # which is there before it listens
                support.wait_until(lambda: sock.connect_ex(self.folder + '/app.socket') == 0, 'the socket')
                sock.sendall(b'GET / HTTP/1.0\r\n\r\n')
                with sock.makefile('rb') as file:
                    self.assertTrue(file.read().endswith(b'served'))
        else:
            self.await_port(process, self.port)
            self.assertEqual(self.get('/'), (200, 'served'))
        self.check_end(process, words)

    def test_commands(self):
        commands = [line for text in of_kind('sh') for line in text.splitlines()]
        self.assertGreaterEqual(len(commands), 3)
        for line in commands:
            with self.subTest(line):
                self.run_words(shlex.split(self.here(line)))

    def test_entry_point(self):
        text, = of_kind('dockerfile')
        words = [json.loads(re.search(f'^{word} (.*)$', text, re.M).group(1)) for word in ('ENTRYPOINT', 'CMD')]
        self.run_words([self.here(word) for word in sum(words, [])])

    def check_end(self, process, words):
        if '-w' in words:
            self.await_workers(process, int(words[words.index('-w') + 1]))
        process.terminate()
        self.assertEqual(process.wait(support.HANG), 0, self.read(process.log))
        if os.path.exists(self.folder + '/up'):
            os.unlink(self.folder + '/up')

    def units(self):
        """[(name, text)]"""
        found = [(re.match(r'# /etc/systemd/system/(\S+)\n', text).group(1), self.here(text))
                 for text in of_kind('ini')]
        self.assertEqual([name for name, _ in found], ['app.socket', 'app.service', 'app.service'])
        return found

    def test_units_are_right(self):
        if not shutil.which('systemd-analyze'):
            self.skipTest('no systemd-analyze')
        (_, sockets), *services = self.units()
        for _, service in services:
            for name, text in ('app.socket', sockets), ('app.service', service):
                with open(f'{self.folder}/{name}', 'w') as file:
                    file.write(text)
            self.env.update(SYSTEMD_UNIT_PATH=self.folder + ':', SYSTEMD_LOG_LEVEL='warning')
            run = subprocess.run(['systemd-analyze', '--man=no', 'verify', 'app.service', 'app.socket'],
                                 cwd=self.folder, env=self.env, text=True, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=support.HANG)
            about = [line for line in run.stdout.splitlines() if 'app.s' in line]
            self.assertEqual((run.returncode, about), (0, []), run.stdout)

    def test_units_serve(self):
        """As systemd would: it listens, tells the number of its sockets, and is told when the service is ready."""
        (_, sockets), *services = self.units()
        self.address = '127.0.0.1', int(re.search(r'^ListenStream=.*:(\d+)$', sockets, re.M).group(1))
        for _, service in services:
            self.assertIn('Type=notify\n', service)
            with socket.create_server(self.address, backlog=64) as listener, \
                    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
                path = f'{self.folder}/notify'
                told.bind(path)
                told.settimeout(support.HANG)
                words = re.search(r'^ExecStart=(.*)$', service, re.M).group(1)
                process = self.start('sh', '-c', f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ exec env '
                                     f'LISTEN_FDS=1 LISTEN_FDNAMES=web NOTIFY_SOCKET={path} {words}', preloaded=False,
                                     pass_fds=[listener.fileno()])
                self.assertIn('READY=1', told.recv(4096).decode().splitlines())
                self.assertEqual(self.get('/'), (200, 'served'))
                self.check_end(process, words.split())
                # The socket has outlived the service: the next one finds who has come meanwhile.
                client = self.connect()
                client.send(b'GET / HTTP/1.0\r\n\r\n')
                listener.accept()[0].close()
                os.unlink(path)

    def test_socket_activation(self):
        if not shutil.which('systemd-socket-activate'):
            self.skipTest('no systemd-socket-activate')
        command = [word for text in of_kind('ini') for word in re.findall(r'^ExecStart=(.*)$', text, re.M)]
        for words in command:
            port = free_port()
            kept = [f'--setenv={name}' for name in ('PYTHONPATH', 'PYTHON', 'GATE', 'PATH')]
            process = self.start('systemd-socket-activate', '-l', f'127.0.0.1:{port}', *kept,
                                 *shlex.split(self.here(words)), preloaded=False)
            self.await_line(process, 'Listening on')
            self.address = '127.0.0.1', port
            self.assertEqual(self.get('/'), (200, 'served'))
            self.check_end(process, words.split())


if __name__ == '__main__':
    support.main()
