# SPDX-License-Identifier: Apache-2.0
"""What the tests of other people's servers and frameworks share: a folder with an application, programs that run
under `syncless run`, and a gate where requests wait until the test has seen all of them.
"""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import unittest

import support
from http_case import Client

PACKAGE = os.path.join(support.ROOT, 'pyglue')
LAUNCHER = os.path.join(os.path.dirname(support.PRELOAD.split(':')[0]), 'syncless')
MOST_THREADS = 3  # kernel threads of a process that waits: its own, the watchdog, and one that becomes a green thread

# What an application of the tests imports.
PASS_GATE = '''
import os, socket
import support
def pass_gate():
    """Waits until the test opens the gate; what it has been told there: who we are."""
    with socket.create_connection(('127.0.0.1', int(os.environ['GATE']))) as sock:
        sock.sendall(f'{os.getpid()} {support.kernel_threads()}\\n'.encode())
        assert sock.recv(1) == b'.'
    return str(os.getpid())
'''


# gunicorn.conf.py, which gunicorn finds by itself.
TELL_UP = '''
def post_worker_init(worker):
    with open('up', 'a') as file:
        file.write(f'{worker.pid}\\n')
'''


class Gate:
    """port; arrive() waits for others, open() lets them go on."""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=256)
        self.listener.settimeout(support.HANG)
        self.port = self.listener.getsockname()[1]
        self.waiting = []

    def arrive(self, count):
        """Waits until so many are there.  [(pid, kernel threads of that process)]"""
        found = []
        for _ in range(count):
            sock, _ = self.listener.accept()
            self.waiting.append(sock)
            with sock.makefile() as file:
                found.append(tuple(map(int, file.readline().split())))
        return found

    def open(self):
        for sock in self.waiting:
            with contextlib.suppress(OSError):
                sock.sendall(b'.')
            sock.close()
        self.waiting = []

    def close(self):
        self.open()
        self.listener.close()


@unittest.skipUnless(support.GREEN, 'needs the preload')
class AppCase(unittest.TestCase):
    """self.folder has the files of `files`, {name: text}, and pass_gate(); self.env is for programs that run there."""

    files = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.gate = Gate()
        self.addCleanup(self.gate.close)
        self.write(pass_gate=PASS_GATE, **self.files)
        self.env = support.plain_env(PYTHONPATH=f'{PACKAGE}:{support.HERE}', PYTHON=sys.executable,
                                     PYTHONUNBUFFERED='1', GATE=str(self.gate.port))
        self.started = 0

    def write(self, **files):
        for name, text in files.items():
            with open(f'{self.folder}/{name}.py', 'w') as file:
                file.write(textwrap.dedent(text))

    def start(self, *words, preloaded=True, **options):
        """A program in the folder, ended with the test; .log is the path of what it writes."""
        self.started += 1
        log = f'{self.folder}/{self.started}.log'
        with open(log, 'w') as file:
            process = subprocess.Popen([LAUNCHER, 'run', *words] if preloaded else words, cwd=self.folder,
                                       env=self.env, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                       start_new_session=True, **options)
        process.log = log
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        """With all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def listen(self):
        """A socket to be passed on, so that clients can connect before anybody accepts."""
        listener = socket.create_server(('127.0.0.1', 0), backlog=256)
        listener.set_inheritable(True)
        self.addCleanup(listener.close)
        self.address = listener.getsockname()[:2]
        return listener

    def connect(self):
        client = Client(self.address)
        self.addCleanup(client.close)
        return client

    def get(self, path='/', *headers):
        """(status, text) of a request on a connection of its own."""
        client = Client(self.address)
        try:
            response = client.ask(path, 'Connection: close', *headers)
        finally:
            client.close()
        return response.status, response.body.decode()

    def await_port(self, process, port):
        """Until somebody listens there; the program may not end before."""
        self.address = '127.0.0.1', port

        def is_up():
            self.assertIsNone(process.poll(), self.read(process.log))
            with socket.socket() as probe:
                return probe.connect_ex(self.address) == 0
        support.wait_until(is_up, 'a server')

    @staticmethod
    def read(path):
        with open(path) as file:
            return file.read()

    def await_line(self, process, text):
        """Until the program has written this."""
        support.wait_until(lambda: text in self.read(process.log) or process.poll() is not None, repr(text))
        self.assertIn(text, self.read(process.log))

    @staticmethod
    def workers(process):
        """Of gunicorn: its children."""
        with open(f'/proc/{process.pid}/task/{process.pid}/children') as file:
            return set(map(int, file.read().split()))

    def await_workers(self, process, count):
        """Until so many are up: a signal that gunicorn sends to one before is lost, and it is waited for in vain."""
        def are_up():
            now = self.workers(process)
            return len(now) >= count and now <= set(map(int, self.read(self.folder + '/up').split()))
        support.wait_until(lambda: os.path.exists(self.folder + '/up') and are_up(), 'the workers')

    def check_overlap(self, count, path='/gate'):
        """So many requests are in the application at once.  [(pid, kernel threads)] as they have told the gate."""
        clients = [self.connect() for _ in range(count)]
        for client in clients:
            client.send(f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'.encode())
        seen = self.gate.arrive(count)
        self.gate.open()
        for client in clients:
            response = client.response()
            self.assertEqual(response.status, 200, response.body)
            self.assertIn(int(response.body), {pid for pid, _ in seen})
            client.close()
        return seen


def free_port():
    """One that nobody listens at just now."""
    with socket.create_server(('127.0.0.1', 0)) as sock:
        return sock.getsockname()[1]
