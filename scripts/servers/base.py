# SPDX-License-Identifier: Apache-2.0
"""What the private servers share: an unprivileged user, a folder, a free port, and how one is seen ready."""
import contextlib
import ctypes
import glob
import os
import pwd
import random
import resource
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

CONNECTIONS = 500
OPEN_FILES = 8192
START_LIMIT = 120  # seconds: far more than any server needs, so a hang ends
PORT_TRIES = 3
PR_SET_PDEATHSIG = 1
USER, PASSWORD = 'syncless', secrets.token_hex(8)


class Unavailable(Exception):
    """The service cannot be had; the text says why."""


def find_program(*names):
    """The first program found on PATH or where distributions hide servers."""
    hidden = [os.path.dirname(path) for path in
              sorted(glob.glob('/usr/lib/postgresql/*/bin/initdb'), key=newest_last)[::-1]]
    path = os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin', '/sbin',
                            '/usr/libexec', *hidden])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise Unavailable(f'{names[0]} is not installed')


def newest_last(path):
    return [int(part) for part in path.split(os.sep) if part.isdigit()]


def unprivileged_user(*names):
    """The password entry to run a server as; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, 'nobody'):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unavailable('no unprivileged user to run it as')


def free_port():
    """A loopback port that was free just now.

    Below the range from which the kernel gives ports to outgoing connections,
    of which the tests make thousands while a server starts.
    """
    for _ in range(200):
        port = random.randrange(10000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(('127.0.0.1', port))
            return port
    raise Unavailable('no free port')


class Service:
    """One server: how to prepare its data, start it, and see it ready."""
    name = ''
    prefix = ''  # of its variables
    end_signal = signal.SIGKILL

    def __init__(self, folder):
        self.folder = os.path.join(folder, self.name)
        self.data = os.path.join(self.folder, 'data')
        self.log = os.path.join(self.folder, 'log')
        self.process = None
        self.port = 0

    def make_folders(self, *users):
        self.user = unprivileged_user(*users)
        os.mkdir(self.folder, 0o755)
        os.mkdir(self.data, 0o700)
        if self.user:
            for path in (self.folder, self.data):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def write(self, name, text):
        """A file that the server may read and nobody else."""
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'w') as file:
            file.write(text)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def popen(self, command):
        """Starts a command as the server's user, its output in the log."""
        identity = {}
        if self.user:
            identity = {'user': self.user.pw_uid, 'group': self.user.pw_gid, 'extra_groups': []}
        end_signal = self.end_signal
        prctl = ctypes.CDLL(None).prctl

        def in_child():
            prctl(PR_SET_PDEATHSIG, end_signal, 0, 0, 0)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())

        env = {'PATH': os.environ.get('PATH', os.defpath) + ':/usr/sbin:/sbin',
               'HOME': self.folder, 'TMPDIR': self.folder, 'LC_ALL': 'C', **self.settings()}
        with open(self.log, 'ab') as log:
            return subprocess.Popen(command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, start_new_session=True,
                                    preexec_fn=in_child, **identity)

    def settings(self):
        """What the commands have in their environment besides the usual."""
        return {}

    def begin(self):
        """Begins to prepare the data; returns the process that does, or None."""

    def launch(self):
        self.port = free_port()
        self.process = self.popen(self.command())

    def await_prepared(self):
        if self.process and self.process.wait(START_LIMIT):
            raise Unavailable(f'{self.process.args[0]} failed: {self.last_words()}')

    def await_ready(self):
        """Waits until the server answers, trying other ports if its own was taken."""
        end = time.monotonic() + START_LIMIT
        tries = 1
        while not self.is_ready():
            if self.process.poll() is not None:
                if tries == PORT_TRIES:
                    raise Unavailable(f'{self.process.args[0]} ended at once: '
                                      f'{self.last_words()}')
                tries += 1
                self.launch()
            if time.monotonic() > end:
                raise Unavailable(f'no answer within {START_LIMIT} s: {self.last_words()}')
            time.sleep(0.01)

    def has_said(self, text):
        """Does this stand in its log?"""
        with open(self.log, errors='replace') as log:
            return text in log.read()

    def last_words(self):
        with open(self.log, errors='replace') as log:
            lines = [line.strip() for line in log if line.strip()]
        told = [line for line in lines if 'ERROR' in line.upper() or 'FATAL' in line.upper()]
        return (told or lines or ['no message'])[-1]

    def ask(self, question, enough):
        """What the server says to a question; b'' while it does not listen.

        On its unix socket, which nobody else can own, and which it opens after
        the port.
        """
        with socket.socket(socket.AF_UNIX) as peer, contextlib.suppress(OSError):
            peer.settimeout(5)
            peer.connect(f'{self.folder}/socket')
            peer.sendall(question)
            return peer.recv(enough)
        return b''


def make_folder():
    """A fresh folder that an unprivileged user can reach.

    Under TMPDIR if its parents let strangers through, and if the path of a
    unix socket in it (107 characters at most) is not too long.
    """
    for parent in (tempfile.gettempdir(), '/tmp', '/var/tmp'):
        parent = os.path.realpath(parent)
        if len(parent) > 60 or not os.access(parent, os.W_OK | os.X_OK):
            continue
        if os.geteuid() == 0 and not is_open_to_all(parent):
            continue
        folder = tempfile.mkdtemp(prefix='syncless-services-', dir=parent)
        os.chmod(folder, 0o755)
        return folder
    raise Unavailable('no temporary folder that the servers could reach')


def is_open_to_all(path):
    while os.stat(path).st_mode & stat.S_IXOTH:
        if path == '/':
            return True
        path = os.path.dirname(path)
    return False


def raise_file_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= OPEN_FILES:
        return
    with contextlib.suppress(ValueError, OSError):
        top = hard if os.geteuid() else max(hard, OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(top, OPEN_FILES), top))
