# SPDX-License-Identifier: Apache-2.0
"""Names of 2010 that the server itself does not need."""
import email.utils
import importlib
import logging
import types

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
    'WsgiWorker': 'use HttpServer, which serves each connection of a socket that listens',
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
