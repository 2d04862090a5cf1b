# SPDX-License-Identifier: Apache-2.0
"""Connects the terminal to the console of a process, with line editing.

    python -m syncless.backdoor_client [[HOST] PORT]    on TCP: 127.0.0.1 5454
    python -m syncless.backdoor_client pid:PID          what `syncless attach PID` does

A console is known by an invisible mark at its beginning, and its prompts by
others: at each a line is read with readline and sent.  A peer without the
mark is just connected to stdin and stdout.  If the environment has SYNCLESS_CONSOLE_TOKEN,
it is sent first.  For a process that has called remote_console.open_on_signal(), the signal is sent.

Exit codes: 0: the user or the console has ended it.  2: no connection.  3: it was
lost, or closed at once, as to a stranger.  4: what is there is no console.

Needs neither the preload nor the rest of the package.
"""
import contextlib
import errno
import os
import select
import socket
import stat
import sys
import time

__all__ = ['BackdoorClient', 'CopyBetweenSocketAndStdinAndStdout', 'ReadBuffer', 'console_path', 'main',
           'signal_path', 'start_time']

HOST, PORT = '127.0.0.1', 5454
CLIENT_MARK = b'\0\0\r'  # invisible on a terminal
PROMPT_BEGIN, PROMPT_END = b'\0\r\0\r\r', b'\0'
OPENS_WITHIN = 3  # seconds, after its signal
LOOK_AGAIN = 0.05
HOW_TO_OPEN = ('process {pid} has no console; let it call\n'
               '    from syncless import remote_console; remote_console.start()\n'
               'or, to open one only when asked, remote_console.open_on_signal()')


# --- Where consoles are.

def _folders():
    """Where this user's sockets may be; a process takes the first."""
    runtime = os.environ.get('XDG_RUNTIME_DIR')
    if runtime and os.path.isdir(runtime) and os.stat(runtime).st_uid == os.geteuid():
        yield os.path.join(runtime, 'syncless')
    yield f'/tmp/syncless-{os.geteuid()}'


def _check_folder(path):
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EPERM, 'not a folder that this user alone can enter; remove it', path)


def _path_of(pid, kind):
    paths = [os.path.join(folder, f'{os.getpid() if pid is None else pid}.{kind}') for folder in _folders()]
    found = next((path for path in paths if os.path.exists(path)), paths[0])
    _check_folder(os.path.dirname(found))
    return found


def console_path(pid=None):
    """The path of the Unix socket (str) at which the console of a process (int; None: this one) listens by default.

    In $XDG_RUNTIME_DIR/syncless or /tmp/syncless-UID, which is made, and which the user alone can
    enter.  PermissionError: somebody else has made it.
    """
    return _path_of(pid, 'console')


def signal_path(pid=None):
    """The path of the file (str) that says by which signal a process opens its console: its number, and when the
    process began, for numbers of processes are used again.
    """
    return _path_of(pid, 'signal')


def start_time(pid):
    """When the process began (str), in the kernel's ticks since the machine did: with pid (int) it names it for ever.

    OSError: there is no such process.
    """
    with open(f'/proc/{pid}/stat') as file:
        return file.read().rpartition(')')[2].split()[19]


# --- The connection.

class ReadBuffer:
    """What has come on a socket and was not used yet."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b''

    def more(self):
        """Waits for more; False: the end."""
        piece = self.sock.recv(65536)
        self.data += piece
        return bool(piece)

    def upto(self, mark):
        """Yields pieces (bytes) as they come, until the mark, which is left out; EOFError: there is none."""
        while True:
            before, found, after = self.data.partition(mark)
            if found:
                self.data = after
                yield before
                return
            safe = len(self.data) - len(mark) + 1  # what can be no part of it
            if safe > 0:
                piece, self.data = self.data[:safe], self.data[safe:]
                yield piece
            if not self.more():
                yield self.data
                self.data = b''
                raise EOFError


def _show(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class BackdoorClient:
    """A user at the console at the other end of sock (a connected socket).  run() returns the exit code."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = ReadBuffer(sock)

    def run(self):
        """Until one side ends, or Ctrl-C."""
        try:
            return self._talk()
        except KeyboardInterrupt:
            print()
            return 0

    def _talk(self):
        if not self._begins():
            return 3
        if not self.buffer.data.startswith(CLIENT_MARK):
            _show(self.buffer.data)
            return CopyBetweenSocketAndStdinAndStdout(self.sock)
        self.buffer.data = self.buffer.data[len(CLIENT_MARK):]
        while True:
            try:
                prompt = self._prompt()
            except EOFError:
                return 0
            try:
                line = input(prompt)
            except EOFError:
                print()
                return 0
            try:
                self.sock.sendall(line.encode(errors='surrogateescape') + b'\n')
            except OSError:
                return 3

    def _begins(self):
        """As far as it must to tell a console; False: it was closed before it had said anything."""
        while len(self.buffer.data) < len(CLIENT_MARK) and CLIENT_MARK.startswith(self.buffer.data):
            if not self.buffer.more():
                return False
        return True

    def _prompt(self):
        """Shows what comes before a prompt; its text."""
        for piece in self.buffer.upto(PROMPT_BEGIN):
            _show(piece)
        return b''.join(self.buffer.upto(PROMPT_END)).decode(errors='replace')


def CopyBetweenSocketAndStdinAndStdout(sock):  # noqa: N802
    """Both ways, until the socket ends (returns 4: it was no console), or stdin (0)."""
    while True:
        ready, _, _ = select.select([sock, 0], [], [])
        if sock in ready:
            data = sock.recv(65536)
            if not data:
                return 4
            _show(data)
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                return 0
            sock.sendall(data)


# --- Whom to connect to.

def _connected_path(path):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        return None
    return sock


def _signal_for(pid):
    """The number of the signal upon which it opens one, or None."""
    try:
        with open(signal_path(pid)) as file:
            number, began = file.read().split()
        return int(number) if began == start_time(pid) else None
    except (OSError, ValueError):
        return None


def connect_process(pid):
    """A socket connected to the console of a process of this user, which its signal opens if it must.

    OSError: there is no such process, or it is another user's.  LookupError, whose text
    says how one is opened: it has none.
    """
    owner = os.stat(f'/proc/{pid}').st_uid
    if owner != os.geteuid():
        raise PermissionError(errno.EPERM, f'process {pid} belongs to user {owner}; only that one may attach')
    sock = _connected_path(console_path(pid))
    number = None if sock else _signal_for(pid)
    if number is not None:
        os.kill(pid, number)
        deadline = time.monotonic() + OPENS_WITHIN
        while sock is None and time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN)
            sock = _connected_path(console_path(pid))
    if sock is None:
        raise LookupError(HOW_TO_OPEN.format(pid=pid))
    return sock


def _connect(words):
    if len(words) == 1 and words[0].startswith('pid:'):
        return connect_process(int(words[0][4:]))
    port = int(words[-1]) if words else PORT
    return socket.create_connection((words[0] if len(words) == 2 else HOST, port))


def main(argv=None):
    """The command.  argv: see above.  Returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if len(words) > 2 or (words and not words[-1].removeprefix('pid:' if len(words) == 1 else '').isdigit()):
        print('usage: backdoor_client [[HOST] PORT] | pid:PID', file=sys.stderr)
        return 2
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  input() edits lines with it
    try:
        sock = _connect(words)
    except FileNotFoundError:
        print(f'syncless: there is no process {words[0][4:]}', file=sys.stderr)
        return 2
    except (OSError, LookupError) as error:
        print(f'syncless: {error.strerror if isinstance(error, OSError) and error.strerror else error}', file=sys.stderr)
        return 2
    with sock:
        token = os.environ.get('SYNCLESS_CONSOLE_TOKEN')
        if token and sock.family != socket.AF_UNIX:
            sock.sendall(token.encode() + b'\n')
        try:
            return BackdoorClient(sock).run()
        except ConnectionError:
            return 3


if __name__ == '__main__':
    sys.exit(main())
