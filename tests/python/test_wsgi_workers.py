# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The HTTP server: which coroutines serve connections, and those that ask nothing."""
import socket
import unittest

import support
from coroutines import _glue, coio
from http_case import HttpCase, request


class Application:
    """Notes who calls it; what is below /wait/ waits for go, /die ends the coroutine."""

    def __init__(self):
        self.go = coio.Event()
        self.workers = []
        self.inside = 0

    def __call__(self, environ, start_response):
        path = environ['PATH_INFO']
        self.workers.append(_glue.current())
        self.inside += 1
        if path.startswith('/wait'):
            self.go.wait()
        self.inside -= 1
        if path == '/die':
            raise coio.GreenletExit
        start_response('200 OK', [])
        return [path.encode()]


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Workers(HttpCase):
    def setUp(self):
        super().setUp()
        self.app = Application()
        self.serve(self.app)

    def test_one_serves_all_as_long_as_nobody_waits(self):
        clients = [self.connect() for _ in range(20)]
        for _ in range(5):
            for client in clients:
                self.assertEqual(client.ask('/x').body, b'/x')
        self.assertEqual(len(set(self.app.workers)), 1)
        self.assertEqual(self.server.core.active, 0)
        self.assertEqual(self.server.core.resting, 20)

    def test_others_go_on_when_applications_wait(self):
        waiting, quick = [self.connect() for _ in range(50)], self.connect()
        for n, client in enumerate(waiting):
            client.send(request('/wait'))
            support.wait_until(lambda: self.app.inside == n + 1)
            self.assertEqual(quick.ask('/x').body, b'/x')
        self.assertEqual(self.server.core.active, 50)
        self.app.go.set()
        for client in waiting:
            self.assertEqual(client.response().body, b'/wait')
            self.assertEqual(client.ask('/x').body, b'/x')
        self.assertEqual(self.server.core.resting, 51)

    def test_spare_ones_are_used_again_and_few(self):
        clients = [self.connect() for _ in range(100)]
        for _ in range(3):
            self.app.go.clear()
            for client in clients:
                client.send(request('/wait'))
            support.wait_until(lambda: self.app.inside == 100)
            self.app.go.set()
            for client in clients:
                self.assertEqual(client.response().body, b'/wait')
        support.wait_until(lambda: self.server.core.active == 0)
        self.assertLessEqual(len(self.server.spare), 64)
        self.assertLess(len(set(self.app.workers)), 300)

    def test_one_that_dies(self):
        for _ in range(10):
            client = self.connect()
            self.assertEqual(client.ask('/die').status, 500)
            self.assertEqual(client.rest(), b'')

    def test_all_who_wait_die(self):
        clients, last = [self.connect() for _ in range(10)], self.connect()
        for client in clients:
            client.send(request('/wait'))
        support.wait_until(lambda: self.app.inside == 10)
        for worker in set(self.app.workers):
            worker.kill(block=False)
        for client in clients:
            client.rest()
        self.assertEqual(last.ask('/x').body, b'/x')

    def test_requests_that_come_while_one_is_served(self):
        client = self.connect()
        client.send(request('/wait/1'))
        support.wait_until(lambda: self.app.inside == 1)
        client.send(request('/2'))
        client.send(request('/3')[:10])
        coio.sleep()
        self.app.go.set()
        self.assertEqual([client.response().body for _ in range(2)], [b'/wait/1', b'/2'])
        client.send(request('/3')[10:])
        self.assertEqual(client.response().body, b'/3')

    def test_heads_as_long_as_one_read(self):
        client = self.connect()
        for size in 4095, 4096, 4097, 8192:
            head = request('/x', 'X: ' + 'y' * (size - len(request('/x', 'X: '))))
            self.assertEqual(len(head), size)
            for data in head, head + request('/x'), request('/x') * 70 + head:
                client.send(data)
                for _ in range(data.count(b'GET')):
                    self.assertEqual(client.response().body, b'/x')

    def test_an_end_that_comes_with_the_request(self):
        for count, rest in (1, b''), (3, b''), (2, request('/x')[:20]):
            client = self.connect()
            client.send(request('/x') * count + rest)
            client.sock.shutdown(socket.SHUT_WR)
            for _ in range(count):
                self.assertEqual(client.response().body, b'/x')
            self.assertEqual(client.rest(), b'')
        support.wait_until(lambda: self.server.connections == 0)

    def test_a_client_that_goes_while_it_is_served(self):
        client = self.connect()
        client.send(request('/wait'))
        support.wait_until(lambda: self.app.inside == 1)
        client.close()
        self.app.go.set()
        support.wait_until(lambda: self.server.connections == 0)

    def test_others_have_their_turn(self):
        turns = []

        def count():
            while True:
                turns.append(len(self.app.workers))
                coio.sleep()
        counting = coio.spawn(count)
        clients = [self.connect() for _ in range(4)]
        for client in clients:
            client.send(request('/x') * 5000)
        for client in clients:
            for _ in range(5000):
                self.assertEqual(client.response().status, 200)
        counting.kill()
        self.assertGreater(len(set(turns)), 4)

    def test_all_end_with_the_server(self):
        clients = [self.connect() for _ in range(30)]
        for client in clients:
            client.send(request('/wait'))
        support.wait_until(lambda: self.app.inside == 30)
        self.app.go.set()
        for client in clients:
            client.response()
        self.assertTrue(self.server.stop(support.HANG))
        for client in clients:
            self.assertEqual(client.rest(), b'')
        support.wait_until(lambda: all(worker.ended for worker in self.app.workers))
        self.assertEqual(self.server.spare, [])


if __name__ == '__main__':
    unittest.main()
