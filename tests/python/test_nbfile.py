# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""nbfile, nblimitreader, fdopen and popen.

What the original's tests asserted is here, on a pipe and on a socketpair.  All
but the case at the end also works without the preload, where a wait holds its
thread.
"""
import errno
import os
import signal
import socket
import tempfile
import tty
import unittest

import support
from coroutines import Coio, coio, until

from syncless import stackless

SOON = 0.01


class Ends:
    """reader and writer: an nbfile each, connected."""

    def setUp(self):
        super().setUp()
        self.reader, self.writer = self.make_ends()
        self.addCleanup(self.reader.close)
        self.addCleanup(self.close_writer)

    def close_writer(self):
        if not self.writer.closed:
            self.writer.discard_write_buffer()
            self.writer.close()

    def send(self, data):
        self.writer.write(data)
        self.writer.flush()

    def end(self, data=b''):
        """data, and then the end of the file."""
        self.send(data)
        self.writer.close()


class Pipe(Ends):
    def make_ends(self):
        read_fd, write_fd = os.pipe()
        return coio.fdopen(read_fd), coio.fdopen(write_fd, 'w')


class Socketpair(Ends):
    def make_ends(self):
        self.socks = socket.socketpair()
        fds = [sock.detach() for sock in self.socks]
        return tuple(coio.nbfile(fd, fd, do_close=1) for fd in fds)


class Both:
    def test_readline_with_limits(self):
        self.end(b'foo\nbar\nlast')
        self.assertEqual(self.reader.readline(0), b'')
        self.assertEqual(self.reader.readline(2), b'fo')
        self.assertEqual(self.reader.readline(1), b'o')
        self.assertEqual(self.reader.readline(9), b'\n')
        self.assertEqual(self.reader.readline(4), b'bar\n')
        self.assertEqual(self.reader.readline(), b'last')
        self.assertEqual(self.reader.readline(), b'')

    def test_readline_delim(self):
        self.end(b'foo:bar\n\xff:\xffx')
        for wrong in b'', b'ab', ':', 5:
            self.assertRaises(TypeError, self.reader.readline, -1, wrong)
            self.assertRaises(TypeError, self.reader.readline_stripend, -1, wrong)
        self.assertEqual(self.reader.readline(delim=b':'), b'foo:')
        self.assertEqual(self.reader.readline(2, b'\xff'), b'ba')
        self.assertEqual(self.reader.readline(9, b'\xff'), b'r\n\xff')
        self.assertEqual(self.reader.readline_stripend(9, b'\xff'), b':')
        self.assertEqual(self.reader.readline_stripend(9, b'\xff'), b'x')
        self.assertIsNone(self.reader.readline_stripend(9, b'\xff'))

    def test_readline_stripend(self):
        self.end(b'a\r\nb\n\r\n\nc\r\r\nd\re\r')
        self.assertIsNone(self.reader.readline_stripend(0))
        found = list(iter(self.reader.readline_stripend, None))
        self.assertEqual(found, [b'a', b'b', b'', b'', b'c\r', b'd\re\r'])
        self.assertIsNone(self.reader.readline_stripend())

    def test_readline_stripend_with_limits(self):
        text = b'ab\r\ncd\n\r\n'
        self.end()
        for limit, expected in ((1, [b'a', b'b', b'\r', b'', b'c', b'd', b'', b'\r', b'']),
                                (2, [b'ab', b'', b'cd', b'', b'']),
                                (3, [b'ab\r', b'', b'cd', b'']),
                                (4, [b'ab', b'cd', b''])):
            self.reader.unread(text)
            self.assertEqual([self.reader.readline_stripend(limit) for _ in expected], expected, limit)
            self.assertIsNone(self.reader.readline_stripend(limit))

    def test_long_line(self):
        line = b'x' * (1 << 20) + b'\n'
        self.start(lambda: self.end(line + b'rest'))
        self.assertEqual(self.reader.readline(), line)
        self.assertEqual(self.reader.readline(), b'rest')

    def test_read_to_the_end(self):
        data = bytes(range(256)) * 800  # 200 kB
        self.start(lambda: self.end(data))
        self.assertEqual(self.reader.read(5), data[:5])
        self.assertEqual(self.reader.read(), data[5:])
        self.assertEqual((self.reader.read(), self.reader.read(5)), (b'', b''))

    def start(self, function):
        """Runs it beside the test."""
        crew = support.Crew()
        crew.start(function)
        self.addCleanup(crew.join)

    def test_read_at_most(self):
        self.send(b'hello')
        self.assertEqual(self.reader.read_at_most(2), b'he')
        self.assertEqual(self.reader.read_at_most(0), b'')
        self.send(b'more')
        self.assertEqual(self.reader.read_at_most(99), b'llo')
        self.assertEqual(self.reader.read_at_most(99), b'more')
        self.assertRaises(ValueError, self.reader.read_at_most, -1)
        self.end()
        self.assertEqual(self.reader.read_at_most(99), b'')

    def test_read_ahead(self):
        self.send(b'0123456789')
        self.assertEqual(self.reader.read_upto(3), 10)
        self.assertEqual(self.reader.read_upto(0), 10)
        self.assertEqual(self.reader.read_more(0), 0)
        self.start(lambda: self.end(b'abc'))
        self.assertEqual(self.reader.read_more(2), 3)
        self.assertEqual(self.reader.read_buffer_len, 13)
        self.assertEqual((self.reader.read_more(1), self.reader.read_upto(99)), (0, 13))
        self.assertEqual(self.reader.read(12), b'0123456789ab')
        self.assertEqual(self.reader.read_buffer_misalign, 12)
        self.assertGreaterEqual(self.reader.read_buffer_totallen, 13)

    def test_look_into_the_buffer(self):
        self.send(b'xxhello, hell')
        self.reader.read(2)
        text = b'hello, hell'
        self.assertEqual(self.reader.read_upto(len(text)), len(text))
        bounds = (0, 1, 3, 7, 11, 12, 99, -1, -4, -11, -99)
        for start in bounds:
            for end in (*bounds, None):
                for sub in b'hell', b'l', b'', b'no':
                    self.assertEqual(self.reader.find(sub, start, end), text.find(sub, start, end), (sub, start, end))
                    self.assertEqual(self.reader.rfind(sub, start, end), text.rfind(sub, start, end))
                self.assertEqual(self.reader.get_string(start, end), text[start:end])
                self.assertEqual(bytes(self.reader.get_read_buffer(start, end)), text[start:end])
        self.assertEqual(self.reader.find(b'lo'), 3)
        self.assertEqual(self.reader.get_string(), text)

    def test_view_of_the_buffer(self):
        """It can be written, and stays what it is when the buffer moves on."""
        self.send(b'hello')
        self.reader.read_upto(5)
        view = self.reader.get_read_buffer(1, 4)
        view[0] = ord('a')
        self.send(b' world')
        self.reader.read_more(1)
        self.assertEqual(bytes(view), b'all')
        self.assertEqual(self.reader.read(11), b'hallo world')
        self.reader.unread(b'x')
        self.assertEqual(bytes(view), b'all')

    def test_unread(self):
        self.send(b'c')
        self.reader.unread(b'b')
        self.reader.unread(b'a')
        self.reader.unread_append(b'B')
        self.assertEqual((self.reader.read(4), self.reader.read_buffer_len), (b'abBc', 0))
        self.reader.unread(b'line\n')
        self.assertEqual(self.reader.readline(), b'line\n')

    def test_discard(self):
        """Never more than it was told, whether it has been read ahead or not."""
        self.send(b'0123456789')
        self.assertEqual(self.reader.read(2), b'01')
        self.assertEqual(self.reader.discard(3), 0)
        self.assertEqual(self.reader.read(1), b'5')
        self.start(lambda: self.end(b'x' * 100000 + b'abc'))
        self.assertEqual(self.reader.discard(100004), 0)
        self.assertEqual(self.reader.read(1), b'a')
        self.assertEqual(self.reader.discard(9), 7)
        self.assertEqual((self.reader.discard(9), self.reader.discard(0)), (9, 0))

    def test_lines(self):
        self.end(b'a\nb\n\nc')
        self.assertEqual(list(self.reader), [b'a\n', b'b\n', b'\n', b'c'])
        self.reader.unread(b'd\ne\nf\n')
        self.assertEqual(self.reader.readlines(3), [b'd\n', b'e\n'])
        self.assertEqual(self.reader.readlines(), [b'f\n'])

    def test_write_buffer_limit(self):
        def sent():
            return self.reader.read_at_most(99) if self.reader.wait_for_readable(0) else b''

        self.assertEqual(self.writer.write_buffer_limit, 8192)
        for limit, out in ((0, [b'ab', b'c\nd', b'e']), (1, [b'', b'abc\n', b'']), (2, [b'', b'', b'']),
                           (4, [b'', b'abc\nd', b'']), (-1, [b'', b'', b''])):
            self.writer.write_buffer_limit = limit
            found = []
            for data in b'ab', b'c\nd', b'e':
                self.assertEqual(self.writer.write(data), len(data))
                found.append(sent())
            self.assertEqual(found, out, limit)
            left = b'abc\nde'[len(b''.join(out)):]
            self.assertEqual(self.writer.write_buffer_len, len(left))
            self.writer.flush()
            self.assertEqual((sent(), self.writer.write_buffer_len), (left, 0))

    def test_writes(self):
        self.writer.write_buffer_limit = 2
        self.writer.writelines([b'a', bytearray(b'b'), memoryview(b'c')])
        self.assertEqual(self.writer.write_buffer_len, 3)
        self.writer.discard_write_buffer()
        self.assertEqual(self.writer.write_buffer_len, 0)
        self.assertRaises(TypeError, self.writer.write, 'text')
        self.end(b'd')
        self.assertEqual(self.reader.read(), b'd')

    def test_wait_for_readable(self):
        self.assertIs(self.reader.wait_for_readable(0), False)
        self.assertIs(self.reader.wait_for_readable(SOON), False)
        self.reader.unread(b'x')
        self.assertIs(self.reader.wait_for_readable(0), False)
        self.send(b'y')
        for timeout in None, 0, 5:
            self.assertIs(self.reader.wait_for_readable(timeout), True)

    def test_timeouts(self):
        for n in 0, SOON, 2e-6:
            self.reader.settimeout(n)
            self.assertEqual(self.reader.timeout, n)
            for read in (lambda: self.reader.read(5), self.reader.readline, lambda: self.reader.read_at_most(5),
                         lambda: self.reader.discard(5), lambda: self.reader.read_upto(5)):
                with self.assertRaises(OSError if n == 0 else socket.timeout) as caught:
                    read()
                self.assertEqual(caught.exception.errno, errno.EAGAIN if n == 0 else None)
            self.send(b'x')
            self.assertRaises(OSError, self.reader.read, 2)
            self.assertEqual(self.reader.read(1), b'x')
        self.assertRaises(ValueError, self.reader.settimeout, -1)
        self.reader.timeout = None
        self.assertIsNone(self.reader.timeout)

    def test_timeout_of_a_write(self):
        """What has gone out is not written again."""
        data = bytes(range(256)) * 8192  # 2 MiB
        self.writer.settimeout(SOON)
        self.writer.write_buffer_limit = 2
        self.writer.write(data)
        self.assertRaises(socket.timeout, self.writer.flush)
        left = self.writer.write_buffer_len
        self.assertTrue(0 < left < len(data))
        self.writer.settimeout(0)
        with self.assertRaises(OSError) as caught:
            self.writer.flush()
        self.assertEqual(caught.exception.errno, errno.EAGAIN)
        self.writer.settimeout(None)
        self.start(self.writer.close)
        self.assertEqual(self.reader.read(), data)

    def test_error_classes(self):
        class Failed(Exception):
            pass

        self.reader.read_exc_class = self.writer.write_exc_class = Failed
        self.reader.settimeout(0)
        with self.assertRaises(Failed) as caught:
            self.reader.read(1)
        self.assertEqual(caught.exception.args[0], errno.EAGAIN)
        self.reader.close()
        self.writer.write_buffer_limit = 0
        with self.assertRaises(Failed) as caught:
            self.writer.write(b'x')
        self.assertEqual(caught.exception.args[0], errno.EPIPE)

    def test_non_blocking_descriptor(self):
        """It stays one, and a read of it waits all the same."""
        os.set_blocking(self.reader.fileno(), False)
        self.start(lambda: self.send(b'later'))
        self.assertEqual(self.reader.read(5), b'later')
        self.assertFalse(os.get_blocking(self.reader.fileno()))

    def test_closed(self):
        fd = self.writer.write_fileno()
        self.writer.write(b'flushed')
        self.assertIsNone(self.writer.close())
        self.assertIsNone(self.writer.close())
        self.assertTrue(self.writer.closed)
        self.assertRaises(OSError, os.fstat, fd)
        self.assertEqual(self.reader.read(), b'flushed')
        self.reader.close()
        for call in (self.writer.flush, lambda: self.writer.write(b''), self.reader.read, self.reader.readline,
                     lambda: self.reader.read_at_most(1), lambda: self.reader.read_upto(1),
                     self.reader.wait_for_readable, lambda: self.reader.discard(1)):
            self.assertRaises(ValueError, call)

    def limited(self, data, limit):
        self.reader.unread(data)
        return coio.nblimitreader(self.reader, limit)

    def test_limit_reader(self):
        self.end()
        part = self.limited(b'ab\r\ncd\nefg', 8)
        self.assertEqual(len(part), 8)
        self.assertEqual(part.readline(1), b'a')
        self.assertEqual(part.readline(), b'b\r\n')
        self.assertEqual(part.readline_stripend(), b'cd')
        self.assertEqual((len(part), part.readline_stripend()), (1, b'e'))
        self.assertEqual((part.readline(), part.readline_stripend(), part.read(), part.read(3)), (b'', None, b'', b''))
        self.assertEqual(part.discard_to_read_limit(), 0)
        self.assertEqual(self.reader.read(), b'fg')
        self.assertEqual(self.limited(b'0123456789', 5).read(), b'01234')
        self.assertEqual(self.limited(b'', 3).read(2), b'56')
        self.assertEqual(list(self.limited(b'a\nb\nc', 3)), [b'a\n', b'b'])
        self.assertEqual(self.limited(b'a\nb\nc', 9).readlines(1), [b'a\n'])

    def test_lines_of_a_limit_reader(self):
        """As those of the file, and none of what is behind."""
        self.end()
        for text in b'ab\r\ncd\n\r\nef', b'foo:bar\n\xff:\xffx', b'\n\n', b'a', b'':
            for method in 'readline', 'readline_stripend':
                for limit in range(-1, 6):
                    for delim in None, b'\n', b':', b'\xff':
                        found = []
                        for reader in self.limited(text + b'behind\n', len(text)), self.reader:
                            found.append([getattr(reader, method)(limit, delim) for _ in range(len(text) + 2)])
                            if reader is not self.reader:
                                self.assertEqual(reader.discard_to_read_limit(), 0)
                                self.assertEqual(self.reader.read(), b'behind\n')
                                self.reader.unread(text)
                        self.reader.read()
                        self.assertEqual(*found, (text, method, limit, delim))

    def test_limit_reader_beyond_the_end(self):
        self.end(b'abc')
        part = coio.nblimitreader(self.reader, 10)
        self.assertEqual(part.read(), b'abc')
        self.assertEqual((len(part), part.discard_to_read_limit(), len(part)), (7, 7, 0))
        self.assertEqual((coio.nblimitreader(None, 0).read(), len(coio.nblimitreader(None, 5))), (b'', 0))
        self.assertRaises(AssertionError, coio.nblimitreader, self.reader, -1)
        self.assertRaises(TypeError, coio.nblimitreader(None, 0).readline, -1, b'ab')


class OnAPipe(Both, Pipe, unittest.TestCase):
    pass


class OnASocketpair(Both, Socketpair, unittest.TestCase):
    pass


class Making(unittest.TestCase):
    def pipe(self):
        fds = os.pipe()
        self.addCleanup(lambda: [os.close(fd) for fd in fds if os.path.exists(f'/proc/self/fd/{fd}')])
        return fds

    def test_modes(self):
        read_fd, write_fd = self.pipe()
        for args in ((read_fd, -1, 'w'), (-1, write_fd, 'r'), (read_fd, -1, 'r+'), (read_fd, write_fd, 'a'),
                     (read_fd, write_fd, 'rb')):
            self.assertRaises(AssertionError, lambda: coio.nbfile(args[0], args[1], mode=args[2]))
        for mode in 'a', 'w+', 'x', '':
            self.assertRaises(AssertionError, coio.fdopen, read_fd, mode)
        file = coio.nbfile(read_fd, write_fd, mode='r', name='a name')
        self.assertEqual((file.fileno(), file.write_fileno(), file.mode, file.name), (read_fd, -1, 'r', 'a name'))
        self.assertRaises(ValueError, file.write, b'x')
        self.assertRaises(ValueError, coio.nbfile(read_fd, write_fd, mode='w').read)
        self.assertEqual(coio.fdopen(write_fd, 'wb', do_close=0).fileno(), write_fd)

    def test_descriptors_stay_open(self):
        read_fd, write_fd = self.pipe()
        with coio.nbfile(read_fd, write_fd) as file:
            self.assertFalse(file.do_close or file.isatty())
            self.assertEqual(file.forget_write_fd(), write_fd)
            self.assertEqual(file.write_fileno(), -1)
        os.fstat(read_fd), os.fstat(write_fd)
        self.assertTrue(os.get_blocking(read_fd))

    def test_close_ref(self):
        class Other:
            def close(self):
                return 'closed'

        read_fd, write_fd = self.pipe()
        file = coio.nbfile(read_fd, write_fd, close_ref=Other(), do_close=1)
        self.assertEqual(file.close(), 'closed')
        os.fstat(read_fd)

    def test_closes_when_the_flush_fails(self):
        read_fd, write_fd = self.pipe()
        file = coio.fdopen(write_fd, 'w')
        file.write(b'x')
        os.close(read_fd)
        self.assertRaises(BrokenPipeError, file.close)
        self.assertTrue(file.closed)
        self.assertRaises(OSError, os.fstat, write_fd)

    def test_terminal(self):
        master, slave = os.openpty()
        tty.setraw(slave)
        with coio.fdopen(master) as reader, coio.fdopen(slave, 'w') as writer:
            self.assertTrue(writer.isatty())
            self.assertEqual(writer.write_buffer_limit, 1)
            writer.write(b'line\nrest')
            self.assertEqual((reader.readline(), writer.write_buffer_len), (b'line\n', 4))
            self.assertEqual(coio.fdopen(slave, 'w', 0, do_close=0).write_buffer_limit, 0)

    def test_truncate(self):
        fd = os.memfd_create('test')
        with coio.fdopen(fd, 'r+') as file:
            file.write(b'hello')
            file.truncate()
            self.assertEqual(os.fstat(fd).st_size, 5)
            file.truncate(2)
            os.lseek(fd, 0, os.SEEK_SET)
            self.assertEqual(file.read(), b'he')

    def test_repr(self):
        self.assertIn('read_fd', repr(coio.nbfile(*self.pipe())))


class Popen(unittest.TestCase):
    def test_output(self):
        with coio.popen('echo one; echo two') as file:
            self.assertEqual(list(file), [b'one\n', b'two\n'])
        self.assertEqual(coio.popen('exit 3').close(), 768)
        self.assertEqual(coio.popen('true').close(), 0)
        self.assertEqual(coio.popen('kill -9 $$').close(), signal.SIGKILL)

    def test_input(self):
        with tempfile.TemporaryDirectory() as folder:
            file = coio.popen(f'cat >{folder}/out; exit 10', 'w')
            file.write(b'hello')
            self.assertEqual(file.close(), 0xa00)
            with open(folder + '/out') as out:
                self.assertEqual(out.read(), 'hello')
        self.assertRaises(AssertionError, coio.popen, 'true', 'r+')


class BesideOthers(Coio):
    def setUp(self):
        super().setUp()
        read_fd, write_fd = os.pipe()
        self.reader, self.writer = coio.fdopen(read_fd), coio.fdopen(write_fd, 'w')
        self.addCleanup(self.reader.close)
        self.addCleanup(lambda: (self.writer.discard_write_buffer(), self.writer.close()))

    def test_readline_while_another_tasklet_writes(self):
        def write():
            for data in b'hel', b'lo\nwor', b'ld\n':
                self.writer.write(data)
                self.writer.flush()
                stackless.schedule(None)

        stackless.tasklet(write)()
        self.assertEqual([self.reader.readline(), self.reader.readline()], [b'hello\n', b'world\n'])

    def test_two_readers_of_one_file(self):
        """Each gets whole lines, though one takes what the other has waited for."""
        found = []
        cos = [until(coio.spawn(lambda: found.extend(iter(self.reader.readline, b'')))) for _ in range(2)]
        lines = [b'%d' % n * (n % 7) + b'\n' for n in range(500)]
        data = b''.join(lines)
        for at in range(0, len(data), 5):
            self.writer.write(data[at:at + 5])
            self.writer.flush()
            if not at % 3:
                coio.sleep()
        self.writer.close()
        coio.joinall(cos, raise_error=True)
        self.assertEqual(sorted(found), sorted(lines))

    def test_two_files_of_one_descriptor(self):
        """Both wait; whoever reads first has it, and neither is lost."""
        files = [self.reader, coio.nbfile(self.reader.fileno(), -1, mode='r')]
        cos = [until(coio.spawn(file.readline)) for file in files]
        for _ in cos:
            os.write(self.writer.write_fileno(), b'x\n')
            coio.wait(cos, count=1)
            coio.sleep()
        self.writer.close()
        self.assertEqual(sorted(co.get() for co in cos)[-1][:2], b'x\n')

    def test_two_writers(self):
        """What one writes comes whole, and in its order, while the other waits to write, too."""
        def write(byte):
            for _ in range(20):
                self.writer.write(byte * 9999 + b'\n')
            self.writer.flush()

        cos = [coio.spawn(write, byte) for byte in (b'a', b'b')]
        until(cos[0])
        found = [self.reader.readline() for _ in range(40)]
        coio.joinall(cos, raise_error=True)
        self.assertEqual(sorted(found), [b'a' * 9999 + b'\n'] * 20 + [b'b' * 9999 + b'\n'] * 20)

    def test_killed_writer(self):
        data = bytes(1 << 20)
        self.writer.settimeout(1000)
        self.writer.write_buffer_limit = 2
        self.writer.write(data)
        co = until(coio.spawn(self.writer.flush))
        co.kill()
        self.assertTrue(0 < self.writer.write_buffer_len < len(data))
        got = 0
        rest = coio.spawn(self.writer.flush)
        while got < len(data):
            got += len(self.reader.read_at_most(1 << 16))
        rest.get()
        self.assertEqual((got, self.writer.write_buffer_len), (len(data), 0))


if __name__ == '__main__':
    support.main()
