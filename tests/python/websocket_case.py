# SPDX-License-Identifier: Apache-2.0
"""What the tests of WebSocket share: a server in this process, and a client that sends any frame and sees each."""
import base64
import hashlib
import struct

import http_case
import support
from coroutines import coio

from syncless import websocket

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(bytes(range(16))).decode()
ACCEPT = base64.b64encode(hashlib.sha1(KEY.encode() + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest()).decode()
MASK = bytes((0x12, 0x34, 0x56, 0x78))
HEADERS = {'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': KEY}


def masked(data):
    return bytes(byte ^ MASK[at % 4] for at, byte in enumerate(data))


def frame(opcode, payload=b'', fin=True, rsv=0, mask=True, length=None, width=None):
    """A client's frame.  length: what its head says; width: of the length, 1, 2 or 8 bytes."""
    length = len(payload) if length is None else length
    width = width or (1 if length < 126 else 2 if length < 1 << 16 else 8)
    size = {1: lambda: bytes([length]), 2: lambda: b'\x7e' + struct.pack('>H', length),
            8: lambda: b'\x7f' + struct.pack('>Q', length)}[width]()
    head = bytes([fin << 7 | rsv << 4 | opcode, size[0] | mask << 7]) + size[1:]
    return head + (MASK + masked(payload) if mask else payload)


def close_frame(code=1000, reason=b''):
    return frame(CLOSE, struct.pack('>H', code) + reason)


class Peer(http_case.Client):
    """A client's side of a WebSocket, with no opinion about what is allowed."""

    def handshake(self, headers):
        self.send(http_case.request('/', *(f'{name}: {value}' for name, value in headers.items() if value is not None)))
        return self.response()

    def _exactly(self, n):
        data = bytearray(self.data)  # frames may be large
        while len(data) < n:
            piece = self.sock.recv(1 << 20)
            if not piece:
                raise EOFError(f'closed after {len(data)} of {n} bytes')
            data += piece
        self.data = bytes(data[n:])
        return bytes(data[:n])

    def frame(self):
        """The next one: (opcode, payload); rsv is left in self.rsv."""
        first, second = self._exactly(2)
        assert first & 0x80 and not second & 0x80, 'a server masks nothing, and ours makes no fragments'
        self.rsv = first >> 4 & 7
        length = second
        if length > 125:
            length = int.from_bytes(self._exactly(2 if length == 126 else 8), 'big')
        return first & 0xf, self._exactly(length)

    def end(self):
        """The code and the reason of the Close that comes now, and nothing behind it."""
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload)
        assert self.rest() == b''
        return (int.from_bytes(payload[:2], 'big'), payload[2:].decode()) if payload else (None, '')


class WebSocketCase(http_case.HttpCase):
    """self.serve_ws(function, ...) serves function(ws); self.open() is a Peer that has shaken hands."""

    def setUp(self):
        super().setUp()
        self.sockets, self.codes = [], []

    def serve_ws(self, function, options=None, **of_server):
        def application(environ, start_response):
            ws = websocket.accept(environ, **{'close_seconds': support.HANG, **(options or {})})
            self.sockets.append(ws)
            try:
                function(ws)
            finally:
                self.codes.append((ws.code, ws.reason))
            return websocket.done
        return self.serve(application, **of_server)

    def how_it_ended(self):
        """(code, reason), when the application has returned."""
        support.wait_until(lambda: self.codes, 'the end of the application')
        return self.codes.pop()

    def connect(self):
        peer = Peer(self.address, self.context)
        self.addCleanup(peer.close)
        return peer

    def open(self, **headers):
        """Keywords add headers, and replace them, with _ for -; None: it is left out."""
        more = {name.replace('_', '-'): value for name, value in headers.items()}
        peer = self.connect()
        peer.answer = peer.handshake({**HEADERS, **more})
        if not more.keys() & HEADERS.keys():
            self.assertEqual(peer.answer.status, 101, peer.answer.head)
            self.assertEqual(peer.answer.get('Sec-WebSocket-Accept'), ACCEPT)
        return peer

    def refused(self, **headers):
        """The status of what is no 101."""
        peer = self.connect()
        names = {name.replace('_', '-'): value for name, value in headers.items()}
        return peer.handshake({**HEADERS, **names})


def echo(ws):
    for message in ws:
        ws.send(message)


def until_closed(ws):
    """For applications that are about something else."""
    for _ in ws:
        pass


__all__ = ['BINARY', 'CLOSE', 'CONTINUED', 'HEADERS', 'PING', 'PONG', 'TEXT', 'Peer', 'WebSocketCase', 'close_frame',
           'coio', 'echo', 'frame', 'until_closed']
