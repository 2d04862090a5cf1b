# SPDX-License-Identifier: Apache-2.0
"""A prompt in a running process, for those who own it.

    from syncless import remote_console

    remote_console.start()              # or open_on_signal(): not before somebody asks

    $ syncless attach PID               # or: python -m syncless.backdoor_client pid:PID

By default a console listens at a Unix socket that its owner alone can reach
(console_path()), and asks the kernel who has come.  On TCP only the loopback
addresses are taken without a token, and the peer must be of the same user, as the
kernel's table of connections has it.  Who is not let in gets a closed
connection and nothing else.

What is printed in a command, and in the coroutines that it starts, goes to its
connection.  Each connection has names of its own; `import __main__` leads to the program's.

    python -m syncless.remote_console [[ADDRESS] PORT]      one that serves nothing but this
"""
import contextlib
import contextvars
import errno
import hmac
import os
import signal
import socket
import struct
import sys
import traceback

from . import _launch
from ._unix import free_path
from .backdoor_client import CLIENT_MARK as BEGIN, PROMPT_BEGIN, PROMPT_END, console_path, signal_path, start_time
from .console import LineRunner

__all__ = ['ConsoleSignalHandler', 'HasTcpPeerUid', 'RemoteConsole', 'RemoteConsoleExit', 'RemoteConsoleHandler',
           'RemoteConsoleListener', 'SilentConsoleListener', 'UnixConsoleListener', 'console_path', 'main',
           'open_on_signal', 'signal_path', 'start']

ADDRESS, PORT = '127.0.0.1', 5454
ENDS = b'\x04', b'\xff\xf4\xff\xfd\x06', b'\xff\xf4', b'\xff\xf3'  # Ctrl-D; telnet's Ctrl-C and Ctrl-\
LONGEST_LINE = 1 << 20
TOKEN_SECONDS = 10  # within which it must come
RETRY_SECONDS = 1  # after an accept() that failed for want of something
BACKLOG = 16
ESTABLISHED = '01'  # in the kernel's table of TCP connections
LOOKS = 5  # at it: it is read in pieces, and a row may be missed where others come and go in between


class RemoteConsoleExit(Exception):
    """The user has left a console: end of input, or quit()."""


# --- Who prints where.

_connection = contextvars.ContextVar('syncless console', default=None)


class _Output:
    """In the place of sys.stdout: the connection's file for its commands, the process's for all others."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        console = _connection.get()
        return self._stream.write(text) if console is None else console.write(text)

    def flush(self):
        if _connection.get() is None:
            self._stream.flush()

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _redirect():
    if not isinstance(sys.stdout, _Output):
        sys.stdout = _Output(sys.stdout)
        shown = sys.displayhook

        def show(value):
            console = _connection.get()
            if console is None:
                shown(value)
            elif value is not None:
                console.write(repr(value) + '\n')
                console.locals['_'] = value
        sys.displayhook = show


# --- The console.

class RemoteConsole(LineRunner):
    """A prompt on a file of bytes, which must have readline(limit), write() and flush(); TypeError if it has not.

    interact() until the user leaves, then RemoteConsoleExit.  Errors of the file come out as they are.
    """

    shown = Exception  # kill() and Timeout are for who serves the connection

    def __init__(self, file, namespace=None):
        for name in 'readline', 'write', 'flush':
            if not callable(getattr(file, name, None)):
                raise TypeError(f'a console needs a file with readline, write and flush, not {file!r}')
        super().__init__({'__name__': '__console__'} if namespace is None else namespace, '<remote console>')
        self.locals.update(exit=self.leave, quit=self.leave)
        self._file = file

    @staticmethod
    def leave(*_):
        """exit() and quit()."""
        raise SystemExit

    def write(self, data):
        """Sends text."""
        self._file.write(data.encode(errors='backslashreplace'))
        self._file.flush()
        return len(data)

    def raw_input(self, prompt=''):
        """A line of the user's, without its end."""
        self._file.write(PROMPT_BEGIN + prompt.encode() + PROMPT_END)
        self._file.flush()
        line = self._file.readline(LONGEST_LINE)
        if not line.endswith(b'\n') or line.rstrip(b'\r\n') in ENDS or any(line.startswith(end) for end in ENDS):
            raise RemoteConsoleExit
        return line.rstrip(b'\r\n').decode(errors='replace')

    def showtraceback(self):
        """To the user alone."""
        kind, error, trace = sys.exc_info()
        self.write(''.join(traceback.format_exception(kind, error, trace.tb_next if trace else None)))

    def showsyntaxerror(self, filename=None, **_):
        """Likewise."""
        self.write(''.join(traceback.format_exception_only(*sys.exc_info()[:2])))

    def interact(self, banner=None, exitmsg=None):
        """Never returns: RemoteConsoleExit, or an error of the file."""
        _redirect()
        token = _connection.set(self)
        try:
            self._file.write(BEGIN)
            self.write(banner or f'Python {sys.version}\nprocess {os.getpid()}, {sys.argv[0] or "-"}\n')
            more = False
            while True:
                line = self.raw_input('... ' if more else '>>> ')
                more = self.push(line)
        except SystemExit as error:
            raise RemoteConsoleExit from error
        finally:
            _connection.reset(token)


# --- Who may come in.

def _is_loopback(address):
    return address == '::1' or address.startswith('127.')


def _peer_uid(sock):
    """The effective user of the process at the other end of a Unix socket, when it connected."""
    return struct.unpack('3i', sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]


def _as_in_table(address, port):
    """How /proc/net/tcp writes it: the words of the address in the machine's order."""
    packed = socket.inet_pton(socket.AF_INET6 if ':' in address else socket.AF_INET, address)
    words = (packed[i:i + 4] for i in range(0, len(packed), 4))
    return ''.join(f'{int.from_bytes(word, sys.byteorder):08X}' for word in words) + f':{port:04X}'


def HasTcpPeerUid(peer_name, uid, own_name=None):  # noqa: N802
    """Does the TCP socket that is bound to peer_name, an (address, port) of this machine, belong to the user uid (int)?

    own_name    (address, port) of the other end; None: whatever it is connected to.  Connections to several
                servers may share a port of theirs, and then are all looked at

    As the kernel's table of TCP connections has it, proc(5).  ValueError: the address is none of the loopback's.
    """
    address, port = peer_name[:2]
    if not _is_loopback(address):
        raise ValueError(f'whose {address}:{port} is can only be told of loopback addresses')
    wanted, own = _as_in_table(address, port), own_name and _as_in_table(*own_name[:2])
    for _ in range(LOOKS):
        with open('/proc/net/tcp6' if ':' in address else '/proc/net/tcp') as table:
            rows = [line.split() for line in table]
        found = {int(row[7]) for row in rows
                 if row[1] == wanted and row[3] == ESTABLISHED and (own is None or row[2] == own)}
        if found:
            return found == {uid}
    return False


def _sends_token(sock, token):
    sock.settimeout(TOKEN_SECONDS)
    sent = b''
    wanted = token.encode() + b'\n'
    while len(sent) < len(wanted):
        piece = sock.recv(len(wanted) - len(sent))
        if not piece:
            return False
        sent += piece
    sock.settimeout(None)
    return hmac.compare_digest(sent, wanted)


def _may_enter(sock, peer_name, do_check_uid, token):
    try:
        if sock.family == socket.AF_UNIX:
            return _peer_uid(sock) == os.geteuid()
        if do_check_uid and not HasTcpPeerUid(peer_name, os.geteuid(), sock.getsockname()):
            return False
        return token is None or _sends_token(sock, token)
    except (OSError, ValueError):
        return False


def RemoteConsoleHandler(sock, addr, do_check_uid=True, token=None):  # noqa: N802
    """Serves one connection, as accept() gave it, to its end, and closes it.

    do_check_uid: a TCP peer must be of the same user.  token (str): and its first line must be this one.
    """
    with sock:
        if not _may_enter(sock, addr, do_check_uid, token):
            return
        with contextlib.suppress(RemoteConsoleExit, OSError), sock.makefile('rwb') as file:
            RemoteConsole(file).interact()


# --- Listeners.

def _serve(listener, do_check_uid, token):
    from . import coio
    while True:
        try:
            sock, addr = listener.accept()
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL):  # it was closed
                return
            coio.sleep(RETRY_SECONDS)
            continue
        coio.spawn(RemoteConsoleHandler, sock, addr, do_check_uid, token)


def RemoteConsoleListener(addr=ADDRESS, port=PORT, token=None):  # noqa: N802
    """Serves consoles on TCP, each in a coroutine; does not return.

    addr (str) must be a loopback address, and peers of the same user, unless
    there is a token (str), which each peer must then send as its first line:
    ValueError.  port (int): 0 lets the kernel choose.  OSError: it is in use.
    """
    with _bound(addr, port, token) as listener:
        print(f'syncless: console at {addr}:{listener.getsockname()[1]}', file=sys.stderr)
        _serve(listener, _is_loopback(addr), token)


def _bound(addr, port, token):
    if not _is_loopback(addr) and not token:
        raise ValueError(f'a console at {addr} needs a token: anybody who can reach the address could run code here')
    if token is not None and '\n' in token:
        raise ValueError('a token is one line')
    listener = socket.socket(socket.AF_INET6 if ':' in addr else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((addr, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _bound_at(path):
    """A socket that is the owner's alone.  One that a dead process has left there is replaced."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        free_path(path)
        old = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(old)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def UnixConsoleListener(path=None):  # noqa: N802
    """Serves consoles at a Unix socket (str; None: console_path()), to processes of the same user; does not return."""
    path = console_path() if path is None else path
    with _bound_at(path) as listener:
        _serve_path(listener, path)


def _serve_path(listener, path):
    me = os.getpid()
    try:
        _serve(listener, True, None)
    finally:
        if os.getpid() == me:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _forget_the_dead(folder):
    """What processes that were killed have left."""
    for name in os.listdir(folder):
        pid, _, kind = name.partition('.')
        if kind in ('console', 'signal') and pid.isdigit() and not os.path.exists(f'/proc/{pid}'):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


_open = {}  # pid: path; a forked child has none


def start(path=None):
    """Listens at a Unix socket from now on, in a coroutine of the calling thread, once in a process.

    Returns the socket's path (str).  RuntimeError: without the preload.
    """
    from . import coio
    found = _open.get(os.getpid())
    if found is None:
        found = console_path() if path is None else path
        if path is None:
            _forget_the_dead(os.path.dirname(found))
        listener = _bound_at(found)
        coio.spawn(_serve_path, listener, found)
        _open[os.getpid()] = found
        _remove_at_exit(found)
    return found


def _remove_at_exit(path):
    import atexit
    me = os.getpid()

    def remove():
        if os.getpid() == me:
            with contextlib.suppress(OSError):
                os.unlink(path)
    atexit.register(remove)


def SilentConsoleListener():  # noqa: N802
    """start(); says nothing, whatever goes wrong.  True: a console listens."""
    try:
        start()
    except (OSError, RuntimeError):
        return False
    return True


def ConsoleSignalHandler(signum, frame=None):  # noqa: N802
    """A handler for signal.signal(): opens the console of the process."""
    SilentConsoleListener()


def open_on_signal(signum=signal.SIGUSR1):
    """Lets `syncless attach` open the console of this process by a signal.  Call it from the main thread.

    ValueError: from another thread.
    """
    signal.signal(signum, ConsoleSignalHandler)
    path = signal_path()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), 'w') as file:
        file.write(f'{int(signum)} {start_time(os.getpid())}\n')
    _remove_at_exit(path)


def main(argv=None):
    """The command.  argv: [[address] port].  Returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if len(words) > 2 or not words[-1:] == [word for word in words[-1:] if word.isdigit()]:
        print('usage: python -m syncless.remote_console [[ADDRESS] PORT]', file=sys.stderr)
        return 2
    _launch.restart('syncless.remote_console', words)
    address = words[0] if len(words) == 2 else ADDRESS
    try:
        RemoteConsoleListener(address, int(words[-1]) if words else PORT, os.environ.get('SYNCLESS_CONSOLE_TOKEN'))
    except (OSError, ValueError) as error:
        print(f'syncless: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
