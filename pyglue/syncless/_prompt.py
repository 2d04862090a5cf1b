# SPDX-License-Identifier: Apache-2.0
"""A line editor whose prompt survives what is written meanwhile.  Private; for console.

input() waits for keys in a call of libc, so it parks, and others run.  What
they print goes above the line that is being typed, which is then drawn
again.  readline cannot be told from Python that the screen has changed, but its own
functions can be called: the one who runs has the GIL, and readline is
between two keys.
"""
import ctypes
import os
import sys

try:
    import readline
except ImportError:
    readline = None

CLEAR_LINE = '\r\x1b[K'


class _Display:
    """GNU readline's own means, or, with another one or none, escape sequences and one line."""

    def __init__(self):
        self.clear = self.redraw = self.flush = None
        try:
            library = ctypes.PyDLL(readline.__file__)
            self.clear, self.redraw = library.rl_clear_visible_line, library.rl_forced_update_display
            self.flush = ctypes.PyDLL(None).fflush
        except (AttributeError, OSError, TypeError):
            self.clear = None

    def hide(self, stream):
        if self.clear is not None:
            self.clear()
            self.flush(None)
        else:
            stream.write(CLEAR_LINE)

    def show(self, stream, prompt):
        stream.flush()
        if self.clear is not None:
            self.redraw()
            self.flush(None)
        else:
            stream.write(prompt + (readline.get_line_buffer() if readline else ''))
            stream.flush()


class Prompt:
    """Asks for lines at the terminal of stdin and stdout.

    column      where the unfinished line above the prompt ends, if it is not complete
    """

    def __init__(self, stream):
        self.stream = stream
        self.text = None  # of the prompt at which the user is; None: a command runs
        self.column = 0
        self.display = _Display() if stream.isatty() else None

    def ask(self, text):
        """A line without its newline; EOFError at the end."""
        self.text = text
        self.column = 0
        try:
            return input(text)
        finally:
            self.text = None

    def write(self, text):
        """Writes text, above the prompt if there is one."""
        if self.text is None or self.display is None:
            return self.stream.write(text)
        self.display.hide(self.stream)
        if self.column:
            self.stream.write(f'\x1b[A\x1b[{self.column}C')
        self.stream.write(text)
        last = text.rpartition('\n')
        column = len(last[2]) + (0 if last[1] else self.column)
        self.column = column % os.get_terminal_size(self.stream.fileno()).columns
        if self.column:
            self.stream.write('\n')
        self.display.show(self.stream, self.text)
        return len(text)


class Above:
    """In the place of sys.stdout and sys.stderr: a text stream that writes by Prompt.write()."""

    def __init__(self, prompt, stream):
        self._prompt, self._stream = prompt, stream

    def write(self, text):
        if self._prompt.text is None:
            return self._stream.write(text)
        return self._prompt.write(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def use_readline(namespace):
    """History and completion, as at Python's own prompt.  Returns a function that saves the history."""
    if readline is None:
        return lambda: None
    import rlcompleter
    readline.set_completer(rlcompleter.Completer(namespace).complete)
    is_editline = 'libedit' in (readline.__doc__ or '')
    readline.parse_and_bind('bind ^I rl_complete' if is_editline else 'tab: complete')
    path = os.environ.get('PYTHON_HISTORY') or os.path.expanduser('~/.python_history')
    try:
        readline.read_history_file(path)
    except OSError:
        pass

    def save():
        try:
            readline.write_history_file(path)
        except OSError as error:
            print(f'syncless: the history was not saved: {error}', file=sys.stderr)
    return save
