# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
"""The HTTP server: a graceful stop loses no request that has come, and leaves the socket to others."""
import socket
import threading
import unittest

import support
from coroutines import coio
from http_case import HttpCase, hello, request


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Stop(HttpCase):
    def setUp(self):
        super().setUp()
        self.stopped = threading.Event()

    def application(self, environ, start_response):
        """A thread of the server may be here before the stop, a coroutine of it not."""
        if environ['PATH_INFO'] == '/last':
            self.assertTrue(self.stopped.wait(support.HANG))
        return hello(environ, start_response)

    def stop(self):
        self.server.stop(0)
        self.stopped.set()

    def check(self, client):
        response = client.response()
        self.assertEqual((response.status, response.get('Connection'), response.body), (200, 'close', b'hello'))
        self.assertEqual(client.rest(), b'')

    def test_the_first_request_of_a_connection(self):
        self.serve(self.application)
        early, late, silent = (self.connect() for _ in range(3))
        while self.server.connections < 3:
            coio.sleep(0.001)
        early.send(request('/last'))
        self.stop()
        late.send(request('/last'))
        self.check(early)
        self.check(late)
        self.assertEqual(silent.rest(), b'')

    def test_what_has_come_on_one_that_is_kept(self):
        self.serve(self.application)
        clients = [self.connect() for _ in range(2)]
        for client in clients:
            self.assertEqual(client.ask().status, 200)
        while self.server.core.resting + len(self.server.idle) < 2:
            coio.sleep(0.01)
        for client in clients:
            client.send(request('/last'))
        self.stop()
        for client in clients:
            self.check(client)

    def test_one_that_is_kept_and_asks_nothing(self):
        self.serve()
        client = self.connect()
        self.assertEqual(client.ask().status, 200)
        self.assertTrue(self.server.stop(support.HANG))
        self.assertEqual(client.rest(), b'')

    def test_others_go_on_with_the_socket(self):
        self.serve()
        other = socket.socket(fileno=socket.dup(self.servers[-1][1].fileno()))
        self.addCleanup(other.close)
        self.assertTrue(self.server.stop(support.HANG))
        self.servers[-1][2].join(support.HANG)
        client = self.connect()
        sock, _ = other.accept()
        with sock:
            client.send(b'for the other')
            self.assertEqual(sock.recv(100), b'for the other')


if __name__ == '__main__':
    support.main()
