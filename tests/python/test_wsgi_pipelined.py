# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The HTTP server: requests that come without waiting for the answers, which may then go out together."""
import socket
import statistics
import time
import unittest

import support
from coroutines import coio
from http_case import HttpCase, request

COARSE = 6  # CLOCK_MONOTONIC_COARSE of linux/time.h, by which the server takes turns; Python has no name for it


class Paths:
    """Answers with the path; what is below /wait/ waits for go."""

    def __init__(self, size=0):
        self.size = size
        self.go = coio.Event()
        self.seen = []

    def __call__(self, environ, start_response):
        path = environ['PATH_INFO']
        self.seen.append(path)
        if path.startswith('/wait/'):
            self.go.wait()
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [path.encode().ljust(self.size, b'.')]


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Pipelined(HttpCase):
    def bodies(self, client, count):
        return [client.response().body.rstrip(b'.').decode() for _ in range(count)]

    def send(self, client, paths, *headers):
        client.send(b''.join(request(path, *headers) for path in paths))

    def pieces(self, client, count, size):
        """In how many the answers to so many requests come, which are sent when the server has waited for a while.

        A tick of the clock amid them gives others a turn, and what is ready goes out.
        """
        tick = time.clock_gettime(COARSE)
        support.wait_until(lambda: time.clock_gettime(COARSE) > tick, 'a tick')
        self.send(client, ['/1'] * count)
        pieces, left = 0, count * size
        while left > 0:
            piece = client.sock.recv(left)
            self.assertTrue(piece)
            left -= len(piece)
            pieces += 1
        return pieces

    def test_in_order(self):
        self.serve(Paths())
        client = self.connect()
        paths = [f'/{n}' for n in range(500)]
        for _ in range(3):
            self.send(client, paths)
            self.assertEqual(self.bodies(client, 500), paths)

    def test_in_one_piece(self):
        self.serve(Paths())
        client = self.connect()
        self.send(client, ['/1'])
        size = len(client.sock.recv(65536))
        self.assertEqual(statistics.median(self.pieces(client, 24, size) for _ in range(21)), 1)

    def test_what_is_ready_does_not_wait_for_what_waits(self):
        app = Paths()
        self.serve(app)
        clients = [self.connect() for _ in range(3)]
        for client in clients:
            self.send(client, ['/1', '/2', '/wait/3', '/4'])
        for client in clients:
            self.assertEqual(self.bodies(client, 2), ['/1', '/2'])
        self.assertNotIn('/4', app.seen)
        app.go.set()
        for client in clients:
            self.assertEqual(self.bodies(client, 2), ['/wait/3', '/4'])

    def test_nor_does_it_when_the_client_has_not_taken_it_at_once(self):
        app = Paths(3900)
        self.serve(app)
        self.servers[-1][1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        client = self.connect(rcvbuf=1)
        self.send(client, ['/1', '/2', '/wait/3'])
        while len(app.seen) < 3:
            coio.sleep()
        self.assertEqual(self.bodies(client, 2), ['/1', '/2'])
        app.go.set()
        self.assertEqual(self.bodies(client, 1), ['/wait/3'])

    def test_a_client_that_has_gone(self):
        app = Paths(3900)
        server = self.serve(app)
        client = self.connect()
        self.send(client, ['/1', '/wait/2', '/3'])
        self.assertEqual(self.bodies(client, 1), ['/1'])
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        client.close()
        app.go.set()
        while server.core.active:
            coio.sleep()

    def test_large_ones(self):
        self.serve(Paths(100000))
        client = self.connect()
        paths = [f'/{n}' for n in range(40)]
        self.send(client, paths)
        self.assertEqual(self.bodies(client, 40), paths)

    def test_the_last_one(self):
        self.serve(Paths())
        client = self.connect()
        client.send(request('/1') + request('/2', 'Connection: close') + request('/3'))
        self.assertEqual(self.bodies(client, 2), ['/1', '/2'])
        self.assertEqual(client.rest(), b'')

    def test_a_wrong_one(self):
        self.serve(Paths())
        client = self.connect()
        client.send(request('/1') + request('/2') + b'GET /3\r\n\r\n' + request('/4'))
        self.assertEqual(self.bodies(client, 2), ['/1', '/2'])
        self.assertEqual(client.response().status, 400)
        self.assertEqual(client.rest(), b'')

    def test_half_a_request_behind_a_whole_one(self):
        self.serve(Paths())
        client = self.connect()
        data = request('/2')
        client.send(request('/1') + data[:-3])
        self.assertEqual(self.bodies(client, 1), ['/1'])
        client.send(data[-3:])
        self.assertEqual(self.bodies(client, 1), ['/2'])

    def test_pieces_are_not_kept_back(self):
        go = coio.Event()

        def application(environ, start_response):
            start_response('200 OK', [])
            yield b'one'
            go.wait()
            yield b'two'
        self.serve(application)
        client = self.connect()
        self.send(client, ['/'] * 2)
        self.assertIn(b'one', client._upto(b'one\r\n') + b'one')
        go.set()
        self.assertIn(b'3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200', client._upto(b'one\r\n'))


if __name__ == '__main__':
    unittest.main()
