# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""permessage-deflate: what is agreed on, and messages of all kinds of compressors, also malevolent ones."""
import random
import unittest
import zlib

import support
from websocket_case import BINARY, CONTINUED, PING, PONG, TEXT, WebSocketCase, close_frame, echo, frame

from syncless import websocket

OFFER = 'permessage-deflate'
TAIL = b'\0\0\xff\xff'


def offer(*words):
    return '; '.join([OFFER, *words])


class Compressor:
    """A client's, with a memory or without."""

    def __init__(self, bits=15, takeover=True):
        self.bits, self.takeover, self.stream = bits, takeover, None

    def __call__(self, data):
        stream = self.stream or zlib.compressobj(9, zlib.DEFLATED, -self.bits)
        self.stream = stream if self.takeover else None
        data = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(TAIL)
        return data[:-4]


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Deflate(WebSocketCase):
    def talk(self, extensions, options=None, function=echo):
        self.serve_ws(function, options)
        peer = self.open(Sec_WebSocket_Extensions=extensions)
        return peer, peer.answer.get('Sec-WebSocket-Extensions')

    def test_agreement(self):
        plain, without = websocket.Deflate(15, 15), websocket.Deflate(15, 15, False, False)
        small = websocket.Deflate(server_bits=10, client_bits=11)
        both = ('server_no_context_takeover', 'client_no_context_takeover')
        for asked, options, answer in (
                (offer(), plain, offer()), (offer(), True, offer('server_max_window_bits=12')),
                (offer('client_max_window_bits'), True,
                 offer('server_max_window_bits=12', 'client_max_window_bits=12')),
                (offer('client_max_window_bits'), plain, offer('client_max_window_bits=15')),
                (offer('client_max_window_bits=9'), small,
                 offer('server_max_window_bits=10', 'client_max_window_bits=9')),
                (offer('client_max_window_bits="8"'), plain, offer('client_max_window_bits=8')),
                (offer('server_max_window_bits=9'), plain, offer('server_max_window_bits=9')),
                (offer('server_max_window_bits=15'), plain, offer('server_max_window_bits=15')),
                (offer('server_max_window_bits=8'), plain, None),
                (offer('server_max_window_bits=8') + ', ' + offer(), plain, offer()),
                (offer(*both), plain, offer(*both)), (offer(), without, offer(*both)),
                (offer('server_no_context_takeover'), plain, offer('server_no_context_takeover')),
                (offer('server_no_context_takeover=1'), plain, None), (offer('server_max_window_bits'), plain, None),
                (offer('server_max_window_bits=016'), plain, None), (offer('server_max_window_bits=16'), plain, None),
                (offer('client_max_window_bits=7'), plain, None), (offer('unknown'), plain, None),
                (offer('client_max_window_bits', 'client_max_window_bits'), plain, None),
                ('x-webkit-deflate-frame', plain, None), ('x-webkit-deflate-frame, ' + offer(), plain, offer()),
                (offer(), False, None), ('', plain, None), (', ;=', plain, None)):
            with self.subTest(asked):
                self.assertEqual(self.talk(asked, {'deflate': options})[1], answer)

    def test_both_directions(self):
        """Any compressor and any of the settings; each message is compressed with those before in mind, or not."""
        seed = random.Random(1)
        texts = [bytes(seed.choices(b'abcdefgh', k=size)) for size in (0, 1, 63, 64, 1000, 70000, 200000, 3)]
        for bits, takeover in (9, True), (12, False), (15, True):
            words = [f'server_max_window_bits={bits}', f'client_max_window_bits={bits}']
            if not takeover:
                words += ['server_no_context_takeover', 'client_no_context_takeover']
            peer, _ = self.talk(offer(*words), {'deflate': websocket.Deflate(15, 15)})
            compress, inflate = Compressor(bits, takeover), zlib.decompressobj(-bits)
            for text in texts + texts:
                peer.send(frame(BINARY, compress(text), rsv=4))
                opcode, data = peer.frame()
                self.assertEqual(peer.rsv, 4 if len(text) >= 64 else 0)
                if peer.rsv:
                    data = (inflate if takeover else zlib.decompressobj(-bits)).decompress(data + TAIL)
                self.assertEqual((opcode, data), (BINARY, text))

    def test_takeover_is_worth_it(self):
        data = bytes(random.Random(2).choices(range(256), k=3000))
        for options, wins in (None, True), ({'deflate': websocket.Deflate(server_takeover=False)}, False):
            peer, _ = self.talk(offer(), options)
            sizes = []
            for _ in range(2):
                peer.send(frame(BINARY, data))
                sizes.append(len(peer.frame()[1]))
            self.assertEqual(sizes[1] < 100, wins, sizes)

    def test_fragments(self):
        """RSV1 is on the first frame alone; control frames come between."""
        peer, _ = self.talk(offer())
        data = Compressor()('häppchen'.encode() * 100)
        peer.send(frame(TEXT, data[:5], fin=False, rsv=4) + frame(PING) + frame(CONTINUED, data[5:9], fin=False) +
                  frame(CONTINUED, data[9:]))
        self.assertEqual(peer.frame(), (PONG, b''))
        opcode, data = peer.frame()
        self.assertEqual((opcode, zlib.decompressobj(-15).decompress(data)), (TEXT, 'häppchen'.encode() * 100))

    def test_not_compressed(self):
        """A client need not; nor do we with what is short."""
        peer, _ = self.talk(offer())
        peer.send(frame(TEXT, b'short'))
        self.assertEqual((peer.frame(), peer.rsv), ((TEXT, b'short'), 0))

    def test_other_blocks(self):
        """The examples of RFC 7692: a stored block, one that is the last of its stream, and two blocks."""
        peer, _ = self.talk(offer())
        for data in (b'\x00\x05\x00\xfa\xffHello\x00', b'\xf3H\xcd\xc9\xc9\x07\x00\x00',
                     b'\xf2H\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00', b'\xf3H\xcd\xc9\xc9\x07\x00\x00',
                     b'\xf2H\xcd\xc9\xc9\x07\x00'):
            peer.send(frame(TEXT, data, rsv=4))
            self.assertEqual(peer.frame(), (TEXT, b'Hello'))

    def test_broken(self):
        whole = Compressor()(b'x' * 1000)
        for data, code, reason in ((b'\xff' * 10, 1007, 'a message cannot be inflated'),
                                   (b'\x06', 1007, 'a message cannot be inflated'),
                                   (Compressor()(b'\xff' * 100), 1007, 'text is not UTF-8')):
            peer, _ = self.talk(offer())
            peer.send(frame(TEXT, data, rsv=4))
            self.assertEqual(peer.end(), (code, reason))
            self.assertEqual(self.how_it_ended(), (code, reason))
        for data in (frame(PING, rsv=4), frame(TEXT, fin=False) + frame(CONTINUED, whole, rsv=4),
                     frame(TEXT, whole, rsv=6)):
            peer, _ = self.talk(offer())
            peer.send(data)
            self.assertEqual(peer.end(), (1002, 'a reserved bit is set'))

    def test_bombs(self):
        """What would become too long is not even made: neither of one message, nor of many small ones."""
        seen = []
        peer, _ = self.talk(offer(), {'max_message': 10000}, seen.extend)
        compress = Compressor()
        peer.send(frame(BINARY, compress(bytes(10000)), rsv=4) + frame(BINARY, compress(bytes(50 << 20)), rsv=4))
        self.assertEqual(peer.end(), (1009, 'a message is too long'))
        self.assertEqual(self.how_it_ended()[0], 1009)
        self.assertEqual(seen, [bytes(10000)])

        gate = support.threading.Event()
        peer, _ = self.talk(offer(), {'max_message': 1 << 20}, lambda ws: [gate.wait(), seen.extend(ws)])
        compress = Compressor()
        peer.send(b''.join(frame(BINARY, compress(bytes(1 << 20)), rsv=4) for _ in range(50)) + close_frame())
        ws = self.sockets[-1]
        support.wait_until(lambda: ws._room is not None)
        self.assertLessEqual(len(ws._messages), 2)
        gate.set()
        self.assertEqual(peer.end(), (1000, ''))
        self.how_it_ended()
        self.assertEqual(len(seen), 51)


if __name__ == '__main__':
    support.main()
