# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The HTTP server: what applications answer, connections that are kept, limits, and the end."""
import io
import json
import logging
import os
import socket
import tempfile
import time
import unittest

import support
from coroutines import coio
from http_case import DATE, Client, HttpCase, hello, request

from syncless import wsgi


def answer(result, status='200 OK', headers=()):
    def application(environ, start_response):
        start_response(status, list(headers))
        return result() if callable(result) else result
    return application


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Answers(HttpCase):
    def test_to_the_byte(self):
        self.serve()
        client = self.connect()
        for headers, line in ((), b''), (('Connection: close',), b'Connection: close\r\n'):
            client.send(request('/', *headers))
            seen = client._upto(b'\r\n\r\n') + b'\r\n'
            self.assertRegex(seen, DATE)
            self.assertEqual(DATE.sub(b'', seen), b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n'
                             b'Server: syncless\r\n' + line)
            self.assertEqual(client._exactly(5), b'hello')
        self.assertEqual(client.rest(), b'')

    def test_bodies_of_any_kind(self):
        big = b'x' * 300000
        for make, body in ((lambda: [b'a', b'', b'bc'], b'abc'), (lambda: (b'a', b'b'), b'ab'), (lambda: [], b''),
                           (lambda: iter([b'', b'a', b'', b'b']), b'ab'), (lambda: (b'%d' % n for n in range(3)), b'012'),
                           (lambda: iter([]), b''), (lambda: [big], big), (lambda: iter([big, big]), big + big),
                           (lambda: {b'key': 1}, b'key')):
            self.serve(answer(make))
            client = self.connect()
            for _ in range(2):
                response = client.ask()
                self.assertEqual(response.body, body)
            is_known = isinstance(make(), (list, tuple)) or not body
            self.assertEqual(response.get('Transfer-Encoding'), None if is_known else 'chunked')
            self.assertEqual(self.ask(version='1.0').body, body)
            self.assertEqual(client.ask(method='HEAD').body, b'')
            self.assertEqual(client.ask().body, body)

    def test_write(self):
        def application(environ, start_response):
            write = start_response('200 OK', [])
            write(b'one ')
            write(b'')
            write(b'two ')
            return [b'three']
        self.serve(application)
        client = self.connect()
        for _ in range(2):
            response = client.ask()
            self.assertEqual((response.body, response.get('Transfer-Encoding')), (b'one two three', 'chunked'))
        self.assertEqual(self.ask(version='1.0').body, b'one two three')

    def test_statuses_without_a_body(self):
        for status in '204 No Content', '304 Not Modified':
            self.serve(answer([b'none of this'], status, [('Content-Length', '12'), ('ETag', 'x')]))
            client = self.connect()
            for _ in range(2):
                response = client.ask()
                self.assertEqual((response.status, response.get('Content-Length'), response.get('ETag')),
                                 (int(status[:3]), None, 'x'))

    def test_head_keeps_what_the_application_said(self):
        closed = []

        class Body(list):
            def close(self):
                closed.append(1)

        class Iterated:
            def __iter__(self):
                return iter([b'x' * 10])

            def close(self):
                closed.append(2)
        self.serve(answer(Iterated, headers=[('Content-Length', '10')]))
        client = self.connect()
        for _ in range(2):
            self.assertEqual(client.ask(method='HEAD').get('Content-Length'), '10')
        support.wait_until(lambda: len(closed) == 2)  # a thread may be late: the answer is out before
        self.assertEqual(closed, [2, 2])

    def test_head_without_a_body(self):
        """An application that returns nothing for it has not said how long the body would be."""
        self.serve(answer([]))
        client = self.connect()
        for _ in range(2):
            response = client.ask(method='HEAD')
            self.assertEqual((response.get('Content-Length'), response.get('Transfer-Encoding')), (None, None))
        self.assertEqual(client.ask().get('Content-Length'), '0')

    def test_close_is_always_called(self):
        closed = []

        class Body:
            def __init__(self, items):
                self.items = items

            def __iter__(self):
                for item in self.items:
                    if item is None:
                        raise ValueError('for a test')
                    yield item

            def close(self):
                closed.append(1)
        with self.assertLogs('syncless.wsgi', 'ERROR'):
            for n, items in enumerate(([b'a'], [], [None], [b'a', None], [1]), 1):
                self.serve(answer(lambda items=items: Body(items)))
                client = self.connect()
                client.send(request())
                client.rest() if n > 2 else client.response()
                support.wait_until(lambda n=n: len(closed) == n)

    def test_file(self):
        with tempfile.NamedTemporaryFile() as file:
            data = os.urandom(3000000)
            file.write(data)
            file.flush()

            def application(environ, start_response):
                found = open(file.name, 'rb')
                found.read(int(environ['QUERY_STRING'] or 0))
                start_response('200 OK', [])
                return environ['wsgi.file_wrapper'](found, 8192)
            self.serve(application)
            client = self.connect()
            for skip in 0, 1234567, 3000000:
                response = client.ask(f'/?{skip}')
                self.assertEqual(response.get('Content-Length'), str(len(data) - skip))
                self.assertTrue(response.body == data[skip:])
            self.assertEqual(client.ask(method='HEAD').get('Content-Length'), '3000000')

    def test_file_that_is_none(self):
        self.serve(lambda environ, start: start('200 OK', []) and environ['wsgi.file_wrapper'](io.BytesIO(b'abc' * 9), 4))
        response = self.ask()
        self.assertEqual((response.body, response.get('Transfer-Encoding')), (b'abc' * 9, 'chunked'))

    def test_headers_of_the_connection_are_the_servers(self):
        self.serve(answer([b'x'], headers=[('Connection', 'keep-alive'), ('Keep-Alive', 'x'), ('X', 'y')]))
        response = self.ask()
        self.assertEqual([name for name, _ in response.headers], ['X', 'Content-Length', 'Server', 'Date'])
        for own in ('Date', 'Sun, 29 Nov 2026 20:00:00 GMT'), ('Server', 'own/1'):
            self.serve(answer([b'x'], headers=[own]))
            response = self.ask()
            self.assertEqual(response.get(own[0]), own[1])
            self.assertEqual(sorted(name for name, _ in response.headers), ['Content-Length', 'Date', 'Server'])
        self.serve(answer([b'x'], headers=[('Connection', 'close')]))
        client = self.connect()
        self.assertEqual(client.ask().get('Connection'), 'close')
        self.assertEqual(client.rest(), b'')

    def test_mistakes_of_the_application(self):
        def late(environ, start_response):
            start_response('200 OK', [])
            yield b'begun'
            raise ValueError('for a test')

        def twice(environ, start_response):
            start_response('200 OK', [])
            start_response('200 OK', [])

        def fails(environ, start_response):
            raise ValueError('for a test')
        cases = [(fails, 'ValueError: for a test'), (lambda e, s: [b'x'], 'has not called start_response'),
                 (twice, 'called again'), (answer([b'x'], '200'), 'like .200 OK.'), (answer([b'x'], 'OK'), 'like .200 OK.'),
                 (answer([b'x'], '200 O\nK'), 'like .200 OK.'),
                 (answer([], '100 Continue'), 'like .200 OK.'),
                 (answer([b'12345'], headers=[('Content-Length', '3')]), 'has returned 5 bytes'),
                 (answer([b'1', b'2'], headers=[('Content-Length', '3')]), 'has returned 2 bytes'),
                 (answer([b'x'], headers=[('Content-Length', '1'), ('content-length', '1')]), 'stand once'),
                 (answer([b'x'], headers=[('A', 'b\0c')]), 'no header can be made'),
                 (answer([b'x'], headers=[('A:', 'c')]), 'no header can be made'),
                 (answer([b'x'], headers=[('A\n', 'c')]), 'no header can be made'),
                 (answer([b'x'], headers=[('A', '\u20ac')]), 'latin-1'),
                 *((answer([b'x'], headers=[(name, 'x')]), f'{name} concerns the connection') for name in (
                     'Transfer-Encoding', 'TE', 'Trailer', 'Upgrade', 'Proxy-Authenticate', 'Proxy-Authorization')),
                 (answer(['x']), 'must consist of bytes'),
                 (answer(None), 'NoneType'), (answer([b'x'], headers=[('A', 'b\r\nC: d')]), 'no header can be made'),
                 (answer([b'x'], headers=[('A b', 'c')]), 'no header can be made'),
                 (answer([b'x'], headers=[('A', 1)]), 'must be a str'), (answer([b'x'], headers=[('A',)]), 'tuples of two'),
                 (answer([b'x'], headers=[('Content-Length', 'x')]), 'must be a number'),
                 (answer([b'x'], headers=[('Content-Length', '-1')]), 'must be a number'),
                 (lambda e, s: [s('200 OK', (('A', 'b'),))], 'must be a list')]
        for application, what in cases:
            with self.subTest(what), self.assertLogs('syncless.wsgi', 'ERROR') as logged:
                self.serve(application)
                response = self.ask('/path')
                self.assertEqual((response.status, response.body, response.get('Connection')),
                                 (500, b'Internal Server Error\n', 'close'))
                self.assertRegex(logged.output[0], f'GET /path(.|\n)*{what}')
        for application, body in ((late, b'5\r\nbegun\r\n'),
                                  (answer(lambda: iter([b'12345']), headers=[('Content-Length', '3')]), b'123'),
                                  (answer(lambda: iter([b'1']), headers=[('Content-Length', '3')]), b'1')):
            with self.assertLogs('syncless.wsgi', 'ERROR'):
                self.serve(application)
                seen = self.raw(request())
                self.assertTrue(seen.endswith(b'\r\n\r\n' + body), seen)

    def test_exc_info(self):
        import sys

        def application(environ, start_response):
            start_response('200 OK', [('A', 'b')])
            try:
                raise ValueError('for a test')
            except ValueError:
                start_response('500 Oh', [('C', 'd')], sys.exc_info())
            return [b'sorry']
        self.serve(application)
        response = self.ask()
        self.assertEqual((response.status, response.get('A'), response.get('C'), response.body), (500, None, 'd', b'sorry'))

        def too_late(environ, start_response):
            start_response('200 OK', [])(b'begun')
            try:
                raise KeyError('the first')
            except KeyError:
                start_response('500 Oh', [], sys.exc_info())
        with self.assertLogs('syncless.wsgi', 'ERROR') as logged:
            self.serve(too_late)
            self.raw(request())
        self.assertIn("KeyError: 'the first'", logged.output[0])


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Connections(HttpCase):
    def test_keep_alive(self):
        self.serve()
        for version, headers, kept in (('1.1', (), True), ('1.1', ('Connection: close',), False), ('1.0', (), False),
                                       ('1.0', ('Connection: Keep-Alive',), True),
                                       ('1.1', ('Connection: x, Close',), False),
                                       ('1.1', ('Connection: close', 'Connection: keep-alive'), False),
                                       ('1.0', ('Connection: close, keep-alive',), False),
                                       ('1.0', ('Connection: x,, keep-alive',), True)):
            client = self.connect()
            response = client.ask('/', *headers, version=version)
            self.assertEqual(response.get('Connection'),
                             None if kept and version == '1.1' else 'keep-alive' if kept else 'close')
            if kept:
                self.assertEqual(client.ask('/', 'Connection: close').body, b'hello')
            self.assertEqual(client.rest(), b'')

    def test_pipelining(self):
        seen = []

        def application(environ, start_response):
            seen.append(environ['PATH_INFO'])
            start_response('200 OK', [])
            coio.sleep()
            return [environ['PATH_INFO'].encode()]
        self.serve(application)
        client = self.connect()
        client.send(b''.join(request(f'/{n}', method='POST', body=b'x' * n) for n in range(200)))
        self.assertEqual([client.response().body for _ in range(200)], [b'/%d' % n for n in range(200)])
        self.assertEqual(seen, [f'/{n}' for n in range(200)])

    def test_many_wait_at_once(self):
        """An application that blocks holds up nobody: all are in it before the first goes on."""
        inside, gate = [], coio.Event()

        def application(environ, start_response):
            inside.append(1)
            if len(inside) == 100:
                gate.set()
            gate.wait()
            start_response('200 OK', [])
            return [b'through']
        self.serve(application)
        clients = [self.connect() for _ in range(100)]
        for client in clients:
            client.send(request())
        self.assertEqual({client.response().body for client in clients}, {b'through'})

    def test_idle_ones_have_no_coroutine(self):
        server = self.serve()
        clients = [self.connect() for _ in range(20)]
        for client in clients[:10]:
            client.ask()
        support.wait_until(lambda: server.core.resting == 20)
        self.assertEqual(server.core.active, 0)
        for client in clients:
            self.assertEqual(client.ask().body, b'hello')
        support.wait_until(lambda: server.core.resting == 20)
        clients.pop().close()
        support.wait_until(lambda: server.connections == 19)

    def test_without_descriptors(self):
        """accept() fails for want of them; when there are some again, it goes on."""
        import resource
        self.serve()
        client = self.connect()
        client.ask()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        waiting = socket.socket()
        waiting.settimeout(support.HANG)
        lowest = os.dup(0)
        os.close(lowest)
        with self.assertLogs('syncless.wsgi', 'ERROR') as logged:
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
            try:
                waiting.connect(self.address)
                waiting.send(request())
                support.wait_until(lambda: logged.output)
                self.assertEqual(client.ask().body, b'hello')
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertTrue(waiting.recv(100).startswith(b'HTTP/1.1 200'))
        waiting.close()

    def test_stop(self):
        """Idle connections end, the others after their answers."""
        entered, gate = coio.Event(), coio.Event()

        def application(environ, start_response):
            if environ['PATH_INFO'] == '/wait':
                entered.set()
                gate.wait()
            return hello(environ, start_response)
        server = self.serve(application)
        idle, waiting, busy = self.connect(), self.connect(), self.connect()
        idle.ask()
        support.wait_until(lambda: server.core.resting == 3)
        waiting.ask()
        busy.send(request('/wait'))
        entered.wait()
        self.assertFalse(server.stop(0))
        self.assertEqual((idle.rest(), waiting.rest()), (b'', b''))
        with self.assertRaises(OSError):
            Client(self.address)
        gate.set()
        response = busy.response()
        self.assertEqual((response.body, response.get('Connection')), (b'hello', 'close'))
        self.assertTrue(server.stop(support.HANG))

    def test_access_log(self):
        for make, check in ((wsgi._log.Common, lambda line: self.assertRegex(
                line, r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /a\\"b HTTP/1\.1" 200 5$')),
                (wsgi._log.Json, lambda line: self.assertLessEqual(
                    {'target': '/a"b', 'status': 200, 'bytes': 5, 'agent': 'tester'}.items(), json.loads(line).items()))):
            stream = io.StringIO()
            self.serve(access_log=make(stream))
            self.ask('/a"b', 'User-Agent: tester')
            check(stream.getvalue().rstrip('\n'))

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(folder + '/socket')
            listener.listen()
            server = wsgi.HttpServer(lambda e, s: [s('200 OK', []) and repr(e['REMOTE_ADDR']).encode()], listener)
            serving = coio.spawn(server.serve)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(folder + '/socket')
                sock.sendall(request('/', 'Connection: close'))
                with sock.makefile('rb') as file:
                    self.assertTrue(file.read().endswith(b"''"))
            server.stop()
            serving.join()

    def test_two_thousand_connections(self):
        server = self.serve()
        clients = [Client(self.address) for _ in range(2000)]
        for client in clients:
            client.send(request())
        for client in clients:
            self.assertEqual(client.response().body, b'hello')
        self.assertEqual(server.core.requests, 2000)
        for client in clients:
            client.close()
        support.wait_until(lambda: server.connections == 0)


if __name__ == '__main__':
    logging.getLogger('syncless.wsgi').addHandler(logging.NullHandler())
    unittest.main()
