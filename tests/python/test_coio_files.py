# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""Coroutines that wait for file locks, and whose files are read and written by workers."""
import ctypes
import fcntl
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest

import support
from coroutines import Coio, Raised, coio, until

SOON = 0.01
IPC_RMID = 0
LIBC = ctypes.CDLL(None, use_errno=True)


class Locks(Coio):
    def setUp(self):
        super().setUp()
        self.file = tempfile.NamedTemporaryFile()
        self.addCleanup(self.file.close)

    def opened(self):
        file = open(self.file.name, 'r+')
        self.addCleanup(file.close)
        return file

    def everywhere(self, function):
        """In main, in a coroutine, in a green thread."""
        function()
        coio.spawn(function).get()
        crew = support.Crew()
        crew.start(function)
        crew.join()

    def test_one_at_a_time(self):
        inside = []

        def work():
            with open(self.file.name) as file:
                for _ in range(3):
                    fcntl.flock(file, fcntl.LOCK_EX)
                    inside.append(1)
                    self.assertEqual(len(inside), 1)
                    coio.sleep()
                    inside.pop()
                    fcntl.flock(file, fcntl.LOCK_UN)
        coio.joinall([coio.spawn(work) for _ in range(20)])
        self.assertEqual(self.printed, [])

    def test_timeout(self):
        holder = self.opened()
        fcntl.flock(holder, fcntl.LOCK_EX)

        def wait():
            file = self.opened()
            with self.assertRaises(coio.Timeout), coio.Timeout(SOON):
                fcntl.flock(file, fcntl.LOCK_EX)
            fcntl.flock(holder, fcntl.LOCK_UN)  # nobody else has taken it
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.close()
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.everywhere(wait)

    def test_kill(self):
        holder, file = self.opened(), self.opened()
        fcntl.flock(holder, fcntl.LOCK_EX)
        co = until(coio.spawn(fcntl.flock, file, fcntl.LOCK_EX))
        co.kill(Raised)
        with self.assertRaises(Raised):
            co.get()
        fcntl.flock(holder, fcntl.LOCK_UN)
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_record_lock_of_another_process(self):
        code = ('import fcntl, sys; f = open(sys.argv[1], "r+"); fcntl.lockf(f, fcntl.LOCK_EX); '
                'print("!", flush=True); sys.stdin.read()')
        with subprocess.Popen([sys.executable, '-c', code, self.file.name], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as other:
            self.assertEqual(other.stdout.read(1), b'!')
            file = self.opened()

            def wait():
                with self.assertRaises(coio.Timeout), coio.Timeout(SOON):
                    fcntl.lockf(file, fcntl.LOCK_EX)
            self.everywhere(wait)
            waiters = [coio.spawn(fcntl.lockf, file, fcntl.LOCK_EX) for _ in range(3)]
            coio.sleep(SOON)
            other.stdin.close()
            coio.joinall(waiters)
            for co in waiters:
                self.assertIsNone(co.get())

    def test_message_on_a_stack_that_moves(self):
        """What is received goes to the waiter's own stack."""
        queue = LIBC.msgget(0, 0o600)
        self.addCleanup(LIBC.msgctl, queue, IPC_RMID, None)

        class Message(ctypes.Structure):
            _fields_ = [('type', ctypes.c_long), ('text', ctypes.c_char * 8)]

        def receive(kind):
            message = Message()
            self.assertEqual(LIBC.msgrcv(queue, ctypes.byref(message), 8, ctypes.c_long(kind), 0), 2)
            return message.text
        waiters = [until(coio.spawn(receive, kind)) for kind in range(1, 6)]
        for kind in range(5, 0, -1):
            text = b'%d.' % kind
            self.assertEqual(LIBC.msgsnd(queue, ctypes.byref(Message(kind, text)), 2, 0), 0)
        self.assertEqual([co.get() for co in waiters], [b'1.', b'2.', b'3.', b'4.', b'5.'])


class Offloaded(unittest.TestCase):
    """In a process of its own, which has the setting."""

    @unittest.skipUnless(support.GREEN, 'needs the preload')
    def test_in_a_process(self):
        run = support.run_python(__file__, '-v', 'OffloadedHere', env=support.same_env(SYNCLESS_FILES='offload'))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn('OK', run.stderr)


if os.environ.get('SYNCLESS_FILES') == 'offload':
    class OffloadedHere(unittest.TestCase):
        def setUp(self):
            self.folder = tempfile.TemporaryDirectory()
            self.addCleanup(self.folder.cleanup)

        def crowd(self, function):
            """Twenty coroutines and five threads."""
            crew = support.Crew()
            crew.start_many(5, function)
            crowd = [coio.spawn(function, 5 + i) for i in range(20)]
            coio.joinall(crowd)
            for co in crowd:
                co.get()
            crew.join()

        def test_files(self):
            def work(number):
                path = os.path.join(self.folder.name, str(number))
                lines = ['%d %d\n' % (number, i) for i in range(200)]
                with open(path, 'w') as file:
                    for line in lines:
                        file.write(line)
                        if line.endswith('0\n'):
                            file.flush()
                    os.fsync(file.fileno())
                with open(path) as file:
                    self.assertEqual(list(file), lines)
                fd = os.open(path, os.O_RDWR)
                self.assertEqual(os.pwrite(fd, b'abc', 2), 3)
                self.assertEqual(os.pread(fd, 5, 0)[2:], b'abc')
                buffers = [bytearray(3), bytearray(4)]
                self.assertEqual(os.preadv(fd, buffers, 1), 7)
                self.assertEqual(buffers[0][1:], b'ab')
                self.assertEqual(os.pwritev(fd, [b'1', b'23'], 0), 3)
                self.assertEqual(os.read(fd, 5), b'123bc')
                os.close(fd)
            self.crowd(work)
            self.assertGreater(support.offload_workers(), 0)

        def test_sqlite(self):
            """It writes from its own stack, and locks ranges of its file."""
            path = os.path.join(self.folder.name, 'base')
            with sqlite3.connect(path) as base:
                base.execute('CREATE TABLE t (n INTEGER)')
            base.close()

            def work(number):
                base = sqlite3.connect(path, timeout=support.HANG)
                with base:
                    base.execute('INSERT INTO t VALUES (?)', (number,))
                base.close()
            self.crowd(work)
            base = sqlite3.connect(path)
            self.assertEqual([n for n, in base.execute('SELECT n FROM t ORDER BY n')], list(range(25)))
            base.close()

        def test_kill_waits_for_the_write(self):
            path = os.path.join(self.folder.name, 'killed')
            fd = os.open(path, os.O_RDWR | os.O_CREAT)
            co = until(coio.spawn(os.write, fd, bytes(1 << 20)))
            co.kill(Raised)
            coio.wait([co])
            self.assertIn(os.fstat(fd).st_size, (0, 1 << 20))
            os.close(fd)


if __name__ == '__main__':
    support.main()
