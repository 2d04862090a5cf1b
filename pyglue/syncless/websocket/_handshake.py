# SPDX-License-Identifier: Apache-2.0
"""The opening handshake: section 4.2 of RFC 6455."""
import base64
import binascii
import hashlib
import re
import urllib.parse

from . import _deflate
from ._socket import WebSocket

GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
CONTROLS = re.compile(r'[\x00-\x08\x0a-\x1f\x7f]')
SAME_ORIGIN = 'the same origin'
OURS = ('connection', 'upgrade', 'sec-websocket-accept', 'sec-websocket-extensions', 'sec-websocket-protocol')


class Refused(Exception):
    """The request asks for no WebSocket, or not in the right way, or from the wrong page.

    What nobody catches is answered by the server, without a line in the log.
    Who does catch it may answer by `return refused.wsgi_answer(start_response)`.

    status    of the answer (str, '400 Bad Request')
    reason    its body (str)
    headers   more headers (list of pairs)
    """

    def __init__(self, status, reason, headers=()):
        super().__init__(f'{status}: {reason}')
        self.status, self.reason, self.headers = status, reason, list(headers)

    def wsgi_answer(self, start_response):
        """Answers the request: what a WSGI application does and returns."""
        start_response(self.status, [('Content-Type', 'text/plain'), *self.headers])
        return [self.reason.encode() + b'\n']


def _bad(reason):
    return Refused('400 Bad Request', reason)


def _upgrade(reason):
    return Refused('426 Upgrade Required', reason, [('Upgrade', 'websocket'), ('Connection', 'Upgrade'),
                                                    ('Sec-WebSocket-Version', '13')])


def _words(header):
    return [word.strip() for word in header.split(',') if word.strip()]


def _check_request(environ):
    if 'websocket' not in [word.lower() for word in _words(environ.get('HTTP_UPGRADE', ''))]:
        raise _upgrade('here is a WebSocket')
    if environ['REQUEST_METHOD'] != 'GET':
        raise Refused('405 Method Not Allowed', 'a WebSocket begins with GET', [('Allow', 'GET')])
    if environ.get('HTTP_SEC_WEBSOCKET_VERSION') != '13':
        raise _upgrade('version 13 of WebSocket is spoken here')
    if 'syncless.hijack' not in environ:
        raise _bad('a WebSocket begins with HTTP/1.1, with Connection: Upgrade, without a body')


def _accept_of(environ):
    """The Sec-WebSocket-Accept that answers the request's key."""
    key = environ.get('HTTP_SEC_WEBSOCKET_KEY', '')
    try:
        is_right = len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_right = False
    if not is_right:
        raise _bad('Sec-WebSocket-Key must be 16 bytes in base64')
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def _is_same(origin, environ):
    try:
        return urllib.parse.urlsplit(origin).netloc.lower() == environ.get('HTTP_HOST', '').lower() != ''
    except ValueError:
        return False


def _check_origin(environ, origins):
    origin = environ.get('HTTP_ORIGIN')
    if origin is None or origins is None:  # no browser's
        return
    if origins is SAME_ORIGIN:
        is_right = _is_same(origin, environ)
    elif callable(origins):
        is_right = origins(origin)
    else:
        is_right = origin in origins
    if not is_right:
        raise Refused('403 Forbidden', 'pages of this origin may not use this WebSocket')


def _choose(environ, subprotocols):
    """The first of ours that the client has offered; None: there is none."""
    offered = _words(environ.get('HTTP_SEC_WEBSOCKET_PROTOCOL', ''))
    for word in offered:
        if not TOKEN.fullmatch(word):
            raise _bad('Sec-WebSocket-Protocol must be a list of tokens')
    return next((name for name in subprotocols if name in offered), None)


def _check_headers(headers):
    for name, value in headers:
        if not TOKEN.fullmatch(name) or CONTROLS.search(value):
            raise ValueError(f'no header can be made of {name!r}: {value!r}')
        if name.lower() in OURS:
            raise ValueError(f'the header {name} is made by accept() itself')
    return list(headers)


def accept(environ, subprotocols=(), *, origins=SAME_ORIGIN, headers=(), deflate=True, **limits):
    """Takes a request's connection over, and answers it by 101; a WebSocket.

    environ       the application's, as it came from the server (dict)
    subprotocols  those that can be spoken, the dearest first (list of str)
    origins       of pages whose scripts may do this: SAME_ORIGIN: the Host that the request names; None: any; a list
                  of str such as 'https://example.org'; a callable, given the str.  Who tells no origin is no
                  browser, and may
    headers       more of the answer (list of pairs of str)
    deflate       messages are compressed if the client can: True, False, or a Deflate
    further       limits: max_message, ping_seconds, pong_seconds, idle_seconds, close_seconds, see WebSocket

    Refused: 400, 403, 405 or 426.  WebSocketClosed: the client has gone.  ValueError: an argument is wrong.
    RuntimeError: the request has been answered.
    """
    headers = _check_headers(headers)
    options = _deflate.Deflate() if deflate is True else deflate
    if options:
        _deflate.check(options)
    _check_request(environ)
    _check_origin(environ, origins)
    lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
             f'Sec-WebSocket-Accept: {_accept_of(environ)}']
    subprotocol = _choose(environ, subprotocols)
    if subprotocol is not None:
        lines.append(f'Sec-WebSocket-Protocol: {subprotocol}')
    answer, settings = None, None
    if options:
        answer, settings = _deflate.negotiate(environ.get('HTTP_SEC_WEBSOCKET_EXTENSIONS', ''), options)
    if answer is not None:
        lines.append(f'Sec-WebSocket-Extensions: {answer}')
    lines += [f'{name}: {value}' for name, value in headers]
    return WebSocket._begin(environ['syncless.hijack'], '\r\n'.join([*lines, '', '']).encode('latin-1'), subprotocol,
                            settings, **limits)
