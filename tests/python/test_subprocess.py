# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""fork and subprocess 1,000 times, at any moment of a busy program.

Five threads make children in every way that `subprocess` and `os` offer
while others talk over sockets, sleep, hold locks and start threads.  Each
child's output, exit code and descriptors must be its own, and the talk of the
others whole.
"""
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import support

CHILDREN = 1000
MAKERS = 5
LIGHT = support.same_env(LD_PRELOAD=None)


def echo(i):
    """A pipe in and out."""
    run = subprocess.run(['cat'], input=b'text %d' % i, env=LIGHT,
                         stdout=subprocess.PIPE, check=True)
    assert run.stdout == b'text %d' % i


def inherits(i):
    """A child that runs as we do, preload and all."""
    run = subprocess.run(['sh', '-c', 'exit %d' % (i % 100)])
    assert run.returncode == i % 100


def directory(_):
    with tempfile.TemporaryDirectory() as path:
        out = subprocess.check_output(['pwd'], cwd=path, env=LIGHT)
        assert out.decode() == os.path.realpath(path) + '\n', out


def pass_fds(i):
    reader, writer = os.pipe()
    with subprocess.Popen(['sh', '-c', 'echo %d >/proc/self/fd/%d' % (i, writer)],
                          pass_fds=[writer], env=LIGHT) as child:
        os.close(writer)
        assert os.read(reader, 100) == b'%d\n' % i
        assert os.read(reader, 100) == b''
        os.close(reader)
    assert child.returncode == 0


def preexec(i):
    """preexec_fn makes it a fork with Python in the child."""
    child = subprocess.Popen(['sh', '-c', 'umask'], env=LIGHT,
                             preexec_fn=lambda: os.umask(i % 8),
                             stdout=subprocess.PIPE)
    assert int(child.communicate()[0], 8) == i % 8


def stderr_too(i):
    child = subprocess.Popen(
        ['sh', '-c', 'echo out; echo err %d >&2; exit 3' % i], env=LIGHT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.communicate() == (b'out\n', b'err %d\n' % i)
    assert child.returncode == 3


def missing(_):
    try:
        subprocess.Popen(['/nonexistent/program'])
    except FileNotFoundError:
        return
    raise AssertionError('no error')


def killed(_):
    with subprocess.Popen(['sleep', '600'], env=LIGHT,
                          start_new_session=True) as child:
        try:
            child.wait(0.001)
            raise AssertionError('ended')
        except subprocess.TimeoutExpired:
            child.kill()
    assert child.returncode == -signal.SIGKILL


def spawned(i):
    pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit %d' % (i % 50)], LIGHT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == i % 50


def shell_pipe(i):
    with os.popen('echo %d | cat' % i) as pipe:
        assert pipe.read() == '%d\n' % i


def forked(i):
    """A bare fork whose child uses locks, a socket and a thread."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            left, right = socket.socketpair()
            thread = threading.Thread(target=left.send, args=(b'x',))
            thread.start()
            assert right.recv(1) == b'x'
            thread.join()
            time.sleep(0)
            code = i % 100
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == i % 100


WAYS = (echo, inherits, directory, pass_fds, preexec, stderr_too, missing,
        killed, spawned, shell_pipe, forked, forked, forked, forked)


class Load:
    """Threads that never stop talking; each counts what it got done."""

    def __init__(self):
        self.stop = threading.Event()
        self.counts = {}
        self.crew = support.Crew()
        self.lock = threading.Lock()

    def loop(self, name, deed):
        self.counts[name] = 0
        while not self.stop.is_set():
            deed()
            self.counts[name] += 1
            time.sleep(0.0005)

    def ping(self):
        left, right = self.pair
        left.sendall(b'x' * 1000)
        assert len(right.recv(1000, socket.MSG_WAITALL)) == 1000

    def hold(self):
        with self.lock:
            time.sleep(0.0002)

    def start_thread(self):
        thread = threading.Thread(target=self.hold)
        thread.start()
        thread.join()

    def __enter__(self):
        self.pair = socket.socketpair()
        for name, deed in (('ping', self.ping), ('hold 1', self.hold),
                           ('hold 2', self.hold), ('thread', self.start_thread),
                           ('sleep', lambda: time.sleep(0.001))):
            self.crew.start(self.loop, name, deed)
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.crew.join()
        for end in self.pair:
            end.close()


class Subprocess(unittest.TestCase):
    def test_a_thousand_under_load(self):
        before = len(os.listdir('/proc/self/fd'))
        done = []

        def body(k):
            for i in range(k, CHILDREN, MAKERS):
                WAYS[i // MAKERS % len(WAYS)](i)
                done.append(i)
        with Load() as load, support.Crew() as crew:
            crew.start_many(MAKERS, body)
            crew.join(150)
        self.assertEqual(sorted(done), list(range(CHILDREN)))
        for name, count in load.counts.items():
            self.assertGreater(count, 10, name)
        after = len(os.listdir('/proc/self/fd'))
        self.assertLessEqual(after - before, 4 if support.GREEN else 0)

    def test_child_has_no_fd_of_ours(self):
        """Neither the loop's descriptors nor anything else leaks into exec."""
        with Load():
            for close_fds in (True, False):
                out = subprocess.check_output(
                    ['ls', '/proc/self/fd'], close_fds=close_fds, env=LIGHT,
                    stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                found = set(map(int, out.split()))
                self.assertLessEqual({0, 1, 2}, found)
                # One is the directory that ls itself has open.
                self.assertLessEqual(len(found - inherited()), 1, found)

    def test_communicate_from_many_threads(self):
        """Large data both ways through 20 children at once."""
        data = os.urandom(300000)
        outs = []

        def body(_):
            child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, env=LIGHT,
                                     stdout=subprocess.PIPE)
            outs.append(child.communicate(data)[0] == data)
        with support.Crew() as crew:
            crew.start_many(20, body)
        self.assertEqual(outs, [True] * 20)

    def test_waits_do_not_stop_others(self):
        """20 threads wait for children that end only when told."""
        readers = []

        def body(_):
            child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, env=LIGHT,
                                     stdout=subprocess.DEVNULL)
            readers.append(child)
            assert child.wait() == 0
        with support.Crew() as crew:
            crew.start_many(20, body)
            support.wait_until(lambda: len(readers) == 20)
            for child in readers:
                child.stdin.close()

    def test_stdio_flags_are_kept(self):
        """O_NONBLOCK never shows on descriptors shared with a child."""
        import fcntl
        left, right = socket.socketpair()
        with contextlib.closing(left), contextlib.closing(right):
            with support.Crew() as crew:
                crew.start(left.recv, 1)
                for end in (left, right):
                    self.assertFalse(fcntl.fcntl(end, fcntl.F_GETFL)
                                     & os.O_NONBLOCK)
                    out = subprocess.check_output(
                        ['sh', '-c', 'cat /proc/self/fdinfo/%d' % end.fileno()],
                        pass_fds=[end.fileno()], env=LIGHT)
                    flags = dict(line.split(':', 1) for line
                                 in out.decode().splitlines())['flags']
                    self.assertFalse(int(flags, 8) & os.O_NONBLOCK)
                right.send(b'x')


def inherited():
    """Descriptors that this process itself would hand down."""
    found = {0, 1, 2}
    for fd in map(int, os.listdir('/proc/self/fd')):
        with contextlib.suppress(OSError):  # the listing's own
            if os.get_inheritable(fd):
                found.add(fd)
    return found


if __name__ == '__main__':
    support.main()
