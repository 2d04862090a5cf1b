# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# modes: preload
"""environ['syncless.hijack']: a connection that the application takes over."""
import contextlib
import socket
import time
import unittest

import http_case
import support
from coroutines import coio

UPGRADE = ('Connection: Upgrade', 'Upgrade: something')


def upgrade(*headers, **kwargs):
    return http_case.request('/', *UPGRADE, *headers, **kwargs)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Hijack(http_case.HttpCase):
    def serve_taken(self, function, **options):
        """function(connection) is the application, once it has taken the connection over."""
        self.ended = []

        def end(error):
            self.ended.append(error)
            return isinstance(error, ConnectionError)

        def application(environ, start_response):
            self.connection = environ['syncless.hijack'](end=end)
            return function(self.connection) or []
        return self.serve(application, **options)

    def test_bytes(self):
        """What has come with the request comes first; no answer of the server's is between."""
        def application(connection):
            connection.sendall(b'begun,', b'')
            connection.sendall(connection.recv(3), connection.recv(100))
            connection.sendall(connection.recv(100).upper())
            self.assertEqual(connection.recv(100), b'')
        self.serve_taken(application)
        client = self.connect()
        client.send(upgrade() + b'abcdef')
        self.assertEqual(client._exactly(12), b'begun,abcdef')
        client.send(b'later')
        self.assertEqual(client._exactly(5), b'LATER')
        client.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(client.rest(), b'')
        self.assertEqual(self.ended, [None])

    def test_large(self):
        def application(connection):
            left = 3 << 20
            while left:
                piece = connection.recv(1 << 20)
                left -= len(piece)
                connection.sendall(piece)
        self.serve_taken(application)
        client = self.connect()
        client.send(upgrade())
        data = bytes(range(256)) * 12288
        sender = coio.spawn(client.send, data)
        self.assertEqual(client._exactly(len(data)), data)
        sender.join()

    def test_deadline(self):
        found = []

        def application(connection):
            for seconds in 0.2, 0.05, 0.1:
                began = time.monotonic()
                with self.assertRaises(TimeoutError):
                    connection.recv(10, began + seconds)
                found.append(time.monotonic() - began >= seconds)
            found.append(connection.recv(10, None))
            found.append(connection.recv(10, time.monotonic() + support.HANG))
        self.serve_taken(application)
        client = self.connect()
        client.send(upgrade())
        support.wait_until(lambda: len(found) == 3)
        client.send(b'a')
        support.wait_until(lambda: len(found) == 4)
        client.send(b'b')
        self.assertEqual(client.rest(), b'')
        self.assertEqual(found, [True, True, True, b'a', b'b'])

    def test_what_the_application_returns_is_ignored(self):
        """Frameworks call start_response() and return a body, whatever a function of the program's has done."""
        def framework(environ, start_response):
            environ['syncless.hijack']().sendall(b'taken')
            write = start_response('200 OK', [])
            write(b'ignored')
            yield b'ignored'
            yield b'as well'
        for application in framework, lambda *args: list(framework(*args)), lambda *args: framework(*args):
            self.serve(application)
            self.assertEqual(self.raw(upgrade()), b'taken')

    def test_who_may(self):
        seen = []

        def application(environ, start_response):
            seen.append('syncless.hijack' in environ)
            return http_case.hello(environ, start_response)
        self.serve(application)
        self.raw(upgrade('Connection: close'))
        self.raw(http_case.request('/', 'Connection: close'))
        self.raw(http_case.request('/', 'Connection: close, Upgrade'))
        self.raw(http_case.request('/', 'Connection: close', 'Upgrade: something'))
        self.raw(upgrade(version='1.0'))
        self.raw(upgrade('Connection: close', method='POST', body=b'body'))
        self.raw(upgrade('Connection: close', method='POST', body=b'').replace(
            b'\r\n\r\n', b'\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'))
        self.assertEqual(seen, [True] + 6 * [False])

    def test_untaken_ones_are_kept(self):
        """An application that answers such a request keeps the connection for the next one."""
        hijacks = []

        def application(environ, start_response):
            hijacks.append(environ.get('syncless.hijack'))
            return http_case.hello(environ, start_response)
        self.serve(application)
        client = self.connect()
        client.send(upgrade())
        self.assertEqual(client.response().body, b'hello')
        self.assertEqual(client.ask().body, b'hello')
        with self.assertRaisesRegex(RuntimeError, "after the request's end"):
            hijacks[0]()

    def test_not_twice_and_not_behind_an_answer(self):
        def twice(environ, start_response):
            connection = environ['syncless.hijack']()
            with self.assertRaisesRegex(RuntimeError, 'twice'):
                environ['syncless.hijack']()
            connection.sendall(b'once')
            return []
        self.serve(twice)
        self.assertEqual(self.raw(upgrade()), b'once')

        def answered(environ, start_response):
            start_response('200 OK', [('Connection', 'close')])(b'an answer')
            with self.assertRaisesRegex(RuntimeError, 'an answer has begun'):
                environ['syncless.hijack']()
            return []
        self.serve(answered)
        self.assertIn(b'an answer', self.raw(upgrade()))

    def test_errors(self):
        """Logged, unless the application's end() says that there is no need."""
        def fails(connection):
            raise KeyError('my secret')
        server = self.serve_taken(fails)
        with self.assertLogs('syncless.wsgi', 'ERROR') as logged:
            self.assertEqual(self.raw(upgrade()), b'')
        self.assertIn('my secret', logged.output[0])
        self.assertEqual((len(self.ended), server.core.errors), (1, 1))

        def is_left(connection):
            raise ConnectionError('the client is gone')
        server = self.serve_taken(is_left)
        with self.assertNoLogs('syncless.wsgi') if hasattr(self, 'assertNoLogs') else contextlib.nullcontext():
            self.assertEqual(self.raw(upgrade()), b'')
        self.assertEqual((len(self.ended), server.core.errors), (1, 0))

    def test_end_fails(self):
        def application(environ, start_response):
            environ['syncless.hijack'](end=lambda error: 1 / 0).sendall(b'all the same')
            return []
        self.serve(application)
        with self.assertLogs('syncless.wsgi', 'ERROR') as logged:
            self.assertEqual(self.raw(upgrade()), b'all the same')
        self.assertIn('ZeroDivisionError', logged.output[0])

    def test_wrong_use(self):
        def application(connection):
            with self.assertRaisesRegex(ValueError, 'a size above 0'):
                connection.recv(0)
            with self.assertRaises(TypeError):
                connection.sendall('text')
            with self.assertRaises(TypeError):
                connection.recv(1, 'soon')
            other = coio.spawn(connection.recv, 1)
            coio.sleep()
            with self.assertRaisesRegex(ValueError, 'another coroutine'):
                connection.recv(1)
            connection.shutdown(socket.SHUT_RD)
            self.assertEqual(other.get(), b'')
            connection.sendall(b'well')
        self.serve_taken(application)
        self.assertEqual(self.raw(upgrade()), b'well')

    def test_left_inside(self):
        """The application returns while others are in recv() and sendall(): these end, and with them the connection."""
        others = []

        def application(connection):
            others.append(coio.spawn(connection.recv, 1))
            others.append(coio.spawn(self.send_for_ever, connection))
            coio.sleep()
        server = self.serve_taken(application)
        client = self.connect()
        client.send(upgrade())
        support.wait_until(lambda: others and all(other.ended for other in others))
        self.assertEqual(others[0].get(), b'')
        self.assertIsNone(others[1].exception)
        support.wait_until(lambda: server.connections == 0)
        for call in (lambda: self.connection.recv(1)), (lambda: self.connection.sendall(b'x')):
            with self.assertRaisesRegex(ConnectionError, 'the request is over'):
                call()
        self.connection.shutdown(socket.SHUT_RDWR)

    def send_for_ever(self, connection):
        with contextlib.suppress(ConnectionError):
            while True:
                connection.sendall(b'x' * 100000)

    def test_client_that_takes_nothing(self):
        self.serve_taken(self.send_for_ever, write_seconds=0.1)
        client = self.connect()
        client.send(upgrade())
        support.wait_until(lambda: self.ended)

    def test_stop(self):
        """The applications are told, and waited for."""
        told, gate = [], coio.Event()

        def application(environ, start_response):
            connection = environ['syncless.hijack'](stop=lambda: [told.append(connection.stopping), gate.set()])
            connection.sendall(b'begun')
            gate.wait()
            connection.sendall(b',ended')
            return []
        server = self.serve(application)
        client = self.connect()
        client.send(upgrade())
        self.assertEqual(client._exactly(5), b'begun')
        self.assertTrue(server.stop(support.HANG))
        self.assertEqual(client.rest(), b',ended')
        self.assertEqual(told, [True])

    def test_access_log(self):
        rows = []
        self.serve_taken(lambda connection: connection.sendall(b'12345'), access_log=lambda *row: rows.append(row[1:3]))
        self.raw(upgrade())
        self.assertEqual(rows, [(101, 5)])

    def test_killed(self):
        """Whoever is killed in the application ends, and so does the connection."""
        inside = []

        def application(connection):
            inside.append(coio.current())
            connection.recv(1)
        server = self.serve_taken(application)
        client = self.connect()
        client.send(upgrade())
        support.wait_until(lambda: inside)
        inside[0].kill()
        self.assertEqual(client.rest(), b'')
        self.assertEqual(server.connections, 0)
        self.assertIsInstance(self.ended[0], coio.GreenletExit)


class AnswersItself(http_case.HttpCase):
    def test_wsgi_answer(self):
        """An exception with a method wsgi_answer() is one that answers the request, and is no fault."""
        class Teapot(Exception):
            def wsgi_answer(self, start_response):
                start_response('418 I am a teapot', [])
                return [b'short and stout']

        def application(environ, start_response):
            start_response('200 OK', [])
            raise Teapot
        server = self.serve(application)
        client = self.connect()
        for _ in range(2):  # the connection is in order
            response = client.ask()
            self.assertEqual((response.status, response.body), (418, b'short and stout'))
        self.assertEqual(server.core.errors, 0)

    def test_upgrade_required(self):
        """The one status that goes with Upgrade."""
        def application(environ, start_response):
            start_response(environ['PATH_INFO'][1:] + ' x', [('Upgrade', 'a'), ('Connection', 'Upgrade')])
            return []
        self.serve(application)
        self.assertEqual(self.ask('/426').headers[:2], [('Upgrade', 'a'), ('Connection', 'Upgrade')])
        self.assertIsNone(self.ask('/200').get('Upgrade'))


if __name__ == '__main__':
    support.main()
