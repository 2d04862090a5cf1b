# SPDX-License-Identifier: Apache-2.0
"""Where nbfiles come from: a descriptor, a command; and nblimitreader, a part of one."""
from __future__ import annotations

import os
import subprocess
from typing import Any, Optional

from ._nbfile import LINES, UNLIMITED, Data, ReadsLines, as_delimiter, nbfile


def read_size(bufsize: int) -> int:
    """A file's min_read_buffer_size, of a bufsize as Python 2 had it; -1: the default."""
    return bufsize if bufsize > UNLIMITED else -1


def fdopen(fd: int, mode: str = 'r', bufsize: int = -1, write_buffer_limit: int = -1, do_close: Any = 1,
           name: Any = None) -> nbfile:
    """An nbfile over one descriptor.

    mode                'r', 'w' or 'r+', a 'b' in it means nothing; AssertionError for others
    bufsize             bytes to read at once, and the write_buffer_limit if that is negative; negative: 8192
    write_buffer_limit  see nbfile; of a terminal it is 1 (lines) unless told otherwise
    do_close            close() closes the descriptor

    os.fdopen() and open() wait as cooperatively.
    """
    mode = mode.replace('b', '')
    if mode not in ('r', 'w', 'r+'):
        raise AssertionError(f"mode must be 'r', 'w' or 'r+', not {mode!r}")
    limit = write_buffer_limit if write_buffer_limit >= 0 else bufsize
    if limit < 0 and mode != 'r' and os.isatty(fd):
        limit = LINES
    return nbfile(-1 if mode == 'w' else fd, -1 if mode == 'r' else fd, limit, read_size(bufsize),
                  do_close=do_close, mode=mode, name=name)


class _Child:
    def __init__(self, process: subprocess.Popen, pipe: Any) -> None:
        self._process = process
        self._pipe = pipe

    def close(self) -> int:
        self._pipe.close()
        code = self._process.wait()
        return -code if code < 0 else code << 8


def popen(command: str, mode: str = 'r', bufsize: int = -1) -> nbfile:
    """Runs command by the shell, with its output ('r') or its input ('w') as an nbfile.

    close() waits for its end, during which others run, and returns its wait
    status: 768 if it exits with 3, the signal's number if one has ended it.
    AssertionError: another mode.
    """
    mode = mode.replace('b', '')
    if mode not in ('r', 'w'):
        raise AssertionError(f"mode must be 'r' or 'w', not {mode!r}")
    stream = {'stdout' if mode == 'r' else 'stdin': subprocess.PIPE}
    process = subprocess.Popen(command, shell=True, bufsize=0, **stream)
    pipe = process.stdout if mode == 'r' else process.stdin
    fd = pipe.fileno()
    return nbfile(-1 if mode == 'w' else fd, -1 if mode == 'r' else fd, bufsize, read_size(bufsize),
                  close_ref=_Child(process, pipe), mode=mode, name=command)


class nblimitreader(ReadsLines):  # noqa: N801
    """The next limit bytes of an nbfile, as a file to read.

        body = nblimitreader(sockfile, content_length)
        shutil.copyfileobj(body, out)
        if body.discard_to_read_limit():
            raise EOFError

    nbfile  None: an empty file
    limit   bytes; AssertionError: negative

    len() is how many bytes are left.
    """

    def __init__(self, nbfile: Optional[nbfile], limit: int) -> None:
        if limit < 0:
            raise AssertionError(f'limit must not be negative, but it is {limit}')
        self._file = nbfile
        self._left = limit if nbfile is not None else 0

    def __len__(self) -> int:
        return self._left

    def _most(self, n: int) -> int:
        return self._left if n < 0 else min(n, self._left)

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        return data

    def read(self, n: int = -1) -> bytes:
        """n bytes, or fewer at the end; negative: all that are left."""
        most = self._most(n)
        return self._counted(self._file.read(most)) if most else b''

    def readline(self, limit: int = -1, delim: Optional[Data] = None) -> bytes:
        """A line with its end, of limit bytes at most; b'': the end.  As nbfile.readline()."""
        as_delimiter(delim)
        most = self._most(limit)
        return self._counted(self._file.readline(most, delim)) if most else b''

    def discard_to_read_limit(self) -> int:
        """Reads what is left and forgets it; returns how many bytes there were too few."""
        missing = self._file.discard(self._left) if self._left else 0
        self._left = 0
        return missing
