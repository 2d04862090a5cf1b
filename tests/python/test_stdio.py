# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# modes: preload
"""C's own streams, under greenlets and threads of Python: a FILE that waits lets all others run."""
import ctypes
import os
import sys
import threading
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
from syncless import coio  # noqa: E402

libc = ctypes.CDLL(None, use_errno=True)
libc.fdopen.restype = libc.popen.restype = ctypes.c_void_p
libc.fgets.restype = ctypes.c_char_p


class Stream:
    """A FILE on one end of a pipe; `far` is the other."""

    def __init__(self, mode):
        near, self.far = os.pipe() if mode == 'r' else reversed(os.pipe())
        self.file = ctypes.c_void_p(libc.fdopen(near, mode.encode()))

    def line(self):
        buffer = ctypes.create_string_buffer(100)
        return libc.fgets(buffer, 100, self.file) and buffer.value

    def put(self, text):
        return libc.fputs(text, self.file)

    def number(self):
        n = ctypes.c_int(-1)
        return n.value if libc.fscanf(self.file, b'%d', ctypes.byref(n)) == 1 else None

    def close(self):
        libc.fclose(self.file)
        os.close(self.far)


class Greenlets(unittest.TestCase):
    def test_each_waits_for_its_own(self):
        streams = [Stream('r') for _ in range(20)]
        readers = [coio.spawn(stream.line) for stream in streams]
        coio.sleep()
        for number, stream in reversed(list(enumerate(streams))):
            os.write(stream.far, b'%d\n' % number)
        self.assertEqual([reader.get() for reader in readers], [b'%d\n' % number for number in range(20)])
        for stream in streams:
            stream.close()

    def test_one_stream_in_turn(self):
        """Greenlets of one thread are one to libc's lock; inside a call they are not."""
        stream = Stream('r')
        readers = [coio.spawn(stream.line) for _ in range(3)]
        coio.sleep()
        for part in (b'fi', b'rst\nsec', b'ond\nthi', b'rd\n'):
            os.write(stream.far, part)
            coio.sleep()
        self.assertEqual([reader.get() for reader in readers], [b'first\n', b'second\n', b'third\n'])
        stream.close()

    def test_scanf_in_turn(self):
        stream = Stream('r')
        readers = [coio.spawn(stream.number) for _ in range(3)]
        coio.sleep()
        for part in (b'1', b'2 3', b'4 ', b'56 '):
            os.write(stream.far, part)
            coio.sleep()
        self.assertEqual([reader.get() for reader in readers], [12, 34, 56])
        stream.close()

    def test_writers_in_turn(self):
        stream = Stream('w')
        lines = [bytes([97 + n]) * 9999 + b'\n' for n in range(3)]

        def write(line):
            for _ in range(20):
                stream.put(line)

        writers = [coio.spawn(write, line) for line in lines]
        closer = coio.spawn(lambda: (coio.joinall(writers), libc.fclose(stream.file)))
        with open(stream.far, 'rb') as far:
            got = far.read().splitlines(True)
        closer.join()
        self.assertEqual(sorted(got), sorted(lines * 20))

    def test_a_timeout_reaches_it(self):
        stream = Stream('r')
        with self.assertRaises(coio.Timeout):
            with coio.Timeout(0.05):
                stream.line()
        os.write(stream.far, b'later\n')
        libc.clearerr(stream.file)
        self.assertEqual(stream.line(), b'later\n')
        stream.close()

    def test_killed_in_it(self):
        stream = Stream('r')
        reader = coio.spawn(stream.line)
        coio.sleep()
        reader.kill()
        reader.join()
        os.write(stream.far, b'later\n')
        libc.clearerr(stream.file)
        self.assertEqual(stream.line(), b'later\n')
        stream.close()

    def test_system_and_popen(self):
        """Commands that wait for each other."""
        first, second = os.pipe(), os.pipe()
        for fd, number in (first[0], 7), (second[1], 8), (second[0], 9), (first[1], 6):
            os.dup2(fd, number)
        a = coio.spawn(libc.system, b'read x <&7; exit $x')
        b = coio.spawn(libc.system, b'read x <&9; echo $x >&6; exit 1')
        coio.sleep()
        child = ctypes.c_void_p(libc.popen(b'echo 3 >&8; exit 2', b'r'))
        self.assertEqual(libc.pclose(child) >> 8, 2)
        self.assertEqual([a.get() >> 8, b.get() >> 8], [3, 1])
        for number in range(6, 10):
            os.close(number)

    def test_in_threads_with_greenlets(self):
        streams = [Stream('r') for _ in range(3)]
        got = []

        def run(stream):
            readers = [coio.spawn(stream.line) for _ in range(2)]
            got.append([reader.get() for reader in readers])

        threads = [threading.Thread(target=run, args=(stream,)) for stream in streams]
        for thread in threads:
            thread.start()
        for stream in streams:
            os.write(stream.far, b'one\ntwo\n')
        for thread in threads:
            thread.join()
        self.assertEqual(got, [[b'one\n', b'two\n']] * 3)
        for stream in streams:
            stream.close()


class Threads(unittest.TestCase):
    def test_a_stream_that_waits_lets_others_run(self):
        stream = Stream('r')
        got = []
        reader = threading.Thread(target=lambda: got.append(stream.line()))
        reader.start()
        other = threading.Thread(target=os.write, args=(stream.far, b'line\n'))
        other.start()
        other.join()
        reader.join()
        self.assertEqual(got, [b'line\n'])
        stream.close()

    def test_flush_at_exit(self):
        """What is left goes into a full pipe, which a thread of the same process reads."""
        script = '''
import ctypes, os, threading
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out, into = os.pipe()
file = ctypes.c_void_p(libc.fdopen(into, b'w'))
buffer = ctypes.create_string_buffer(300000)
libc.setvbuf(file, buffer, 0, 300000)
libc.fputs(b'x' * 200000, file)
total = 0
def swallow():
    global total
    while total < 150000:
        total += len(os.read(out, 65536))
thread = threading.Thread(target=swallow, daemon=True)
thread.start()
libc.exit(0)
'''
        run = support.run_python('-c', script)
        self.assertEqual((run.returncode, run.stderr), (0, ''))


if __name__ == '__main__':
    unittest.main()
