# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The HTTP server: what clients may do, and for how long; plainly and over TLS."""
import logging
import socket
import ssl
import tempfile
import unittest

import certificate
import support
from http_case import HttpCase, hello, request

from syncless import wsgi


def endless(environ, start_response):
    start_response('200 OK', [])
    while True:
        yield b'x' * 100000


def read_all(environ, start_response):
    body = environ['wsgi.input'].read()
    start_response('200 OK', [])
    return [b'%d' % len(body)]


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Limits(HttpCase):
    def assert_over(self, status, *data, **limits):
        """The answer to these bytes, behind which the connection ends."""
        server = self.serve(read_all, **limits)
        client = self.connect()
        for piece in data:
            client.send(piece)
        response = client.response()
        self.assertEqual((response.status, response.get('Connection')), (status, 'close'))
        self.assertEqual(client.rest(), b'')
        client.close()
        support.wait_until(lambda: server.connections == 0)

    def test_sizes(self):
        for status, data, limits in (
                (414, b'GET /' + b'x' * 200, {'line_bytes': 100}),
                (414, request('/' + 'x' * 100), {'line_bytes': 100}),
                (431, request('/', 'X: ' + 'x' * 300)[:-2], {'head_bytes': 300}),
                (431, request('/', 'X: ' + 'x' * 300), {'head_bytes': 300}),
                (431, request('/', *['X: x'] * 5), {'headers': 5}),
                (413, request('/', 'Content-Length: 101', method='POST'), {'body_bytes': 100}),
                (413, request('/', 'Transfer-Encoding: chunked', method='POST') + b'50\r\n' + b'x' * 80 + b'\r\n50\r\n',
                 {'body_bytes': 100})):
            self.assert_over(status, data, **limits)
        self.assert_over(431, request('/', *['X: x'] * 200), headers=1000)  # 128 is the most

    def test_as_large_as_they_may_be(self):
        self.serve(read_all, line_bytes=len(b'GET / HTTP/1.1\r\n') + 10, headers=2, body_bytes=100)
        client = self.connect()
        self.assertEqual(client.ask('/' + 'x' * 10, 'X: x').status, 200)
        self.assertEqual(client.ask('/' + 'x' * 9, method='POST', body=b'x' * 100).body, b'100')
        head = request('/', 'X: x')
        self.serve(head_bytes=len(head))
        self.assertEqual(self.ask('/', 'X: x').status, 200)

    def test_a_body_that_nobody_reads(self):
        self.serve(discard_bytes=1000)
        client = self.connect()
        self.assertEqual(client.ask(method='POST', body=b'x' * 1000).status, 200)
        self.assertEqual(client.ask(method='POST', body=b'x' * 1001).status, 200)
        self.assertEqual(client.rest(), b'')

    def test_deadlines(self):
        server = self.serve(head_seconds=0.1, idle_seconds=0.1, body_seconds=0.1)
        idle, head = self.connect(), self.connect()
        head.send(b'GET / HT')
        self.assertEqual(head.response().status, 408)
        self.assertEqual(head.rest(), b'')
        head.close()
        self.assertEqual(idle.rest(), b'')
        support.wait_until(lambda: server.connections == 0)
        self.assert_over(408, request('/', 'Content-Length: 9', method='POST') + b'x', body_seconds=0.1)

    def test_a_head_byte_by_byte(self):
        """Each byte comes in time, the head as a whole does not."""
        self.serve(head_seconds=0.3)
        client = self.connect()
        client.send(b'GET /')
        client.sock.settimeout(0.05)
        while not client.data:
            try:
                client._more()
            except socket.timeout:
                client.send(b'x')
        client.sock.settimeout(support.HANG)
        self.assertEqual(client.response().status, 408)

    def test_a_client_that_takes_nothing(self):
        server = self.serve(endless, write_seconds=0.1)
        client = self.connect()
        client.send(request())
        client._upto(b'\r\n')
        support.wait_until(lambda: server.connections == 0)
        with self.assertRaises(OSError):  # a reset: the kernel has nothing left to send
            while client._more():
                pass

    def test_as_many_as_there_may_be(self):
        server = self.serve(connections=3, requests=2)
        clients = [self.connect() for _ in range(3)]
        for client in clients:
            client.ask()
        more = self.connect()
        self.assertEqual(more.response().status, 503)
        self.assertEqual(more.rest(), b'')
        self.assertEqual(clients[0].ask().get('Connection'), 'close')
        self.assertEqual(clients[0].rest(), b'')
        support.wait_until(lambda: server.connections == 2)
        self.assertEqual(self.ask().status, 200)

    def test_a_burst_beyond_the_limit(self):
        """Those that are accepted at once are counted, too."""
        self.serve(connections=5)
        clients = [self.connect() for _ in range(20)]
        for client in clients:
            client.send(request('/', 'Connection: close'))
        self.assertLessEqual({client.response().status for client in clients}, {200, 503})
        self.assertLessEqual(self.server.connections, 5)


class LimitsOverTls(Limits):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        pem = certificate.make(folder.name)
        cls.tls = wsgi.Tls(pem)
        cls.context = ssl.create_default_context(cafile=pem)


class Wrong(unittest.TestCase):
    def test_limits(self):
        with wsgi.listen(('127.0.0.1', 0)) as listener:
            with self.assertRaisesRegex(ValueError, 'body_bytes must not be negative, as -1 is'):
                wsgi.HttpServer(hello, listener, body_bytes=-1)
            with self.assertRaisesRegex(TypeError, 'body_size'):
                wsgi.HttpServer(hello, listener, body_size=1)


if __name__ == '__main__':
    logging.getLogger('syncless.wsgi').addHandler(logging.NullHandler())
    unittest.main()
