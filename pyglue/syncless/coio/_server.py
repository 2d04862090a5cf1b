# SPDX-License-Identifier: Apache-2.0
"""serve(): a coroutine for each connection."""
from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Any, Callable, Optional, Tuple, Union

from .. import _glue
from ._coroutine import Coroutine, killall, spawn
from ._sleep import sleep

Address = Union[Tuple[str, int], str, bytes, socket.socket]
Handler = Callable[[socket.socket, Any], Any]

PAUSE = 0.1  # seconds in which others may give back what accept() lacks
_SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_CLOSED = {errno.EBADF, errno.EINVAL}
# accept(2): of the connection that would have been accepted.
_LOST = {errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN,
         errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH}


def _listen(address: Address, backlog: int) -> socket.socket:
    if isinstance(address, socket.socket):
        address.listen(backlog)
        return address
    if isinstance(address, (str, bytes)):
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(address)
            listener.listen(backlog)
        except OSError:
            listener.close()
            raise
        return listener
    host, port = address[:2]
    return socket.create_server((host, port), backlog=backlog,
                                family=socket.AF_INET6 if ':' in host else socket.AF_INET)


class Server:
    """What serve() returns.  Leaving a with statement of it is close().

    address         what it listens on, as socket.getsockname() says, so with the port that was free
    connections     the set of the coroutines whose connections are open
    """

    def __init__(self, address: Address, handler: Handler, backlog: int) -> None:
        _glue.current()  # raises where there are no coroutines
        self._listener = _listen(address, backlog)
        self._listener.settimeout(None)
        self._path = address if isinstance(address, (str, bytes)) else None
        self._handler = handler
        self.address = self._listener.getsockname()
        self.connections: set = set()
        self._acceptor = spawn(self._accept_all)

    def _accept_all(self) -> None:
        while True:
            try:
                sock, address = self._listener.accept()
            except OSError as error:
                if error.errno in _CLOSED:
                    return
                if error.errno in _SCARCE:
                    sleep(PAUSE)
                elif error.errno not in _LOST:
                    raise
                continue
            co = Coroutine(self._talk, (sock, address))
            self.connections.add(co)
            co.link(self.connections.discard)
            co.start()

    def _talk(self, sock: socket.socket, address: Any) -> None:
        with sock:
            self._handler(sock, address)

    def close(self) -> None:
        """Accepts nothing more.  Connections that are open go on."""
        self._acceptor.kill()
        if self._path is not None and self._listener.fileno() >= 0:
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.stat(self._path).st_mode):
                    os.unlink(self._path)
        self._listener.close()

    def kill(self, timeout: Optional[float] = None) -> None:
        """close(), and ends the connections; waits for their handlers, for so many seconds at most."""
        self.close()
        killall(self.connections, timeout=timeout)

    def join(self, timeout: Optional[float] = None) -> bool:
        """Waits until somebody closes it, for so many seconds at most; has that been done?

            serve(('', 8080), handler).join()       # for ever
        """
        return self._acceptor.join(timeout)

    @property
    def closed(self) -> bool:
        """Has somebody closed it?"""
        return self._acceptor.ended

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        state = 'closed' if self.closed else 'open'
        return f'<Server {self.address!r} {state} connections={len(self.connections)}>'


def serve(address: Address, handler: Handler, backlog: int = 1024) -> Server:
    """Listens, and calls handler(sock, address) for each connection, in a coroutine of its own.

    address     (host, port), where '' is every interface and port 0 a free one;
                the path of a unix socket, which close() removes; or a socket
                that is bound, which close() closes
    backlog     how many connections may wait to be accepted

    The connection is closed when its handler returns or raises.  An exception
    is printed through sys.excepthook and ends that connection alone.  The
    calling thread must wait for something, or nothing is served.  OSError:
    address cannot be had; RuntimeError: as for spawn().

        def echo(sock, address):
            while data := sock.recv(65536):
                sock.sendall(data)

        serve(('127.0.0.1', 8080), echo).join()
    """
    return Server(address, handler, backlog)
