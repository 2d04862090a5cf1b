# SPDX-License-Identifier: Apache-2.0
"""The WebSocket of 2010: what start_response('WebSocket', headers) returns, over today's protocol.

syncless.wsgi has these names, too.
"""
from ._handshake import OURS, accept
from ._socket import LOST, TOO_BIG, WebSocketClosed

MAX_WEBSOCKET_MESSAGE_SIZE = 10 << 20  # bytes


class WebSocketInvalidFrameTypeError(WebSocketClosed):
    """What the client has sent was no WebSocket's."""


class WebSocketMessageTooLargeError(WebSocketClosed):
    """A message was longer than MAX_WEBSOCKET_MESSAGE_SIZE."""


class WebSocketMessageTruncatedError(WebSocketClosed):
    """The connection was lost in the midst of a message."""


ERRORS = {LOST: WebSocketMessageTruncatedError, TOO_BIG: WebSocketMessageTooLargeError}


class WebSocket:
    """What start_response('WebSocket', headers) returns.

        ws = start_response('WebSocket', [])
        for message in iter(ws.read_msg, None):
            ws.write_msg(message)
        return ()

    ws   the websocket.WebSocket that it stands for; TypeError: it is none
    """

    def __init__(self, ws):
        if not hasattr(ws, 'receive'):
            raise TypeError(f'a WebSocket of websocket.accept() is needed, not {ws!r}')
        self.ws = ws

    def read_msg(self):
        """The next message (str; bytes if it is binary); None: the client has closed the WebSocket, or has gone.

        WebSocketInvalidFrameTypeError, WebSocketMessageTooLargeError, WebSocketMessageTruncatedError, each an OSError.
        """
        try:
            return self.ws.receive()
        except WebSocketClosed as closed:
            if not closed.is_fault:
                return None
            kind = ERRORS.get(closed.code, WebSocketInvalidFrameTypeError)
            raise kind(closed.code, closed.reason, True) from None

    def write_msg(self, message):
        """Sends text: str, or bytes that are UTF-8.  ValueError: they are not; TypeError: it is nothing of both."""
        if isinstance(message, bytes):
            message = message.decode()  # UnicodeDecodeError is a ValueError
        elif not isinstance(message, str):
            raise TypeError(f'a message is str or bytes, not {message!r}')
        self.ws.send(message)


def start_response(environ, headers):
    """start_response('WebSocket', headers); headers: more of the answer (list of pairs of str)."""
    headers = [pair for pair in headers if pair[0].lower() not in OURS]
    return WebSocket(accept(environ, headers=headers, max_message=MAX_WEBSOCKET_MESSAGE_SIZE))
