# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""What fails natively fails with the same exception and errno.

Refused and full listeners, file descriptors and memory that run out, threads
that cannot be made: each scenario is played by 20 threads at once, in a plain
process and in one with the preload, and the two reports must be equal.
"""
import errno
import os
import resource
import select
import socket
import subprocess
import threading
import time
import unittest

import support

THREADS = 20


def outcome(deed):
    """What a call brings: its value, or its exception and errno."""
    try:
        return repr(deed())
    except Exception as error:
        code = getattr(error, 'errno', None)
        return [type(error).__name__, errno.errorcode.get(code, code)]


def in_threads(deed):
    """The outcomes of the deed in THREADS threads, sorted."""
    found = []
    with support.Crew() as crew:
        crew.start_many(THREADS, lambda i: found.append(outcome(deed)))
    return sorted(found, key=repr)


def unused_port(family=socket.AF_INET, host='127.0.0.1'):
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def refused():
    port = unused_port()

    def by_connect(timeout):
        with socket.socket() as s:
            s.settimeout(timeout)
            s.connect(('127.0.0.1', port))

    def by_connect_ex():
        with socket.socket() as s:
            return errno.errorcode[s.connect_ex(('127.0.0.1', port))]

    def by_non_blocking():
        with socket.socket() as s:
            s.setblocking(False)
            first = s.connect_ex(('127.0.0.1', port))
            select.select([], [s], [], support.HANG)
            return first, s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def on_udp():
        with socket.socket(type=socket.SOCK_DGRAM) as s:
            s.connect(('127.0.0.1', port))
            if s.getsockname()[1] == port:
                return on_udp()  # it was given the free port itself, and would hear itself
            s.send(b'x')
            return s.recv(10)
    return [in_threads(deed) for deed in (
        lambda: by_connect(None), lambda: by_connect(30), by_connect_ex,
        by_non_blocking, on_udp)]


def unix_errors():
    name = b'\0syncless-test-%d' % os.getpid()

    def missing():
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(name)
    found = [in_threads(missing)]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        found.append(in_threads(missing))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(name)

            def full(timeout):
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(timeout)
                    s.connect(name)
            found.append(in_threads(lambda: full(0.05)))
            found.append(in_threads(lambda: full(0)))
    return found


def full_backlog():
    """SYNs beyond a full accept queue are dropped: only the timeout ends it."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)

        def full():
            with socket.socket() as s:
                s.settimeout(0.2)
                s.connect(address)
        found = in_threads(full)
        for filler in fillers:
            filler.close()
    return found


def reset():
    """The peer resets under 20 readers and 20 writers."""
    def pair():
        with socket.create_server(('127.0.0.1', 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far = listener.accept()[0]
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                       b'\x01\0\0\0\0\0\0\0')
        return near, far

    def write(near):
        while True:
            near.sendall(b'x' * 100000)
    found = []
    for deed in (lambda near: near.recv(10), write,
                 lambda near: near.makefile('rb').readline()):
        pairs = [pair() for _ in range(THREADS)]
        results = []
        gate = threading.Barrier(THREADS + 1)

        def body(i):
            gate.wait()
            results.append(outcome(lambda: deed(pairs[i][0])))
        with support.Crew() as crew:
            crew.start_many(THREADS, body)
            gate.wait()
            for _, far in pairs:
                far.close()
        found.append(sorted({repr(r) for r in results}
                            & {"['ConnectionResetError', 'ECONNRESET']",
                               "['BrokenPipeError', 'EPIPE']"}) != []
                     and len(results))
        for near, _ in pairs:
            near.close()
    return found


def emfile(warm):
    """Threads start and run where no descriptor is to be had.

    Warm, there were threads before; cold, the first one meets the limit.
    """
    if warm:
        in_threads(lambda: time.sleep(0))
    with socket.create_server(('127.0.0.1', 0), backlog=50) as listener:
        address = listener.getsockname()
        waiting = socket.create_connection(address)
        spare = os.open('/dev/null', os.O_RDONLY)
        names = [socket.socket]
        names.append(lambda: socket.socketpair())
        names.append(os.pipe)
        names.append(lambda: os.dup(0))
        names.append(listener.accept)
        names.append(select.epoll)
        names.append(lambda: open('/dev/null'))
        names.append(lambda: subprocess.Popen(['true']))
        names.append(lambda: time.sleep(0.001))
        names.append(lambda: select.select([listener], [], [], 0.001)[1:])
        names.append(lambda: threading.Event().wait(0.001))
        os.close(spare)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, spare))
        hogs = []
        while True:
            try:
                hogs.append(os.dup(0))
            except OSError:
                break
        found = [in_threads(deed) for deed in names]
        for hog in hogs:
            os.close(hog)
        waiting.close()
    return found


def closed_fd():
    """Calls on a number that is not open, and on one that is no socket."""
    reader, writer = os.pipe()
    free = 1900  # far above what the process has open
    odd = socket.socket()
    os.dup2(reader, odd.fileno())
    found = [in_threads(deed) for deed in (
        lambda: os.read(free, 1), lambda: os.write(free, b'x'),
        lambda: os.read(writer, 1), lambda: os.write(reader, b'x'),
        lambda: select.select([free], [], [], 1),
        lambda: os.close(free), lambda: os.dup2(free, free + 1),
        lambda: odd.recv(1), lambda: odd.send(b'x'), odd.accept,
        lambda: odd.connect(('127.0.0.1', 1)),
        lambda: socket.socket().recv(1), lambda: socket.socket().accept(),
        lambda: socket.socket().listen() and None)]
    odd.close()
    return found


def no_thread(start):
    """Threads of the given kind are started until no more can be."""
    def scenario():
        gate = threading.Event()
        before = threading.active_count()
        found = outcome(lambda: start(gate))
        gate.set()
        alive = [t for t in threading.enumerate()
                 if t is not threading.main_thread()]
        for thread in alive:
            thread.join(support.HANG)
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        threading.stack_size(0)
        after = in_threads(lambda: time.sleep(0.001))
        return [found, before, threading.active_count(), after]
    return scenario


def huge_stacks(gate):
    """A stack that no address space holds."""
    threading.stack_size(1 << 50)
    threading.Thread(target=gate.wait).start()


def address_space(gate):
    """RLIMIT_AS ends the making of threads before long."""
    with open('/proc/self/statm') as f:
        used = int(f.read().split()[0]) * resource.getpagesize()
    limit = used + (600 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, -1))
    threading.stack_size(32 << 20)
    started = 0
    while True:
        threading.Thread(target=gate.wait).start()
        started += 1
        if started > 1000:
            return 'no end'


def no_memory():
    """A buffer that does not fit is MemoryError in each thread."""
    with open('/proc/self/statm') as f:
        used = int(f.read().split()[0]) * resource.getpagesize()
    gate = threading.Barrier(THREADS + 1)
    found = []

    def body(_):
        gate.wait()
        left, right = socket.socketpair()
        with left, right:
            found.append([outcome(lambda: left.recv(1 << 40)),
                          outcome(lambda: bytearray(1 << 40))])
            right.send(b'still')
            found.append(left.recv(10).decode())
    with support.Crew() as crew:
        crew.start_many(THREADS, body)
        resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30), -1))
        gate.wait()
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    return sorted(found, key=repr)


SCENARIOS = {
    'refused': refused, 'unix-errors': unix_errors,
    'full-backlog': full_backlog, 'reset': reset, 'closed-fd': closed_fd,
    'emfile': lambda: emfile(True), 'emfile-cold': lambda: emfile(False),
    'huge-stacks': no_thread(huge_stacks),
    'address-space': no_thread(address_space), 'no-memory': no_memory,
}


class Faults(unittest.TestCase):
    maxDiff = 2000

    def compare(self, name):
        plain, ours = support.scenario_outcomes(__file__, name)
        self.assertIsInstance(plain, list, plain)
        self.assertEqual(ours, plain)
        return ours

    def test_refused(self):
        found = self.compare('refused')
        self.assertEqual(found[0], [['ConnectionRefusedError',
                                     'ECONNREFUSED']] * THREADS)

    def test_unix_errors(self):
        self.compare('unix-errors')

    def test_full_backlog(self):
        (kind,) = {answer[0] for answer in self.compare('full-backlog')}
        self.assertIn(kind, ('timeout', 'TimeoutError'))

    def test_reset(self):
        self.assertEqual(self.compare('reset'), [THREADS] * 3)

    def test_emfile(self):
        for name in ('emfile', 'emfile-cold'):
            with self.subTest(name):
                found = self.compare(name)
                self.assertEqual(found[0], [['OSError', 'EMFILE']] * THREADS)

    def test_closed_fd(self):
        self.compare('closed-fd')

    def test_huge_stacks(self):
        self.compare('huge-stacks')

    def test_address_space(self):
        found = self.compare('address-space')
        self.assertEqual(found[0][0], 'RuntimeError')

    def test_no_memory(self):
        self.compare('no-memory')


if __name__ == '__main__':
    support.main(SCENARIOS)
