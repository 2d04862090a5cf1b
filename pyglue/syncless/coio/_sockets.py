# SPDX-License-Identifier: Apache-2.0
"""The sockets of 2010: the standard library's own, with the few methods that only those had.

recv(), accept() and their kin park the caller in any socket of the process, so
there is nothing that these would have to do about it.
"""
from __future__ import annotations

import socket
from typing import Any, Optional, Tuple, Union

from ._nbfile import nbfile
from ._nbopen import read_size

try:
    import ssl
except ImportError:  # a Python without it
    ssl = None  # type: ignore[assignment]

new_realsocket = socket.socket
new_realsocket_fromfd = socket.fromfd
socketpair = socket.socketpair


class _SameFd:
    """What both kinds add."""

    def makefile_samefd(self, mode: str = 'r+', bufsize: int = -1) -> nbfile:
        """An nbfile over the socket's own descriptor, which its close() leaves open.

        mode: 'r', 'w' or 'r+'.  bufsize: bytes to read at once, and the write_buffer_limit; negative: 8192.
        The socket's timeout, as it is now, is the file's.  The file keeps the socket from being collected.
        """
        fd = self.fileno()
        timeout = self.gettimeout()
        encrypted = self if ssl is not None and isinstance(self, ssl.SSLSocket) else None
        file = nbfile(fd, fd, bufsize, read_size(bufsize), mode=mode.replace('b', ''), sslobj=encrypted,
                      timeout_double=-1 if timeout is None or encrypted is not None else timeout)
        file._owner = self
        return file


class nbsocket(_SameFd, socket.socket):  # noqa: N801
    """A socket.socket, with makefile_samefd().

        sock = nbsocket(socket.AF_INET, socket.SOCK_STREAM)
        sock = nbsocket(other)      # the same connection, by a descriptor of its own; without a timeout

    socket_impl means nothing.  socket.socket itself waits as cooperatively.
    """

    def __init__(self, family: Union[int, socket.socket] = -1, type: int = -1, proto: int = -1,
                 fileno: Optional[int] = None, socket_impl: Any = None) -> None:
        if isinstance(family, socket.socket):
            other = socket.socket.dup(family)
            other.settimeout(None)
            family, type, proto, fileno = other.family, other.type, other.proto, other.detach()
        super().__init__(family, type, proto, fileno)
        self._does_close = True

    def accept(self) -> Tuple[nbsocket, Any]:
        """Waits for a connection: an nbsocket, which has no timeout, and the peer's address."""
        accepted, address = super().accept()
        with accepted:
            accepted.settimeout(None)
            return type(self)(accepted.family, accepted.type, accepted.proto, accepted.detach()), address

    def dup(self) -> nbsocket:
        """The same connection, by a descriptor of its own; without a timeout."""
        return type(self)(self)

    @property
    def do_close(self) -> bool:
        """True; see setdoclose()."""
        return self._does_close

    def setdoclose(self, do_close: Any) -> None:
        """Whether close() closes the descriptor, or leaves that to whoever else has it; at first it does."""
        self._does_close = bool(do_close)

    def close(self) -> None:
        """Closes the descriptor, unless setdoclose() says otherwise; no call works any more."""
        if self._does_close:
            super().close()
        else:
            self.detach()

    @property
    def _sock(self) -> socket.socket:
        return self


def _is_socket(sock: Any) -> None:
    if not isinstance(sock, socket.socket):
        raise TypeError(f'sock must be a socket, not {sock!r}')


def make_context(keyfile: Any = None, certfile: Any = None, server_side: bool = False, cert_reqs: Any = None,
                 ssl_version: Any = None, ca_certs: Any = None, ciphers: Optional[str] = None) -> ssl.SSLContext:
    """The ssl.SSLContext that stands for the keywords of ssl.wrap_socket().

    cert_reqs   None: ssl.CERT_NONE; with others and without ca_certs the system's certificates count
    ssl_version None or ssl.PROTOCOL_TLS: what both sides know

    OSError, of which ssl.SSLError is one: a file cannot be read, or is not what it should be.
    ValueError: a key without a certificate, or a server without either.
    """
    if (keyfile or server_side) and not certfile:
        raise ValueError('certfile must be specified')
    if ssl_version is None or ssl_version == ssl.PROTOCOL_TLS:
        ssl_version = ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
    context = ssl.SSLContext(ssl_version)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE if cert_reqs is None else cert_reqs
    if ca_certs:
        context.load_verify_locations(ca_certs)
    elif context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH if server_side else ssl.Purpose.SERVER_AUTH)
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


if ssl is None:
    nbsslsocket = ssl_wrap_socket = None
else:
    class _SSLSocket(_SameFd, ssl.SSLSocket):
        def get_sslobj(self) -> Any:
            """The connection's SSL state; None: there is none."""
            return self._sslobj

    def ssl_wrap_socket(sock: socket.socket, keyfile: Any = None, certfile: Any = None, server_side: bool = False,
                        cert_reqs: Any = None, ssl_version: Any = None, ca_certs: Any = None,
                        do_handshake_on_connect: bool = True, suppress_ragged_eofs: bool = True,
                        ciphers: Optional[str] = None, server_hostname: Optional[str] = None,
                        sslsocket_impl: Any = None) -> ssl.SSLSocket:
        """ssl.wrap_socket(), which is not in Python 3.12: an ssl.SSLSocket that takes sock's place.

        cert_reqs       None: ssl.CERT_NONE; with others and without ca_certs the system's certificates count
        ssl_version     None or ssl.PROTOCOL_TLS: what both sides know
        sslsocket_impl  means nothing

        Nothing compares the server's name with its certificate.  New programs make an
        ssl.SSLContext, whose wrap_socket() waits as cooperatively.  TypeError: sock is
        no socket.  OSError, of which ssl.SSLError is one; ValueError: as make_context().
        """
        _is_socket(sock)
        context = make_context(keyfile, certfile, server_side, cert_reqs, ssl_version, ca_certs, ciphers)
        context.sslsocket_class = _SSLSocket
        wrapped = context.wrap_socket(sock, server_side, do_handshake_on_connect, suppress_ragged_eofs,
                                      server_hostname)
        wrapped.keyfile, wrapped.certfile, wrapped.ca_certs = keyfile, certfile, ca_certs
        wrapped.cert_reqs, wrapped.ssl_version = context.verify_mode, context.protocol
        return wrapped

    nbsslsocket = ssl_wrap_socket
