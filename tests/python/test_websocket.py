# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""syncless.websocket against a client that breaks each rule of RFC 6455."""
import gc
import logging
import socket
import threading
import time
import unittest
import unittest.mock
import weakref

import http_case
import support
from websocket_case import (BINARY, CLOSE, CONTINUED, HEADERS, PING, PONG, TEXT, WebSocketCase, close_frame, coio, echo,
                            frame, until_closed)

from syncless import websocket, wsgi


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Handshake(WebSocketCase):
    def test_well(self):
        self.serve_ws(echo)
        for headers in ({}, {'Upgrade': 'WebSocket'}, {'Upgrade': 'h2c, websocket'},
                        {'Connection': 'keep-alive, Upgrade'}, {'Origin': 'http://example.org'}, {'Origin': None}):
            peer = self.connect()
            answer = peer.handshake({**HEADERS, **headers})
            self.assertEqual(answer.status, 101)
            self.assertEqual([answer.get(name) for name in ('Upgrade', 'Connection', 'Sec-WebSocket-Protocol',
                                                            'Sec-WebSocket-Extensions')],
                             ['websocket', 'Upgrade', None, None])
            peer.send(frame(TEXT, b'x'))
            self.assertEqual(peer.frame(), (TEXT, b'x'))

    def test_refused(self):
        self.serve_ws(echo)
        for status, headers in (
                (426, {'Upgrade': None}), (426, {'Upgrade': 'h2c'}), (426, {'Sec_WebSocket_Version': '8'}),
                (426, {'Sec_WebSocket_Version': None}), (426, {'Sec_WebSocket_Version': '13, 8'}),
                (400, {'Connection': 'close'}), (400, {'Content_Length': '5'}),
                (400, {'Sec_WebSocket_Key': None}), (400, {'Sec_WebSocket_Key': 'x'}),
                (400, {'Sec_WebSocket_Key': 'A' * 24}), (400, {'Sec_WebSocket_Key': '!' * 22 + '=='}),
                (400, {'Sec_WebSocket_Key': 'AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA=='}),
                (400, {'Sec_WebSocket_Protocol': 'a b'}),
                (403, {'Origin': 'http://elsewhere.org'}), (403, {'Origin': 'null'}), (403, {'Origin': 'http://['})):
            with self.subTest(headers):
                answer = self.refused(**headers)
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.get('Upgrade'), 'websocket' if status == 426 else None)
                if 'Sec_WebSocket_Version' in headers:
                    self.assertEqual(answer.get('Sec-WebSocket-Version'), '13')
        self.assertEqual(self.ask('/', method='POST', *(f'{k}: {v}' for k, v in HEADERS.items())).get('Allow'), 'GET')
        self.assertEqual(self.ask('/', version='1.0', *(f'{k}: {v}' for k, v in HEADERS.items())).status, 400)
        self.assertEqual(self.sockets, [])
        self.assertEqual(self.server.core.errors, 0)

    def test_refused_ones_may_go_on(self):
        self.serve_ws(echo)
        peer = self.connect()
        self.assertEqual(peer.handshake({}).status, 426)
        self.assertEqual(peer.handshake(HEADERS).status, 101)

    def test_caught(self):
        """An application may refuse in its own way."""
        def application(environ, start_response):
            try:
                websocket.accept(environ)
            except websocket.Refused as refused:
                start_response('200 OK', [])
                return [refused.status.encode()]
        self.serve(application)
        self.assertEqual(self.refused(Upgrade=None).body, b'426 Upgrade Required')

    def test_origins(self):
        for origins, fine, wrong in (
                (None, ['http://a', 'null'], []),
                (['http://a', 'https://b:8'], ['http://a', 'https://b:8'], ['http://b']),
                (lambda origin: origin.endswith('.org'), ['http://x.org'], ['http://x.com']),
                (websocket.SAME_ORIGIN, ['http://example.org', 'https://EXAMPLE.org'], ['http://example.org:81'])):
            self.serve_ws(echo, {'origins': origins})
            for origin in fine:
                self.open(Origin=origin)
            for origin in wrong:
                self.assertEqual(self.refused(Origin=origin).status, 403)

    def test_subprotocols(self):
        self.serve_ws(lambda ws: ws.send(repr(ws.subprotocol)), {'subprotocols': ['b', 'a']})
        for offered, chosen in ('a, b', 'b'), ('x,a', 'a'), ('x', None), (None, None):
            peer = self.open(Sec_WebSocket_Protocol=offered)
            self.assertEqual(peer.answer.get('Sec-WebSocket-Protocol'), chosen)
            self.assertEqual(peer.frame(), (TEXT, repr(chosen).encode()))

    def test_headers(self):
        self.serve_ws(echo, {'headers': [('Set-Cookie', 'a=b')]})
        self.assertEqual(self.open().answer.get('Set-Cookie'), 'a=b')
        for bad in ('a', 'b\r\nc: d'), ('a b', 'c'), ('Upgrade', 'x'), ('Sec-WebSocket-Accept', 'x'):
            with self.assertRaises(ValueError):
                websocket.accept({}, headers=[bad])

    def test_arguments(self):
        for wrong in ({'deflate': websocket.Deflate(server_bits=8)}, {'deflate': websocket.Deflate(level=0)}):
            with self.assertRaises(ValueError):
                websocket.accept({}, **wrong)
        with self.assertRaisesRegex(TypeError, 'made by accept'):
            websocket.WebSocket()
        seen = []

        def application(environ, start_response):
            for name in 'ping_seconds', 'pong_seconds', 'idle_seconds', 'close_seconds':
                try:
                    websocket.accept(environ, **{name: 0})
                except ValueError as error:
                    seen.append(str(error))
            return http_case.hello(environ, start_response)
        self.serve(application)
        self.assertEqual(self.refused().body, b'hello')
        self.assertEqual(len(seen), 4)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Messages(WebSocketCase):
    def test_sizes(self):
        self.serve_ws(echo)
        peer = self.open()
        for size in 0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 1 << 20:
            data = bytes(n % 251 for n in range(size))
            peer.send(frame(BINARY, data))
            self.assertEqual(peer.frame(), (BINARY, data))

    def test_kinds(self):
        self.serve_ws(lambda ws: [ws.send(repr(message)) for message in ws])
        peer = self.open()
        for opcode, payload, seen in ((TEXT, 'é€😀'.encode(), "'é€😀'"), (BINARY, b'\xff', r"b'\xff'"),
                                      (TEXT, b'', "''")):
            peer.send(frame(opcode, payload))
            self.assertEqual(peer.frame(), (TEXT, seen.encode()))

    def test_what_can_be_sent(self):
        def application(ws):
            for message in 'text', b'bytes', bytearray(b'array'), memoryview(b'view'), '':
                ws.send(message)
            for wrong in 5, None, ['a']:
                with self.assertRaisesRegex(TypeError, 'a message is str or bytes'):
                    ws.send(wrong)
            with self.assertRaises(ValueError):
                ws.send('\ud800')
        self.serve_ws(application)
        peer = self.open()
        self.assertEqual([peer.frame() for _ in range(5)], [
            (TEXT, b'text'), (BINARY, b'bytes'), (BINARY, b'array'), (BINARY, b'view'), (TEXT, b'')])
        peer.send(close_frame())
        self.assertEqual(peer.end(), (1000, ''))

    def test_byte_by_byte(self):
        self.serve_ws(echo)
        peer = self.open()
        for opcode, payload in (TEXT, 'häppchen'.encode()), (PING, b'p' * 125), (BINARY, b'x' * 300), (TEXT, b''):
            data = frame(opcode, payload)
            for at in range(len(data)):
                peer.send(data[at:at + 1])
                coio.sleep()
            self.assertEqual(peer.frame(), (PONG if opcode == PING else opcode, payload))

    def test_fragments(self):
        """Characters may be split; control frames come in between; empty ones are fine."""
        self.serve_ws(echo)
        peer = self.open()
        text = 'aé€😀z'.encode()
        peer.send(b''.join(frame(CONTINUED if at else TEXT, text[at:at + 1], fin=False) + frame(PING, b'%d' % at)
                           for at in range(len(text))) + frame(CONTINUED))
        self.assertEqual([peer.frame() for _ in range(len(text))], [(PONG, b'%d' % at) for at in range(len(text))])
        self.assertEqual(peer.frame(), (TEXT, text))
        peer.send(frame(BINARY, fin=False) + frame(CONTINUED, b'x' * 70000, fin=False) + frame(CONTINUED, b'y'))
        self.assertEqual(peer.frame(), (BINARY, b'x' * 70000 + b'y'))

    def test_pongs_that_nobody_asked_for(self):
        self.serve_ws(echo)
        peer = self.open()
        peer.send(frame(PONG) + frame(PONG, b'x' * 125) + frame(TEXT, b'a'))
        self.assertEqual(peer.frame(), (TEXT, b'a'))

    def test_with_the_handshake(self):
        """A client that is in a hurry."""
        self.serve_ws(echo)
        peer = self.connect()
        peer.send(http_case.request('/', *(f'{k}: {v}' for k, v in HEADERS.items())) + frame(TEXT, b'early'))
        self.assertEqual(peer.response().status, 101)
        self.assertEqual(peer.frame(), (TEXT, b'early'))

    def test_many_at_once(self):
        """They come in order, also when the application takes none for a while."""
        gate = coio.Event()

        def application(ws):
            gate.wait()
            echo(ws)
        self.serve_ws(application)
        peer = self.open()
        sender = coio.spawn(peer.send, b''.join(frame(TEXT, b'%d' % n) for n in range(5000)))
        coio.sleep(0.01)
        gate.set()
        self.assertEqual([peer.frame()[1] for _ in range(5000)], [b'%d' % n for n in range(5000)])
        sender.join()

    def test_a_queue_has_an_end(self):
        """What nobody receives is not read, so that the client has to wait; and it has been heard when it is."""
        gate, sent = coio.Event(), []

        def application(ws):
            gate.wait()
            for message in ws:
                sent.append(len(message))
        server = self.serve_ws(application, {'max_message': 100000})
        peer, data = self.open(), frame(BINARY, bytes(50000))

        def fill():
            for _ in range(400):
                peer.send(data)
            peer.send(close_frame())
        filler = coio.spawn(fill)
        self.assertFalse(filler.join(0.3))
        ws, = self.sockets
        self.assertLessEqual(sum(map(len, ws._messages)), 150000)
        gate.set()
        self.assertTrue(filler.join(support.HANG))
        self.assertEqual(peer.end(), (1000, ''))
        self.how_it_ended()
        self.assertEqual(sent, 400 * [50000])
        support.wait_until(lambda: server.connections == 0)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Rules(WebSocketCase):
    def check(self, data, code, reason, options=None, received=()):
        seen = []
        self.serve_ws(lambda ws: seen.extend(ws), options)
        peer = self.open()
        peer.send(data)
        self.assertEqual(peer.end(), (code, reason))
        self.assertEqual((self.how_it_ended(), seen), ((code, reason), list(received)))

    def test_protocol(self):
        for data, reason in (
                (frame(TEXT, b'x', mask=False), 'a frame is not masked'),
                (frame(PING, mask=False), 'a frame is not masked'),
                (frame(TEXT, rsv=4), 'a reserved bit is set'), (frame(TEXT, rsv=2), 'a reserved bit is set'),
                (frame(PING, rsv=1), 'a reserved bit is set'),
                (frame(3), 'an opcode is unknown'), (frame(11), 'an opcode is unknown'),
                (frame(15), 'an opcode is unknown'),
                (frame(CONTINUED), 'there is no message to continue'),
                (frame(TEXT, fin=False) + frame(TEXT), 'a message has begun within another one'),
                (frame(TEXT, fin=False) + frame(BINARY), 'a message has begun within another one'),
                (frame(PING, fin=False), 'the head of a frame is wrong'),
                (frame(PING, b'x' * 126), 'the head of a frame is wrong'),
                (frame(CLOSE, b'x' * 126), 'the head of a frame is wrong'),
                (frame(TEXT, b'x', width=2), 'the head of a frame is wrong'),
                (frame(TEXT, b'x', width=8), 'the head of a frame is wrong'),
                (frame(TEXT, length=1 << 63), 'the head of a frame is wrong'),
                (frame(CLOSE, b'x'), 'a Close has half a code')):
            with self.subTest(reason, data=data[:20]):
                self.check(data, 1002, reason)
                self.check(frame(TEXT, b'before') + data + frame(TEXT, b'behind'), 1002, reason, received=['before'])

    def test_close_codes(self):
        for code in 0, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65535:
            self.check(close_frame(code), 1002, 'a Close has a code that none may have')
        for code in 1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999:
            seen = []
            self.serve_ws(seen.extend)
            peer = self.open()
            peer.send(close_frame(code, 'weg €'.encode()) + frame(TEXT, b'behind'))
            self.assertEqual(peer.end(), (code, ''))
            self.assertEqual((self.how_it_ended(), seen), ((code, 'weg €'), []))

    def test_close_without_a_code(self):
        self.serve_ws(until_closed)
        peer = self.open()
        peer.send(frame(CLOSE))
        self.assertEqual(peer.end(), (None, ''))
        self.assertEqual(self.how_it_ended(), (1005, ''))

    def test_utf8(self):
        for wrong in (b'\xff', b'\xc0\x80', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'abc\xe2\x82', 'é'.encode()[:1]):
            self.check(frame(TEXT, wrong), 1007, 'text is not UTF-8')
            self.check(frame(TEXT, b'well', fin=False) + frame(CONTINUED, wrong), 1007, 'text is not UTF-8')
            self.check(close_frame(1000, wrong), 1007, 'text is not UTF-8')

    def test_sizes(self):
        options = {'max_message': 1000}
        self.check(frame(TEXT, b'x' * 1000) + close_frame(1001), 1001, '', options, ['x' * 1000])
        self.check(frame(TEXT, b'x' * 1001), 1009, 'a message is too long', options)
        self.check(frame(TEXT, b'x', length=1 << 62), 1009, 'a message is too long', options)
        self.check(frame(TEXT, b'x' * 600, fin=False) + frame(CONTINUED, b'x' * 401), 1009, 'a message is too long',
                   options)
        self.check(frame(BINARY, fin=False) + frame(CONTINUED, fin=False) * 65536, 1008,
                   'a message consists of too many frames', options)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Ends(WebSocketCase):
    def test_by_the_application(self):
        """It returns, or says so itself; both sides say Close, and the connection ends."""
        for function, code, reason in ((lambda ws: None, 1000, ''), (lambda ws: ws.close(), 1000, ''),
                                       (lambda ws: ws.close(4321, 'weg €'), 4321, 'weg €')):
            self.serve_ws(function)
            peer = self.open()
            self.assertEqual(peer.frame(), (CLOSE, code.to_bytes(2, 'big') + reason.encode()))
            peer.send(frame(TEXT, b'late') + close_frame(code))
            self.assertEqual(peer.rest(), b'')
        support.wait_until(lambda: len(self.codes) == 3)
        self.assertEqual([ws.code for ws in self.sockets], [1000, 1000, 4321])

    def test_what_comes_before_the_answer_is_received(self):
        seen = []

        def application(ws):
            closer = coio.spawn(ws.close)
            coio.sleep()
            self.assertTrue(ws.closed)
            with self.assertRaises(websocket.WebSocketClosed):
                ws.send('too late')
            seen.extend(ws)
            closer.join()
            ws.close()
            with self.assertRaises(websocket.WebSocketClosed) as caught:
                ws.receive()
            seen.append((caught.exception.code, caught.exception.reason))
        self.serve_ws(application)
        peer = self.open()
        self.assertEqual(peer.frame()[0], CLOSE)
        peer.send(frame(TEXT, b'late') + frame(PING) + frame(TEXT, b'later') + close_frame(1001, b'well'))
        self.assertEqual(peer.rest(), b'')
        self.how_it_ended()
        self.assertEqual(seen, ['late', 'later', (1001, 'well')])

    def test_a_flood_before_the_answer(self):
        """A client that goes on and on behind our Close is not remembered for ever."""
        def application(ws):
            ws.close()
            seen.append(len(list(ws)))
        seen = []
        self.serve_ws(application, {'max_message': 1000})
        peer = self.open()
        self.assertEqual(peer.frame()[0], CLOSE)
        peer.send(frame(BINARY, bytes(100)) * 1000 + close_frame())
        self.assertEqual(peer.rest(), b'')
        self.how_it_ended()
        self.assertEqual(seen, [10])

    def test_codes_that_cannot_be_said(self):
        def application(ws):
            for code in 0, 999, 1004, 1005, 1006, 1015, 2000, 5000:
                with self.assertRaisesRegex(ValueError, 'a WebSocket is closed with'):
                    ws.close(code)
            with self.assertRaisesRegex(ValueError, '123 bytes at most'):
                ws.close(1000, 'é' * 62)
            ws.close(1000, 'x' * 123)
        self.serve_ws(application)
        peer = self.open()
        peer.send(close_frame())
        self.assertEqual(peer.frame()[1][2:], b'x' * 123)

    def test_the_client_never_answers(self):
        server = self.serve_ws(lambda ws: None, {'close_seconds': 0.1})
        peer = self.open()
        self.assertEqual(peer.frame()[0], CLOSE)
        self.assertEqual(peer.rest(), b'')
        support.wait_until(lambda: server.connections == 0)
        self.assertEqual(self.sockets[0].code, 1006)

    def test_lost(self):
        for how in socket.SHUT_WR, None:
            self.serve_ws(until_closed)
            peer = self.open()
            peer.send(frame(TEXT, b'half', fin=False) + b'\x81')
            peer.sock.shutdown(how) if how is not None else peer.close()
            self.assertEqual(self.how_it_ended(), (1006, 'the connection was lost'))

    def test_sending_to_nobody(self):
        """The application learns of it where it sends, and if it does not care the server does not either."""
        def application(ws):
            while True:
                ws.send('x' * 10000)
        server = self.serve_ws(application)
        peer = self.open()
        peer.frame()
        peer.close()
        support.wait_until(lambda: server.connections == 0)
        self.assertEqual(server.core.errors, 0)

    def test_failing(self):
        def application(ws):
            raise KeyError('my secret')
        self.serve_ws(application)
        with self.assertLogs('syncless.wsgi', 'ERROR') as logged:
            peer = self.open()
            self.assertEqual(peer.frame(), (CLOSE, (1011).to_bytes(2, 'big') + b'the application has failed'))
            peer.send(close_frame())
            self.assertEqual(peer.rest(), b'')
            support.wait_until(lambda: logged.output)
        self.assertIn('my secret', logged.output[0])

    def test_the_server_stops(self):
        server = self.serve_ws(until_closed)
        peers = [self.open() for _ in range(5)]
        stopping = coio.spawn(server.stop, support.HANG)
        for peer in peers:
            self.assertEqual(peer.frame(), (CLOSE, (1001).to_bytes(2, 'big') + b'the server stops'))
            self.assertFalse(stopping.ended)
            peer.send(close_frame(1001))
        self.assertTrue(stopping.get())
        self.assertEqual(self.codes, 5 * [(1001, '')])

    def test_a_close_waits_for_the_message_that_is_on_its_way(self):
        """A client closes while a large message is being sent to it: it gets all of it, then our Close."""
        data = bytes(range(256)) * 40000
        self.serve_ws(lambda ws: [ws.send(data), until_closed(ws)])
        peer = self.open()
        support.wait_until(lambda: self.sockets and self.sockets[0]._sending.locked())
        peer.send(close_frame(1001, b'enough'))
        support.wait_until(lambda: self.sockets[0]._controls)
        self.assertEqual(peer.frame(), (BINARY, data))
        self.assertEqual(peer.end(), (1001, ''))
        self.assertEqual(self.how_it_ended(), (1001, 'enough'))

    def test_access_log(self):
        rows = []
        self.serve_ws(echo, access_log=lambda *row: rows.append(row[1]))
        peer = self.open()
        peer.send(close_frame())
        peer.end()
        support.wait_until(lambda: rows)
        self.assertEqual(rows, [101])


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Times(WebSocketCase):
    def test_receive(self):
        found = []

        def application(ws):
            for seconds in 0, 0.05:
                with self.assertRaises(TimeoutError):
                    ws.receive(seconds)
            found.append(ws.receive(support.HANG))
            with coio.Timeout(0.05, silent=True):
                ws.receive()
            found.append(ws.receive())
        self.serve_ws(application)
        peer = self.open()
        coio.sleep(0.1)
        peer.send(frame(TEXT, b'a'))
        coio.sleep(0.1)
        peer.send(frame(TEXT, b'b') + close_frame())
        peer.rest()
        self.how_it_ended()
        self.assertEqual(found, ['a', 'b'])

    def test_pings(self):
        """Silence is answered by a ping, and what comes then keeps the client alive; else it is closed."""
        self.serve_ws(until_closed, {'ping_seconds': 0.05, 'pong_seconds': 0.2})
        peer = self.open()
        for answer in frame(PONG), frame(TEXT, b'anything'), frame(PONG, b'odd'):
            self.assertEqual(peer.frame(), (PING, b''))
            peer.send(answer)
        self.assertEqual(peer.frame(), (PING, b''))
        self.assertEqual(peer.end(), (1011, 'no pong has come'))
        self.assertEqual(self.how_it_ended(), (1011, 'no pong has come'))

    def test_idle(self):
        """Pongs are no messages."""
        self.serve_ws(until_closed, {'ping_seconds': 0.05, 'idle_seconds': 0.3})
        peer = self.open()
        began, npings = time.monotonic(), 0
        while True:
            opcode, payload = peer.frame()
            if opcode == CLOSE:
                break
            npings += 1
            peer.send(frame(PONG, payload))
        self.assertEqual(payload[2:], b'no message has come for too long')
        self.assertGreaterEqual(time.monotonic() - began, 0.29)
        self.assertGreaterEqual(npings, 1)
        peer.send(close_frame(1001))
        self.assertEqual(peer.rest(), b'')

    def test_ping(self):
        found = []

        def application(ws):
            found.append(0 <= ws.ping() < support.HANG)
            with self.assertRaises(TimeoutError):
                ws.ping(0.05)
            with self.assertRaises(websocket.WebSocketClosed):
                ws.ping()
            with self.assertRaises(websocket.WebSocketClosed):
                ws.ping()
            found.append(ws._pings)
        self.serve_ws(application)
        peer = self.open()
        opcode, payload = peer.frame()
        peer.send(frame(PONG, b'another') + frame(PONG, payload))
        opcodes = [opcode, peer.frame()[0], peer.frame()[0]]
        self.assertEqual(opcodes, 3 * [PING])
        peer.send(close_frame())
        self.assertEqual(peer.end(), (1000, ''))
        self.how_it_ended()
        self.assertEqual(found, [True, {}])

    def test_a_client_that_takes_nothing(self):
        """Its pings are answered by the latest pong alone, and it does not stay for ever."""
        self.serve_ws(lambda ws: ws.send(bytes(10 << 20)), write_seconds=0.1)
        peer = self.open()
        for n in range(1000):
            peer.send(frame(PING, b'%d' % n))
        support.wait_until(lambda: self.codes)
        self.assertLessEqual(len(self.sockets[0]._controls), 1)
        support.wait_until(lambda: self.server.connections == 0)
        self.assertEqual(self.server.core.errors, 0)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Together(WebSocketCase):
    def test_senders(self):
        """Coroutines and green threads at once: each message comes whole, and each one's in order."""
        def application(ws):
            def send(who):
                for n in range(50):
                    ws.send(bytes([who]) * (1 + 997 * n))
            threads = [threading.Thread(target=send, args=(who,)) for who in range(4)]
            for thread in threads:
                thread.start()
            coio.joinall([coio.spawn(send, who) for who in range(4, 8)])
            for thread in threads:
                thread.join()
        for extensions in None, 'permessage-deflate':
            self.serve_ws(application, {'deflate': False} if not extensions else None)
            peer = self.open()
            lengths = {who: [] for who in range(8)}
            for _ in range(400):
                opcode, data = peer.frame()
                self.assertEqual((opcode, len(set(data))), (BINARY, 1))
                lengths[data[0]].append(len(data))
            self.assertEqual(list(lengths.values()), 8 * [[1 + 997 * n for n in range(50)]])
            peer.send(close_frame())
            self.assertEqual(peer.end(), (1000, ''))

    def test_receivers(self):
        """Each message comes to one of them, and the end to all."""
        found = []

        def application(ws):
            coio.joinall([coio.spawn(lambda: found.extend(ws)) for _ in range(5)])
        self.serve_ws(application)
        peer = self.open()
        for n in range(100):
            peer.send(frame(TEXT, b'%d' % n))
            coio.sleep()
        peer.send(close_frame())
        self.assertEqual(peer.end(), (1000, ''))
        self.how_it_ended()
        self.assertEqual(sorted(map(int, found)), list(range(100)))

    def test_many(self):
        """A message to all from each of many."""
        everyone = []

        def application(ws):
            everyone.append(ws)
            for message in ws:
                for other in everyone:
                    other.send(message)
        self.serve_ws(application)
        peers = [self.open() for _ in range(60)]
        for n, peer in enumerate(peers):
            peer.send(frame(TEXT, b'%d' % n))
        for peer in peers:
            self.assertEqual(sorted(int(peer.frame()[1]) for _ in peers), list(range(60)))

    def test_killed_while_it_sends(self):
        """A frame that was broken off ends the connection: nobody could know where the next one begins."""
        inside = []

        def application(ws):
            inside.append(coio.current())
            ws.send(bytes(10 << 20))
        server = self.serve_ws(application)
        peer = self.open()
        support.wait_until(lambda: inside and self.sockets[0]._sending.locked())
        inside[0].kill()
        self.assertLess(len(peer.rest()), 10 << 20)
        self.assertEqual(server.connections, 0)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Remains(WebSocketCase):
    def test_nothing(self):
        """Neither of those that end well nor of the others, and without the collector of cycles."""
        gc.disable()
        self.addCleanup(gc.enable)
        kinds = {'echo': echo, 'return': lambda ws: None, 'fail': lambda ws: 1 / 0}

        def application(ws):
            remains.append(weakref.ref(ws))
            self.sockets.clear()
            kinds[how](ws)
        self.serve_ws(application, {'close_seconds': 0.05})
        remains = []
        with self.assertLogs('syncless.wsgi', 'ERROR') as logged:
            for how in kinds:
                for end in close_frame(), frame(3), b'':
                    peer = self.open()
                    peer.send(frame(TEXT, b'x') + end)
                    peer.close()
                    self.how_it_ended()
                    support.wait_until(lambda: self.server.connections == 0)
        self.assertEqual(len(logged.output), 3)
        self.assertEqual([ref() for ref in remains], 9 * [None])

    def test_without_the_library(self):
        def load(name):
            raise ImportError('libwslay.so.1: cannot open shared object file: No such file or directory')
        with unittest.mock.patch('syncless._glue.load', load), self.assertRaisesRegex(ImportError, 'package libwslay1'):
            websocket._socket._load_frames()


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Of2010(WebSocketCase):
    def serve_old(self, function):
        def application(environ, start_response):
            if environ.get('HTTP_UPGRADE', '').lower() != 'websocket':
                return http_case.hello(environ, start_response)
            function(start_response('WebSocket', [('X-Extra', 'more'), ('Upgrade', 'WebSocket')]))
            return ()
        return self.serve(application)

    def test_echo(self):
        def application(ws):
            for message in iter(ws.read_msg, None):
                ws.write_msg(message)
        self.serve_old(application)
        self.assertEqual(self.ask().body, b'hello')
        peer = self.open()
        self.assertEqual((peer.answer.get('X-Extra'), peer.answer.get('Upgrade')), ('more', 'websocket'))
        peer.send(frame(TEXT, 'é'.encode()))
        self.assertEqual(peer.frame(), (TEXT, 'é'.encode()))
        peer.send(frame(BINARY, b'utf-8'))
        self.assertEqual(peer.frame(), (TEXT, b'utf-8'))
        peer.send(close_frame())
        self.assertEqual(peer.end(), (1000, ''))

    def test_errors(self):
        found = []

        def application(ws):
            for wrong, error in (b'\xff', ValueError), (5, TypeError):
                with self.assertRaises(error):
                    ws.write_msg(wrong)
            try:
                found.append(ws.read_msg())
            except OSError as error:
                found.append(type(error))
        self.serve_old(application)
        for data, seen in ((frame(TEXT, b'\xff'), wsgi.WebSocketInvalidFrameTypeError),
                           (frame(3), wsgi.WebSocketInvalidFrameTypeError),
                           (frame(BINARY, b'x', length=11 << 20), wsgi.WebSocketMessageTooLargeError),
                           (frame(TEXT, b'half', fin=False), wsgi.WebSocketMessageTruncatedError),
                           (frame(TEXT, b'x', length=9), wsgi.WebSocketMessageTruncatedError),
                           (close_frame(), None), (b'', None)):
            peer = self.open()
            peer.send(data)
            peer.sock.shutdown(socket.SHUT_WR)
            peer.rest()
            support.wait_until(lambda: found)
            self.assertEqual(found.pop(), seen)

    def test_only_of_a_websocket(self):
        with self.assertRaisesRegex(TypeError, 'is needed, not 5'):
            wsgi.WebSocket(5)

    def test_refused(self):
        self.serve_old(lambda ws: None)
        self.assertEqual(self.refused(Sec_WebSocket_Key='x').status, 400)
        self.assertEqual(self.refused(Sec_WebSocket_Version='7').status, 426)

    def test_only_that_word(self):
        def application(environ, start_response):
            start_response('websocket', [])
        self.serve(application)
        with self.assertLogs('syncless.wsgi', logging.ERROR) as logged:
            self.assertEqual(self.refused().status, 500)
        self.assertIn("the status must be like '200 OK'", logged.output[0])


if __name__ == '__main__':
    support.main()
