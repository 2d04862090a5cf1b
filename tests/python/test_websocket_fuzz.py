# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 600
"""A live server and frames of all kinds, whole and spoilt, in any pieces; what it makes of them a few lines in Python
say as well.

WEBSOCKET_FUZZ is how many sequences are tried (300), WEBSOCKET_SEED where they begin.
"""
import contextlib
import os
import random
import socket
import unittest
import zlib

import support
from websocket_case import (BINARY, CLOSE, CONTINUED, PING, PONG, TEXT, WebSocketCase, close_frame, coio, frame)

CASES = int(os.environ.get('WEBSOCKET_FUZZ', '300'))
SEED = int(os.environ.get('WEBSOCKET_SEED', '1'))
MOST = 5000  # bytes of a message
CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


class Wrong(Exception):
    def __init__(self, code):
        self.code = code


class Reference:
    """What a server must make of a client's bytes: messages (list), pongs (list), code (int) of the end."""

    def __init__(self, data):
        self.data, self.messages, self.pongs, self.code = data, [], [], None
        self.opcode, self.message = 0, b''
        try:
            while self.code is None:
                self.one_frame()
        except EOFError:
            self.code = 1006
        except Wrong as wrong:
            self.code = wrong.code

    def take(self, n):
        if len(self.data) < n:
            raise EOFError
        found, self.data = self.data[:n], self.data[n:]
        return found

    @staticmethod
    def check(is_right, code=1002):
        if not is_right:
            raise Wrong(code)

    def one_frame(self):
        first, second = self.take(2)
        opcode, is_control = first & 15, first & 8
        length = second & 127
        self.check(not is_control or (length <= 125 and first & 0x80))
        if length > 125:
            width = 2 if length == 126 else 8
            length = int.from_bytes(self.take(width), 'big')
            self.check(length >= (126 if width == 2 else 1 << 16) and length < 1 << 63)
        mask = self.take(4) if second & 0x80 else bytes(4)
        if length and not self.data:
            raise EOFError
        self.check(second & 0x80)
        self.check(not first & 0x70)
        if is_control:
            self.check(opcode in (CLOSE, PING, PONG))
        else:
            self.begin(opcode, length)
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.take(length)))
        self.end(opcode, first & 0x80, payload)

    def begin(self, opcode, length):
        self.check(opcode in (CONTINUED, TEXT, BINARY))
        self.check((opcode == CONTINUED) == (self.opcode != 0))
        self.opcode = self.opcode or opcode
        self.check(len(self.message) + length <= MOST, 1009)

    def end(self, opcode, is_last, payload):
        if opcode == CLOSE:
            self.end_close(payload)
        elif opcode == PING:
            self.pongs.append(payload)
        elif opcode != PONG:
            self.message += payload
            if is_last:
                self.messages.append(self.text(self.message) if self.opcode == TEXT else self.message)
                self.opcode, self.message = 0, b''

    def text(self, data):
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Wrong(1007) from None

    def end_close(self, payload):
        self.check(len(payload) != 1)
        code = int.from_bytes(payload[:2], 'big') if payload else 1005
        self.check(not payload or code in CODES)
        self.text(payload[2:])
        self.code = code


class Sequence:
    """Frames as a client might send them, and worse."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        frames = [self.frames() for _ in range(self.random.randrange(1, 8))]
        if self.random.random() < 0.5:
            frames.append(close_frame(self.random.choice((1000, 1001, 4000, 999, 1005)), b'bye'))
        self.data = b''.join(frames)
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 5))):
            self.spoil()

    def payload(self, most=300):
        size = self.random.choice((0, 1, 2, 125, 126, 127, self.random.randrange(most), self.random.randrange(most)))
        size = min(size, most)
        text = self.random.choice(('a', 'é', '€', '😀')) * size
        return text.encode()[:size] if self.random.random() < 0.2 else text[:size // 4].encode()

    def frames(self):
        kind = self.random.randrange(10)
        if kind < 3:
            return frame(self.random.choice((TEXT, BINARY)), self.payload(6000 if kind == 2 else 300))
        if kind < 6:
            parts = [self.payload() for _ in range(self.random.randrange(2, 6))]
            opcode = self.random.choice((TEXT, BINARY))
            return b''.join(frame(CONTINUED if at else opcode, part, fin=at == len(parts) - 1) + self.between()
                            for at, part in enumerate(parts))
        if kind < 8:
            return frame(self.random.choice((PING, PONG)), self.payload(125))
        if kind == 8:
            return frame(self.random.randrange(16), self.payload(), fin=self.random.random() < 0.8,
                         rsv=self.random.choice((0, 0, 0, 1, 2, 4)), mask=self.random.random() < 0.8)
        return frame(self.random.choice((TEXT, BINARY, PING)), self.payload(100), length=self.random.choice(
            (0, 1, 200, 70000, 1 << 40, 1 << 63)), width=8)

    def between(self):
        return frame(PING, self.payload(20)) if self.random.random() < 0.3 else b''

    def spoil(self):
        at, data = self.random.randrange(len(self.data) + 1), self.data
        deed = self.random.randrange(5)
        if deed == 0 and at < len(data):
            self.data = data[:at] + bytes([data[at] ^ 1 << self.random.randrange(8)]) + data[at + 1:]
        elif deed == 1:
            self.data = data[:at] + self.random.randbytes(self.random.randrange(1, 10)) + data[at:]
        elif deed == 2:
            self.data = data[:at] + data[at + self.random.randrange(1, 10):]
        elif deed == 3:
            self.data = data[:at]
        else:
            self.data = data[:at] + data[max(0, at - 20):]

    def pieces(self):
        at = 0
        step = self.random.choice((1, 7, 100, 5000, 1 << 20)) if len(self.data) < 3000 else 5000
        while at < len(self.data):
            size = self.random.randrange(1, step + 1)
            yield self.data[at:at + size]
            at += size


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Fuzz(WebSocketCase):
    def play(self, sequence, **headers):
        """(messages that the application got, pongs, the code that the server has said or None)"""
        received = []
        self.function = received.extend
        peer = self.open(**headers)
        with contextlib.suppress(ConnectionError):
            for piece in sequence.pieces():
                peer.send(piece)
                coio.sleep()
            peer.sock.shutdown(socket.SHUT_WR)
        pongs, said = [], None
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                opcode, payload = peer.frame()
                self.assertIsNone(said, 'nothing comes behind a Close')
                if opcode == CLOSE:
                    said = int.from_bytes(payload[:2], 'big') if payload else 1005
                else:
                    self.assertEqual(opcode, PONG)
                    pongs.append(payload)
        peer.close()
        return received, pongs, said

    def is_subsequence(self, some, all_of_them):
        remaining = iter(all_of_them)
        return all(item in remaining for item in some)

    def test_as_the_reference_says(self):
        server = self.serve_ws(lambda ws: self.function(ws), {'max_message': MOST, 'deflate': False})
        codes = {}
        for number in range(CASES):
            sequence = Sequence(SEED + number)
            expected = Reference(sequence.data)
            with self.subTest(f'WEBSOCKET_SEED={SEED + number}'):
                received, pongs, said = self.play(sequence)
                self.assertEqual(self.how_it_ended()[0], expected.code)
                self.assertEqual(received, expected.messages)
                self.assertTrue(self.is_subsequence(pongs, expected.pongs))
                self.assertIn(said, (None, expected.code))  # a reset may have taken it away
            codes[expected.code] = codes.get(expected.code, 0) + 1
        self.assertEqual(server.core.errors, 0)
        self.assertLessEqual({1002, 1006, 1007, 1009}, set(codes), codes)

    def test_compressed(self):
        """Frames that say they are compressed, and are, or not: the end is one of those that there may be."""
        server = self.serve_ws(lambda ws: self.function(ws), {'max_message': MOST})
        for number in range(CASES // 3):
            sequence = Sequence(SEED + number)
            stream = zlib.compressobj(9, zlib.DEFLATED, -15)
            parts = []
            for _ in range(sequence.random.randrange(1, 5)):
                data = stream.compress(sequence.payload(3000)) + stream.flush(zlib.Z_SYNC_FLUSH)
                parts.append(frame(BINARY if number % 4 == 0 else TEXT, data[:-4], rsv=4))
            sequence.data = b''.join(parts) + close_frame()
            if number % 4:
                sequence.spoil()
            with self.subTest(f'WEBSOCKET_SEED={SEED + number}'):
                self.play(sequence, Sec_WebSocket_Extensions='permessage-deflate')
                code = self.how_it_ended()[0]
                self.assertTrue(code in CODES | {1005, 1006} if number % 4 else code == 1000, code)
        self.assertEqual(server.core.errors, 0)


if __name__ == '__main__':
    support.main()
