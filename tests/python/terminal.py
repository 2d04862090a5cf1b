# SPDX-License-Identifier: Apache-2.0
"""A program at a real terminal, for tests: what is typed there, and what is seen."""
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

import support

ROWS, COLUMNS = 24, 80


class Terminal:
    """Runs words in a new session at a pseudo-terminal.  Limits only turn a hang into a failure."""

    def __init__(self, words, env=None, cwd=None):
        self.seen = ''
        self.at = 0  # what expect() has found ends here
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if cwd:
                    os.chdir(cwd)
                os.execvpe(words[0], words, env or support.same_env())
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', ROWS, COLUMNS, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def _read(self):
        """False: the program has closed the terminal."""
        if not select.select([self.fd], [], [], support.HANG)[0]:
            raise AssertionError(f'nothing more is seen after: {self.seen!r}')
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO
            data = b''
        self.seen += data.decode(errors='replace').replace('\r\n', '\n')
        return bool(data)

    def expect(self, pattern):
        """Waits until the pattern (re) is seen behind what was found before; its match."""
        deadline = time.monotonic() + support.HANG
        while True:
            found = re.compile(pattern).search(self.seen, self.at)
            if found:
                self.at = found.end()
                return found
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f'{pattern!r} is not in {self.seen[self.at:]!r}, after {self.seen[:self.at]!r}')

    def until_it_sleeps(self):
        """Waits until all kernel threads of the program do: a signal that comes just before a wait does not end it."""
        def sleeps(tid):
            with contextlib.suppress(OSError), open(f'/proc/{self.pid}/task/{tid}/stat') as file:
                return file.read().rpartition(')')[2].split()[0] == 'S'
            return True
        support.wait_until(lambda: all(map(sleeps, os.listdir(f'/proc/{self.pid}/task'))))

    def screen(self):
        """What a terminal without a last row would show now: the few movements that line editors make are done."""
        rows, row, column = [''], 0, 0
        for piece in re.findall(r'\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]', self.seen):
            number = int(re.sub(r'\D', '', piece) or 1) if piece[0] == '\x1b' else 0
            if piece == '\r':
                column = 0
            elif piece == '\n':
                row, column = row + 1, 0
                if row == len(rows):
                    rows.append('')
            elif piece == '\b':
                column -= 1
            elif piece[-1] == 'A' and number:
                row -= number
            elif piece[-1] == 'C' and number:
                column += number
            elif piece[-1] == 'K' and number:
                rows[row] = rows[row][:column]
            elif not number and piece >= ' ':
                rows[row] = rows[row][:column].ljust(column) + piece + rows[row][column + 1:]
                column += 1
        return '\n'.join(rows)

    def expect_on_screen(self, pattern):
        """Waits until the pattern (re) is somewhere on the screen; what expect() looks at begins anew."""
        deadline = time.monotonic() + support.HANG
        while not re.search(pattern, self.screen()):
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f'{pattern!r} is not on the screen:\n{self.screen()}')
        self.at = len(self.seen)

    def end(self):
        """Waits for the program's end; its exit code, negative: a signal's number."""
        while self._read():
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
