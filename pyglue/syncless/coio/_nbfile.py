# SPDX-License-Identifier: Apache-2.0
"""nbfile: a buffered file of bytes over one or two descriptors, whose buffers a parser can look into.

The descriptors stay as they are.  On one that blocks, read(2) and write(2) park
the caller; one that does not is waited for by poll(2).  Where there is a
timeout, poll(2) comes first, and no more is written at once than what a
descriptor takes that poll has called writable.
"""
from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from threading import Lock
from typing import Any, Callable, Iterable, Iterator, List, Optional, Type, Union

from .._gone import gone
from ._select import milliseconds

CHUNK = 8192  # bytes, both for a read and for what is written at most before a flush
PIPE_BUF = 4096  # bytes: pipe(7)
UNBUFFERED, LINES, UNLIMITED = 0, 1, 2  # of a write_buffer_limit

Data = Union[bytes, bytearray, memoryview]

_GONE = {
    'encoding': 'bytes have none; open(fd, encoding=...) gives a file of text',
    'errors': 'bytes have none; open(fd, encoding=...) gives a file of text',
    'newlines': 'bytes have none; open(fd, encoding=...) gives a file of text',
    'softspace': 'it belonged to the print statement of Python 2',
    'xreadlines': 'iterate over the file',
    'read_http_reqhead': 'syncless.wsgi parses requests; read_upto(), find() and discard() are what parsers need',
}


def as_delimiter(delim: Optional[Data]) -> bytes:
    """A line's end.  TypeError: it is not one byte."""
    if delim is None:
        return b'\n'
    if not isinstance(delim, (bytes, bytearray)) or len(delim) != 1:
        raise TypeError(f'delim must be one byte, not {delim!r}')
    return bytes(delim)


def strip_end(line: bytes, delim: Optional[Data]) -> Optional[bytes]:
    """A line without its end, be it one byte or, without delim, a newline and a CR before it; None: no line."""
    if not line:
        return None
    if not line.endswith(as_delimiter(delim)):
        return line
    line = line[:-1]
    return line[:-1] if delim is None and line.endswith(b'\r') else line


class ReadsLines:
    """A file that has readline() gets the rest of what reads lines."""

    readline: Callable[..., bytes]

    def readline_stripend(self, limit: int = -1, delim: Optional[Data] = None) -> Optional[bytes]:
        """readline() without the line's end: delim, or else a newline and one CR before it.

        None: the end of the file.  A last line that has no end is returned as it is.
        """
        return strip_end(self.readline(limit, delim), delim)

    def readlines(self, sizehint: int = -1) -> List[bytes]:
        """All lines until the end of the file, or until they have sizehint bytes (0 and less: all)."""
        lines, size = [], 0
        for line in self:
            lines.append(line)
            size += len(line)
            if 0 < sizehint <= size:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        """The lines, with their ends."""
        return self

    def __next__(self) -> bytes:
        """The next line; StopIteration at the end of the file."""
        line = self.readline()
        if not line:
            raise StopIteration
        return line


class nbfile(ReadsLines):  # noqa: N801
    """A buffered file of bytes that lets other coroutines run while it waits.

        sockfile = nbfile(sock.fileno(), sock.fileno())
        while (line := sockfile.readline_stripend()) is not None:
            sockfile.write(line.upper() + b'\\r\\n')
            sockfile.flush()

    read_fd, write_fd       descriptors, which may be the same; -1 for the one that mode does not need
    write_buffer_limit      0: writes go out at once; 1: up to the last newline; 2: at flush() alone;
                            3 and more: when there are so many bytes; negative: 8192
    min_read_buffer_size    bytes to ask the descriptor for at once; negative: 8192
    do_set_fd_nonblocking   means nothing: the descriptors are left as they are
    do_close                close() closes the descriptors
    close_ref               close() calls close_ref.close() instead, and returns what that returns
    mode                    'r', 'w' or 'r+'; AssertionError for others, and if its descriptor is missing
    name                    told by repr(), and an attribute
    sslobj                  an ssl.SSLSocket that reads and writes are done by
    timeout_double          seconds for each wait, see settimeout(); negative: any time

    Several coroutines may use one file; lines are read whole, and what was
    written first goes out first.  Not meant to be derived from.  An error of the
    system is an OSError, or read_exc_class or write_exc_class if they are set to
    something else.  ValueError: the file is closed.
    """

    def __init__(self, read_fd: int, write_fd: int, write_buffer_limit: int = -1, min_read_buffer_size: int = -1,
                 do_set_fd_nonblocking: Any = 1, do_close: Any = 0, close_ref: Any = None, mode: str = 'r+',
                 name: Any = None, sslobj: Any = None, timeout_double: Optional[float] = -1.0) -> None:
        if mode not in ('r', 'w', 'r+'):
            raise AssertionError(f"mode must be 'r', 'w' or 'r+', not {mode!r}")
        if (mode != 'w' and read_fd < 0) or (mode != 'r' and write_fd < 0):
            raise AssertionError(f'mode {mode!r} lacks a descriptor')
        self._read_fd = read_fd if mode != 'w' else -1
        self._write_fd = write_fd if mode != 'r' else -1
        self._chunk = CHUNK if min_read_buffer_size < 1 else min_read_buffer_size
        self._sslobj = sslobj
        self._close_ref = close_ref
        self._owner: Any = None  # of the descriptors, which would close them if nothing referred to it
        self._in = bytearray()
        self._at = 0  # where in _in the bytes begin that have not been taken
        self._taken = 0  # how many have been, ever
        self._out = bytearray()
        self._out_lock = Lock()  # whoever writes to the descriptor has it
        self.write_buffer_limit = write_buffer_limit
        self.timeout = None if timeout_double is None or timeout_double < 0 else timeout_double
        self.do_close = bool(do_close)
        self.mode = mode
        self.name = name
        self.closed = False
        self.read_exc_class: Type[BaseException] = OSError
        self.write_exc_class: Type[BaseException] = OSError

    def __getattr__(self, name: str) -> Any:
        if name in _GONE:
            raise AttributeError(str(gone('coio.nbfile', name, _GONE[name])))
        raise AttributeError(f'{type(self).__name__!r} object has no attribute {name!r}')

    # --- Settings.

    @property
    def write_buffer_limit(self) -> int:
        """When writes go out, see the class.  To set it does not flush."""
        return self._write_buffer_limit

    @write_buffer_limit.setter
    def write_buffer_limit(self, limit: int) -> None:
        self._write_buffer_limit = CHUNK if limit < 0 else limit

    @property
    def timeout(self) -> Optional[float]:
        """Seconds for each wait; None: any time.  See settimeout()."""
        return self._timeout

    @timeout.setter
    def timeout(self, timeout: Optional[float]) -> None:
        if timeout is not None and timeout < 0:
            raise ValueError('a timeout must not be negative')
        self._timeout = timeout

    def settimeout(self, timeout: Optional[float]) -> None:
        """Limits each wait of the calls that read or write.

        None: any time.  0: what would wait raises an error with EAGAIN instead.
        Else socket.timeout is raised after so many seconds; what a call has read or
        sent till then is kept.  ValueError: negative.
        """
        self.timeout = timeout

    # --- Descriptors.

    def fileno(self) -> int:
        """The descriptor that is read, or if there is none, the one that is written to."""
        return self._read_fd if self._read_fd >= 0 else self._write_fd

    def write_fileno(self) -> int:
        """The descriptor that is written to; -1: none."""
        return self._write_fd

    def forget_write_fd(self) -> int:
        """Returns the descriptor that is written to, and neither writes to it nor closes it from now on."""
        fd, self._write_fd = self._write_fd, -1
        return fd

    def isatty(self) -> bool:
        """Is it a terminal?"""
        return os.isatty(self.fileno())

    def truncate(self, size: Optional[int] = None) -> None:
        """Makes the file that is written to so many bytes long; None: as long as it has been written."""
        self.flush()
        fd = self._write_fd if self._write_fd >= 0 else self._read_fd
        os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR) if size is None else size)

    # --- Waits.

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError('I/O operation on closed file')

    @staticmethod
    def _poll(fd: int, event: int, timeout: Optional[float]) -> bool:
        poll = select.poll()
        poll.register(fd, event)
        return bool(poll.poll(milliseconds(timeout)))

    def _wait(self, fd: int, event: int) -> None:
        """Until fd is ready.  socket.timeout, BlockingIOError."""
        if not self._poll(fd, event, self._timeout):
            if self._timeout:
                raise socket.timeout('timed out')
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def wait_for_readable(self, timeout: Optional[float] = None) -> bool:
        """Waits until a read of the descriptor would not wait, for so many seconds at most (None: any time).

        False: they are over.  What is in the read buffer does not count.
        """
        self._check_open()
        if self._sslobj is not None and self._sslobj.pending():
            return True
        return self._poll(self._read_fd, select.POLLIN, timeout)

    @staticmethod
    @contextlib.contextmanager
    def _raising(kind: Type[BaseException]) -> Iterator[None]:
        """Errors of the system, but for timeouts, as kind."""
        try:
            yield
        except socket.timeout:
            raise
        except OSError as error:
            if issubclass(type(error), kind):
                raise
            raise kind(*error.args) from None

    def _read_some(self, n: int) -> bytes:
        """One read of the descriptor, which has at least a byte, or b'' at the end."""
        self._check_open()
        if self._read_fd < 0:
            raise ValueError('the file is not open for reading')
        with self._raising(self.read_exc_class):
            if self._sslobj is not None:
                return self._read_encrypted(n)
            if self._timeout is not None:
                self._wait(self._read_fd, select.POLLIN)
            while True:
                try:
                    return os.read(self._read_fd, n)
                except BlockingIOError:
                    if self._timeout == 0:
                        raise
                    self._wait(self._read_fd, select.POLLIN)

    def _read_encrypted(self, n: int) -> bytes:
        if self._timeout is not None and not self._sslobj.pending():
            self._wait(self._read_fd, select.POLLIN)
        return self._sslobj.recv(n)

    def _write_some(self, data: memoryview) -> int:
        """One write; how many bytes have gone out."""
        if self._sslobj is not None:
            if self._timeout is not None:
                self._wait(self._write_fd, select.POLLOUT)
            return self._sslobj.send(data)
        if self._timeout is not None:
            self._wait(self._write_fd, select.POLLOUT)
            data = data[:PIPE_BUF]
        while True:
            try:
                return os.write(self._write_fd, data)
            except BlockingIOError:
                if self._timeout == 0:
                    raise
                self._wait(self._write_fd, select.POLLOUT)

    # --- The read buffer.

    @property
    def read_buffer_len(self) -> int:
        """How many bytes have been read ahead."""
        return len(self._in) - self._at

    @property
    def read_buffer_misalign(self) -> int:
        """How far from the buffer's begin they are, in bytes."""
        return self._at

    @property
    def read_buffer_totallen(self) -> int:
        """How many bytes the buffer has."""
        return len(self._in)

    def _append(self, data: Data) -> None:
        if self._at and self._at >= len(self._in) - self._at:  # as much is gone as is left
            self._in, self._at = self._in[self._at:], 0
        try:
            self._in += data
        except BufferError:  # somebody has a view, which keeps the old one
            self._in, self._at = self._in[self._at:] + data, 0

    def _take(self, n: int) -> bytes:
        taken = bytes(memoryview(self._in)[self._at:self._at + n])
        self._skip(len(taken))
        return taken

    def _skip(self, n: int) -> None:
        self._at += n
        self._taken += n
        if self._at == len(self._in):
            self._in, self._at = bytearray(), 0

    def _fill(self, n: int) -> int:
        """One read of n bytes or more into the buffer; how many have come, 0: the end."""
        data = self._read_some(max(n, self._chunk))
        self._append(data)
        return len(data)

    def find(self, sub: Data, start: int = 0, end: Optional[int] = None) -> int:
        """Where sub is in the read buffer, from its begin; -1: nowhere.  As bytes.find()."""
        return self._index(self._in.find, sub, start, end)

    def rfind(self, sub: Data, start: int = 0, end: Optional[int] = None) -> int:
        """Where sub is in the read buffer for the last time; -1: nowhere.  As bytes.rfind()."""
        return self._index(self._in.rfind, sub, start, end)

    def _index(self, find: Any, sub: Data, start: int, end: Optional[int]) -> int:
        length = self.read_buffer_len
        if start > length:
            return -1
        first, last, _ = slice(start, end).indices(length)
        at = find(sub, self._at + first, self._at + last)
        return at - self._at if at >= 0 else -1

    def get_string(self, start: int = 0, end: Optional[int] = None) -> bytes:
        """A copy of a part of the read buffer, by the rules of slices."""
        return bytes(self.get_read_buffer(start, end))

    def get_read_buffer(self, start: int = 0, end: Optional[int] = None) -> memoryview:
        """A part of the read buffer itself, by the rules of slices, to be looked at or changed.

        It stays valid.  Whether what is written into it is read later is only sure
        until the next call that reads or puts something back.
        """
        return memoryview(self._in)[self._at:][start:end]

    def unread(self, data: Data) -> None:
        """Puts data before what is in the read buffer."""
        self._check_open()
        self._in, self._at = bytearray(data) + self._in[self._at:], 0
        self._taken -= len(data)

    def unread_append(self, data: Data) -> None:
        """Puts data behind what is in the read buffer."""
        self._check_open()
        self._append(data)

    def discard(self, n: int) -> int:
        """Reads n bytes and forgets them; returns how many there were too few, at the end of the file."""
        while True:
            here = min(n, self.read_buffer_len)
            self._skip(here)
            n -= here
            if n <= 0 or not self._fill(0):
                return max(0, n)

    # --- Reading.

    def read(self, n: int = -1) -> bytes:
        """n bytes, or fewer at the end of the file; negative: all until there."""
        self._check_open()
        while n < 0 or self.read_buffer_len < n:
            if not self._fill(0 if n < 0 else n - self.read_buffer_len):
                break
        return self._take(self.read_buffer_len if n < 0 else n)

    def read_at_most(self, n: int) -> bytes:
        """What the read buffer has, or if that is empty, one read gives: n bytes at most; b'': the end.

        ValueError: n is negative.
        """
        if n < 0:
            raise ValueError('n must not be negative')
        self._check_open()
        if n and not self.read_buffer_len:
            self._fill(n)
        return self._take(n)

    def read_upto(self, n: int) -> int:
        """Reads ahead until there are n bytes in the read buffer; how many there are, fewer at the end alone."""
        self._check_open()
        while self.read_buffer_len < n and self._fill(n - self.read_buffer_len):
            pass
        return self.read_buffer_len

    def read_more(self, n: int) -> int:
        """Reads at least n bytes more into the read buffer; how many have come, fewer at the end alone."""
        before = self.read_buffer_len
        return self.read_upto(before + n) - before

    def readline(self, limit: int = -1, delim: Optional[Data] = None) -> bytes:
        """A line with its end, of limit bytes at most (negative: any); b'': the end of the file.

        delim: the byte that ends lines; None: newline.  TypeError: it is not one byte.
        """
        self._check_open()
        end = as_delimiter(delim)
        seen = self._taken  # till where there is no end, counted like that: others may take some meanwhile
        while True:
            most = self.read_buffer_len if limit < 0 else min(limit, self.read_buffer_len)
            at = self.find(end, max(0, seen - self._taken), most)
            if at >= 0:
                return self._take(at + 1)
            if most == limit:
                return self._take(limit)
            seen = self._taken + most
            if not self._fill(0):
                return self._take(most)

    # --- Writing.

    @property
    def write_buffer_len(self) -> int:
        """How many bytes have been written and not gone out."""
        return len(self._out)

    def write(self, data: Data) -> int:
        """Writes data, or keeps it for later, as write_buffer_limit tells.  Returns its length.

        TypeError: it is text.
        """
        self._check_open()
        if self._write_fd < 0:
            raise ValueError('the file is not open for writing')
        if isinstance(data, str):
            raise TypeError('an nbfile is one of bytes, not of str')
        self._out += data
        limit = self._write_buffer_limit
        if limit == UNBUFFERED or (limit > UNLIMITED and len(self._out) >= limit):
            self._flush()
        elif limit == LINES and b'\n' in data:
            self._flush(b'\n')
        return len(data)

    def writelines(self, lines: Iterable[Data]) -> None:
        """Writes each of them; no line ends are added."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Writes out what is kept.  If that fails, what has gone out before is not written again.

        Only if kill() or a Timeout ends the wait, and settimeout() has set none, it
        may be: then nobody knows how much the call that waited has written.
        """
        self._check_open()
        self._flush()

    def _flush(self, last: bytes = b'') -> None:
        """What is kept, up to the last byte of that kind if one is given; what others add meanwhile comes behind."""
        with self._out_lock:
            n = self._out.rfind(last) + len(last)
            if not n:
                return
            data, self._out = self._out, bytearray()
            sent = 0
            try:
                with self._raising(self.write_exc_class), memoryview(data) as view:
                    while sent < n:
                        sent += self._write_some(view[sent:n])
            finally:
                self._out = data[sent:] + self._out

    def discard_write_buffer(self) -> None:
        """Forgets what has been written and not gone out."""
        self._out = bytearray()

    def close(self) -> Any:
        """Writes out what is kept, which may raise, and closes what do_close and close_ref tell, in any case.

        Returns what close_ref.close() does.  A second call does nothing.
        """
        if self.closed:
            return None
        try:
            if self._write_fd >= 0:
                self.flush()
        finally:
            self.closed = True
            self._in, self._at, self._out = bytearray(), 0, bytearray()
            close_ref, self._close_ref = self._close_ref, None
            fds = {fd for fd in (self._read_fd, self._write_fd) if fd >= 0}
            self._sslobj = self._owner = None
            self._read_fd = self._write_fd = -1
            if close_ref is not None:
                result = close_ref.close()
            else:
                result = None
                for fd in fds if self.do_close else ():
                    os.close(fd)
        return result

    def __enter__(self) -> nbfile:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        state = 'closed' if self.closed else f'read_fd={self._read_fd} write_fd={self._write_fd}'
        return f'<nbfile {self.name!r} mode={self.mode!r} {state}>'
