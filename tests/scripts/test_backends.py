#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""SYNCLESS_BACKEND: the loop sleeps in the system call it should, and programs do not see which.

`make check-backends` runs all C tests on each; here it is those whose calls the back ends differ in.
"""
import ctypes
import os
import platform
import struct
import subprocess
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests'))
import kernel  # noqa: E402

BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
SHIM = os.path.join(BUILD, 'libsyncless.so')
PYTHON = os.environ.get('PYTHON') or sys.executable
HANG = 30
BACKENDS = ('epoll', 'poll', 'select', 'io_uring')
PROGRAMS = ('close_ends_waits', 'close_reaches_peer', 'close_unseen', 'connect', 'dup', 'epoll', 'fork',
            'one_fd_many_waiters', 'poll_events', 'poll_high_fd', 'sleep', 'tty')
SLEEPS = {  # the calls' numbers; epoll_pwait2 is one of Linux 5.11
    'epoll': {'x86_64': (441, 281), 'aarch64': (441, 22)}, 'poll': {'x86_64': (271,), 'aarch64': (73,)},
    'select': {'x86_64': (270,), 'aarch64': (72,)}, 'io_uring': {'x86_64': (426,), 'aarch64': (426,)}}
SLEEPER = """
import threading, time
threading.Thread(target=print, args=('up',), kwargs={'flush': True}).start()
time.sleep(1000)
"""
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
ALLOW, ERRNO_EPERM = 0x7fff0000, 0x00050001


def refuse_io_uring():
    """In the child: what a container's filter does."""
    steps = ((0x20, 0, 0, 0), (0x15, 0, 1, kernel.IO_URING_SETUP),  # the call's number is the one
             (0x06, 0, 0, ERRNO_EPERM), (0x06, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack('@HP', len(steps), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int] + 4 * [ctypes.c_ulong]
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0):
        raise OSError('prctl')


class BackendTest(unittest.TestCase):
    def assert_sleeps_in(self, backend, asked, said=b'', preexec_fn=None):
        env = {name: value for name, value in os.environ.items() if not name.startswith('SYNCLESS')}
        env.update(LD_PRELOAD=SHIM, SYNCLESS_BACKEND=asked, SYNCLESS_VERBOSE='1')
        with subprocess.Popen([PYTHON, '-c', SLEEPER], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              preexec_fn=preexec_fn) as process:
            try:
                self.assertEqual(process.stdout.readline(), b'up\n')
                self.await_call(process.pid, SLEEPS[backend][platform.machine()])
            finally:
                process.kill()
            self.assertRegex(process.stderr.read(), b'^' + said + b'$')

    def await_call(self, pid, numbers):
        end = time.monotonic() + HANG
        call = ''
        while not call[:1].isdigit() or int(call.split()[0]) not in numbers:
            self.assertLess(time.monotonic(), end, f'it sleeps in {call}')
            with open(f'/proc/{pid}/syscall') as file:
                call = file.read()
            time.sleep(0.01)

    def backends(self):
        refusal = kernel.io_uring_refusal()
        if refusal:
            print(f'skipped: io_uring: {refusal}')
        return BACKENDS[:3] if refusal else BACKENDS

    def test_sleeps(self):
        for backend in self.backends():
            with self.subTest(backend=backend):
                self.assert_sleeps_in(backend, backend)

    def test_programs(self):
        programs = [os.path.join(ROOT, 'tests', 'calls', name + '.c') for name in PROGRAMS]
        for backend in self.backends():
            done = subprocess.run([os.path.join(ROOT, 'tests', 'run'), '--mode', 'preload',
                                   '--backend', backend, *programs], stdout=subprocess.PIPE, text=True,
                                  timeout=3 * HANG)
            self.assertIn(f'{len(PROGRAMS)} passed, 0 failed', done.stdout, f'{backend}:\n{done.stdout}')

    def test_refused(self):
        self.assert_sleeps_in('epoll', 'io_uring', preexec_fn=refuse_io_uring,
                              said=b'syncless: [^\n]* refuses [(]Operation not permitted[)]; epoll is used\n')

    def test_unknown(self):
        self.assert_sleeps_in('epoll', 'kqueue',
                              said=b'syncless: SYNCLESS_BACKEND=kqueue is unknown; epoll is used\n')


if __name__ == '__main__':
    unittest.main()
