# SPDX-License-Identifier: Apache-2.0
"""WebSocket (RFC 6455, with permessage-deflate of RFC 7692) in any WSGI application that syncless.wsgi serves.

    from syncless import websocket

    def application(environ, start_response):
        ws = websocket.accept(environ, subprotocols=['chat'])
        for message in ws:                      # str or bytes, until the client has gone
            ws.send(message.upper())
        return websocket.done

Reading and writing wait as everything does: the others go on meanwhile.  A
coroutine beside the application's reads what comes, so that pings are answered
and a Close is seen whatever the application does; when it returns, the
WebSocket is closed.  See docs/websocket.md.

The form of 2010, start_response('WebSocket', headers), returns a WebSocketOf2010, which syncless.wsgi has as
WebSocket.
"""
from ._deflate import Deflate
from ._handshake import SAME_ORIGIN, Refused, accept
from ._of_2010 import WebSocket as WebSocketOf2010, start_response as _start_response  # noqa: F401
from ._socket import WebSocket, WebSocketClosed

__all__ = ['Deflate', 'Refused', 'SAME_ORIGIN', 'WebSocket', 'WebSocketClosed', 'WebSocketOf2010', 'accept', 'done']

done = ()  # what an application returns that has taken its connection over; anything else would be ignored
