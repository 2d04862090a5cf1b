# SPDX-License-Identifier: Apache-2.0
"""Names of 2010 that the server itself does not need."""
import email.utils
import errno
import importlib
import logging
import types

from .. import coio
from .._gone import look_up
from ._apps import _rebuild_head
from ._server import HttpServer

HTTP_VERSIONS = ('HTTP/1.0', 'HTTP/1.1')
HTTP_1_1_METHODS = ('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT')
HTTP_REQUEST_METHODS_WITH_BODY = ('POST', 'PUT', 'OPTIONS', 'TRACE')
WsgiReadError = WsgiWriteError = OSError  # these are what the server raises now
WsgiResponseSyntaxError = WsgiResponseBodyTooLongError = ValueError
OF_WEBSOCKET = ('WebSocket', 'MAX_WEBSOCKET_MESSAGE_SIZE', 'WebSocketInvalidFrameTypeError',
                'WebSocketMessageTooLargeError', 'WebSocketMessageTruncatedError')
STATUSES = {400: 'Bad Request', 500: 'Internal Server Error'}

_INNER = 'it was an inner part; HttpServer serves any socket that listens'
GONE = {
    'SendWildcardPolicyFile': 'it was for Flash; use the header Access-Control-Allow-Origin',
    **dict.fromkeys(('IsWebSocketResponse', 'GetWebSocketKey'), 'it was for drafts of 2010; use WebSocket, RFC 6455'),
    'CherryPyWsgiListener': 'use RunHttpServer() or HttpServer; CherryPy\'s own server works as well',
    **dict.fromkeys(('ConsumerWorker', 'PrependIterator', 'ReportAppException', 'ConstantReadLineInputStream'), _INNER),
}


def GetHttpDate(unix_time):  # noqa: N802
    """A time in seconds (int or float) as it stands in a Date header (str)."""
    return email.utils.formatdate(unix_time, usegmt=True)


def HttpRequestFromEnv(env, connection=None):  # noqa: N802
    """The request's head (bytes), rebuilt of an environ (dict); connection means nothing."""
    return _rebuild_head(env)


def PopulateDefaultWsgiEnv(env, server_socket):  # noqa: N802
    """Puts into env (dict) what is the same for all requests to a socket that is bound, or to an (ip, port)."""
    if isinstance(server_socket, tuple):
        address = server_socket
        server_socket = types.SimpleNamespace(getsockname=lambda: address)
    env.update(HttpServer._base_environ(types.SimpleNamespace(listener=server_socket)))


class _OneConnection:
    """In a listener's place: accepts one connection, and when that has ended stops the server."""

    def __init__(self, sock, peer_name):
        self.getsockname = sock.getsockname
        self.accepted = [(sock, peer_name)]
        self.server = None

    def accept(self):
        if self.accepted:
            return self.accepted.pop()
        while self.server.connections:
            coio.sleep(0.01)
        self.server.stop()
        raise OSError(errno.EINVAL, 'there was one connection')

    def close(self):
        pass


def WsgiWorker(sock, peer_name, wsgi_application, default_env=None, date=None, do_multirequest=True,  # noqa: N802
               upgrade_ssl_callback=None):
    """Serves a connection that a listener of one's own has accepted, until it ends.

    sock            the socket, which is closed at the end
    peer_name       what accept() has returned besides
    default_env     more names for every environ (dict)
    date            means nothing
    do_multirequest False: answers one request, and leaves sock open
    upgrade_ssl_callback    that of HttpServer
    """
    listener = _OneConnection(sock if do_multirequest else sock.dup(), peer_name)
    limits = {} if do_multirequest else {'requests': 1}
    listener.server = HttpServer(wsgi_application, listener, environ=default_env,
                                 upgrade_ssl_callback=upgrade_ssl_callback, **limits)
    listener.server.serve()


def RespondWithBad(status, date, server_software, sockfile, reason):  # noqa: N802
    """Writes an answer that ends the connection, and flushes.

    status      400 or 500; ValueError: another
    date        of GetHttpDate()
    sockfile    an nbfile, or another file of bytes
    reason      one line of text for the client
    """
    if status not in STATUSES:
        raise ValueError(f'status must be 400 or 500, not {status!r}')
    body = f'{reason}\n'.encode()
    sockfile.write(f'HTTP/1.0 {status} {STATUSES[status]}\r\nServer: {server_software}\r\nDate: {date}\r\n'
                   'Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n'
                   f'Content-Length: {len(body)}\r\n\r\n'.encode('latin-1') + body)
    sockfile.flush()


class WsgiErrorsStream:
    """A wsgi.errors that goes line by line to the logger syncless.wsgi, at the level DEBUG."""

    @staticmethod
    def write(text):
        """Logs text (str)."""
        logging.getLogger('syncless.wsgi').debug('%s', text.rstrip('\n'))

    @classmethod
    def writelines(cls, lines):
        """Logs each of them."""
        for line in lines:
            cls.write(line)

    @staticmethod
    def flush():
        """Nothing is kept."""


def gone(module, name):
    """A module's __getattr__: what WebSockets need; else Gone, an ImportError that says what to use."""
    if name in OF_WEBSOCKET:
        return getattr(importlib.import_module('syncless.websocket._of_2010'), name)
    table = {name: _INNER} if name.startswith('Fake') else GONE
    return look_up(module, table, name)
