# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The HTTP server: requests as they should be, as they must not be, and what an application sees of them."""
import socket
import struct
import unittest
import warnings
from wsgiref.validate import validator

import http_case
import support
from coroutines import coio
from http_case import HttpCase, request


METHODS = 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'FROB'


def echo_environ(environ, start_response):
    """The strings of the environ, sorted."""
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [repr(sorted((key, value) for key, value in environ.items() if isinstance(value, str))).encode()]


def echo_body(environ, start_response):
    body = environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Length', str(len(body)))])
    return [body]


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Environ(HttpCase):
    def environ(self, *args, **kwargs):
        self.serve(echo_environ)
        response = self.ask(*args, **kwargs)
        self.assertEqual(response.status, 200)
        return dict(eval(response.body))

    def test_of_a_request(self):
        found = self.environ('/a/b%20c;d?x=1&y=%20', 'Accept-Language: de', 'X-Two: 1', 'X-Two: 2', 'Cookie: a=1',
                             'Cookie: b=2', 'Content-Type: text/x', 'X-Spaces: \t  in the middle \t ')
        for key, value in {
                'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '', 'PATH_INFO': '/a/b c;d', 'QUERY_STRING': 'x=1&y=%20',
                'REQUEST_URI': '/a/b%20c;d?x=1&y=%20', 'SERVER_PROTOCOL': 'HTTP/1.1', 'REMOTE_ADDR': '127.0.0.1',
                'SERVER_NAME': '127.0.0.1', 'SERVER_PORT': str(self.address[1]), 'HTTP_HOST': 'example.org',
                'HTTP_ACCEPT_LANGUAGE': 'de', 'HTTP_X_TWO': '1, 2', 'HTTP_COOKIE': 'a=1; b=2', 'CONTENT_TYPE': 'text/x',
                'HTTP_X_SPACES': 'in the middle', 'wsgi.url_scheme': 'http'}.items():
            self.assertEqual(found[key], value)
        self.assertNotIn('CONTENT_LENGTH', found)
        self.assertNotIn('HTTP_CONTENT_TYPE', found)
        self.assertTrue(found['REMOTE_PORT'].isdigit())

    def test_bytes_are_latin_1(self):
        found = self.environ('/%C3%A4%ff%zz%4', 'X-Bytes: \xe4')
        self.assertEqual(found['PATH_INFO'], '/\xc3\xa4\xff%zz%4')
        self.assertEqual(found['HTTP_X_BYTES'], '\xe4')

    def test_absolute_target(self):
        found = self.environ('http://other.example:81/path?q')
        self.assertEqual((found['HTTP_HOST'], found['PATH_INFO'], found['QUERY_STRING']),
                         ('other.example:81', '/path', 'q'))

    def test_target_without_a_path(self):
        for method, target, path in (('OPTIONS', '*', ''), ('OPTIONS', 'http://a', ''), ('GET', 'http://a', '/'),
                                     ('GET', 'http://a?b', '/')):
            found = self.environ(target, method=method)
            self.assertEqual((found['PATH_INFO'], found['REQUEST_URI']), (path, target))

    def test_method_is_any_token(self):
        for method in 'FROB', 'get', 'PROPFIND', "!#$%&'*+-.^_`|~":
            self.assertEqual(self.environ('/', method=method)['REQUEST_METHOD'], method)

    def test_no_variable_of_a_proxy(self):
        self.assertNotIn('HTTP_PROXY', self.environ('/', 'Proxy: http://evil.example/'))

    def test_many_names(self):
        """More than are kept; each is right, twice."""
        self.serve(echo_environ)
        client = self.connect()
        for _ in range(2):
            for n in range(0, 600, 50):
                found = dict(eval(client.ask('/', *(f'X-{k}-Name: v{k}' for k in range(n, n + 50))).body))
                for k in range(n, n + 50):
                    self.assertEqual(found[f'HTTP_X_{k}_NAME'], f'v{k}')

    def test_wsgiref_finds_nothing_wrong(self):
        """With requests of all kinds, and all ways to read a body."""
        reads = {'read': lambda body: body.read(100), 'line': lambda body: body.readline(),
                 'list': lambda body: body.readlines()[0], 'iter': lambda body: next(iter(body))}

        def application(environ, start_response):
            body = reads[environ['QUERY_STRING'] or 'read'](environ['wsgi.input'])
            environ['wsgi.errors'].write('')
            start_response('200 OK', [('Content-Type', 'text/plain'), ('X-Own', 'x')])
            return [body or b'none']
        self.serve(validator(application))
        body = {'method': 'POST', 'body': b'some'}
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            warnings.filterwarnings('ignore', 'Unknown REQUEST_METHOD')
            for words, more in (
                    (('/x',), {}), (('/%ff%C3%A4/%2f?read',), {}), (('http://other.example',), {}),
                    (('http://[::1]:80/a?read',), {}), (('*',), {'method': 'OPTIONS'}),
                    (('/', 'Connection: close'), {}), (('/',), {'version': '1.0'}), (('/', 'Content-Type:'), {}),
                    (('/', 'Content-Length: 0'), {}),
                    (('/', 'A.b: c', 'A: \xe4', 'Proxy: x'), {}), (('/', 'Upgrade: h2c', 'Connection: upgrade'), {}),
                    (('/', 'X-A: 1', 'X-A: 2', 'Cookie: a', 'Cookie: b'), {}), (('/', 'Content-Type: text/x'), body),
                    (('/',), {**body, 'version': '1.0'}), *((('/?' + how,), body) for how in reads),
                    *((('/',), {'method': method}) for method in METHODS)):
                with self.subTest(words, **more):
                    response = self.ask(*words, **more)
                    self.assertEqual(response.status, 200)
                    if more.get('method') != 'HEAD':
                        self.assertEqual(response.body, more.get('body', b'none'))
            for how in reads:
                client = self.connect()
                client.send(request('/?' + how, 'Transfer-Encoding: chunked', method='PUT')
                            + b'4\r\nsome\r\n0\r\nA: b\r\n\r\n')
                self.assertEqual(client.response().body, b'some')


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Bodies(HttpCase):
    def test_with_length(self):
        self.serve(echo_body)
        client = self.connect()
        for body in b'x', b'some', b'x' * 100000:
            for method in 'POST', 'PUT', 'PATCH', 'GET', 'DELETE':
                self.assertEqual(client.ask('/', method=method, body=body).body, body)

    def test_chunked(self):
        self.serve(echo_body)
        client = self.connect()
        head = request('/', 'Transfer-Encoding: chunked', method='POST')
        for text, body in ((b'0\r\n\r\n', b''), (b'3\r\nabc\r\n0\r\n\r\n', b'abc'),
                           (b'3;x="y"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nTrailer: dropped\r\n\r\n', b'abc0123456789'),
                           (b'%x\r\n%s\r\n0\r\n\r\n' % (70000, b'y' * 70000), b'y' * 70000)):
            client.send(head + text)
            self.assertEqual(client.response().body, body)
        for piece in head + b'3\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n':  # byte by byte
            client.send(bytes([piece]))
        self.assertEqual(client.response().body, b'abcde')

    def test_bad_chunks(self):
        def application(environ, start_response):
            return echo_body(environ, start_response)
        self.serve(application)
        for text in (b'x\r\n', b'\r\n', b'-1\r\n', b'0x3\r\nabc\r\n', b'3\nabc\r\n', b'3\r\nabcd\r\n', b'3\r\nabc\n0\r\n\r\n',
                     b'3\r\nabc\r\r\n', b'3 \r\nabc\r\n0\r\n\r\n', b'1000000000000000\r\n', b'3;\0\r\nabc\r\n0\r\n\r\n',
                     b'3\r\nabc\r\n0\r\nA: b\n\r\n', b'0\r\nno trailer\r\n\r\n', b'0\r\nA: b\r\n c\r\n\r\n',
                     b'3;\x01\r\nabc\r\n0\r\n\r\n', b'3;' + b'x' * 5000 + b'\r\nabc\r\n0\r\n\r\n',
                     (b'1;' + b'x' * 4000 + b'\r\ny\r\n') * 6 + b'0\r\n\r\n'):
            with self.subTest(text):
                seen = self.raw(request('/', 'Transfer-Encoding: chunked', method='POST') + text
                                + b'\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n')
                self.assertEqual(seen.count(b'HTTP/1.1'), 1)
                self.assertTrue(seen.startswith(b'HTTP/1.1 400 '), seen)

    def test_wsgi_input(self):
        seen = []

        def application(environ, start_response):
            body = environ['wsgi.input']
            seen.append([body.read(3), body.readline(), body.readline(2), body.readline(), body.readlines(1), list(body),
                         body.read(), body.read(5), body.readline()])
            seen.append(body)
            start_response('200 OK', [])
            return []
        self.serve(application)
        text = b'abcdef\nghijk\nlm\nno\npq'
        chunks = b''.join(b'1\r\n%c\r\n' % byte for byte in text) + b'0\r\n\r\n'
        for data in (request('/', method='POST', body=text),
                     request('/', 'Transfer-Encoding: chunked', method='POST') + chunks):
            client = self.connect()
            client.send(data)
            self.assertEqual(client.response().status, 200)
            late = seen.pop()
            self.assertEqual(seen.pop(), [b'abc', b'def\n', b'gh', b'ijk\n', [b'lm\n'], [b'no\n', b'pq'], b'', b'', b''])
            self.assertEqual(late.read(), b'')

    def test_what_is_not_read_is_no_request(self):
        self.serve()
        client = self.connect()
        client.send(request('/1', method='POST', body=b'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n') + request('/2'))
        self.assertEqual([client.response().body, client.response().body], [b'hello', b'hello'])
        client.send(request('/3', 'Connection: close'))
        client.response()
        self.assertEqual(client.rest(), b'')

    def test_what_comes_behind_the_last_request(self):
        """It is read, and dropped: left unread it would make the end a reset, with which the answer could be lost."""
        self.serve()
        client = self.connect()
        client.send(request('/', 'Connection: close') + b'x' * 100000)
        self.assertEqual(client.response().body, b'hello')
        self.assertEqual(client.sock.recv(1), b'')

    def test_continue(self):
        self.serve(echo_body)
        client = self.connect()
        client.send(request('/', 'Expect: 100-continue', 'Content-Length: 4', method='POST'))
        self.assertEqual(client.response().status, 100)
        client.send(b'body')
        self.assertEqual(client.response().body, b'body')
        self.serve()
        client = self.connect()  # an application that does not ask for it
        client.send(request('/', 'Expect: 100-continue', 'Content-Length: 4', method='POST'))
        self.assertEqual(client.response().body, b'hello')
        self.assertEqual(client.rest(), b'')

    def test_no_continue_within_an_answer(self):
        """An application that has begun to answer when it reads: the client decides whether it sends the body."""
        def application(environ, start_response):
            write = start_response('200 OK', [('Content-Length', '7')])
            write(b'abc')
            write(environ['wsgi.input'].read())
            return []
        self.serve(application)
        client = self.connect()
        client.send(request('/', 'Expect: 100-continue', 'Content-Length: 4', method='POST'))
        self.assertEqual(client._upto(b'\r\n\r\n').count(b'\r\nConnection: close'), 1)
        self.assertEqual(client._exactly(3), b'abc')
        client.send(b'body')
        self.assertEqual(client.rest(), b'body')

    def test_end_is_told_when_a_body_is_left(self):
        self.serve(discard_bytes=1000)
        for n, end in (1000, None), (1001, 'close'):
            client = self.connect()
            client.send(request('/', method='POST', body=b'x' * n))
            self.assertEqual(client.response().get('Connection'), end)

    def test_connection_is_lost_between_chunks(self):
        """A body is not taken for whole."""
        told, entered = [], coio.Event()

        def application(environ, start_response):
            entered.set()
            try:
                told.append(environ['wsgi.input'].read())
            except OSError as error:
                told.append(str(error))
                raise
        server = self.serve(application)
        client = self.connect()
        client.send(request('/', 'Transfer-Encoding: chunked', method='POST') + b'3\r\nabc\r\n')
        entered.wait()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        client.close()  # by a reset
        support.wait_until(lambda: server.connections == 0)
        self.assertEqual(told, ['the connection was lost'])

    def test_too_long(self):
        self.serve(echo_body, body_bytes=1000)
        self.assertEqual(self.ask('/', method='POST', body=b'x' * 1000).status, 200)
        response = self.ask('/', method='POST', body=b'x' * 1001)
        self.assertEqual((response.status, response.get('Connection')), (413, 'close'))
        client = self.connect()
        client.send(request('/', 'Transfer-Encoding: chunked', method='POST') + b'3e9\r\n' + b'x' * 1001)
        self.assertEqual(client.response().status, 413)
        self.assertEqual(client.rest(), b'')

    def test_broken_off(self):
        told = []

        def application(environ, start_response):
            try:
                environ['wsgi.input'].read()
            except OSError as error:
                told.append(str(error))
                raise
        self.serve(application)
        client = self.connect()
        client.send(request('/', 'Content-Length: 10', method='POST') + b'abc')
        client.sock.shutdown(1)
        self.assertEqual(client.response().status, 400)
        self.assertIn('broken body', told[0])


BAD = [
    b'GET / HTTP/1.1\r\n\r\n',  # no Host
    b'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: user@a\r\n\r\n',
    b'GET / HTTP/1.0\r\nHost: a/b\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a,b\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: :80\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: [a]\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: ::1\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n',
    b'GET / HTTP/1.1\nHost: a\n\n',
    b'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\n\tX: y\r\n\r\n',
    b'GET / HTTP/1.1\r\n Host: a\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nX_Y: z\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa4: z\r\n\r\n',
    b'GET  / HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET /  HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET / HTTP/1.1 \r\nHost: a\r\n\r\n',
    b'GET / HTTP/1.1x\r\nHost: a\r\n\r\n',
    b'GET / http/1.1\r\nHost: a\r\n\r\n',
    b'GET / Http/1.1\r\nHost: a\r\n\r\n',
    b'GET / HTTP\\1.1\r\nHost: a\r\n\r\n',
    b'GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET / HTTP/1\r\nHost: a\r\n\r\n',
    b'GET / HTTP/11\r\nHost: a\r\n\r\n',
    b'GET /\r\nHost: a\r\n\r\n',
    b'GET\r\n\r\n',
    b'GET  \r\n\r\n',
    b'GET a HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET * HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET /#x HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n',
    b'GET / HTTP/0.9\r\nHost: a\r\n\r\n',
    b'G@T / HTTP/1.1\r\nHost: a\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nx',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nx',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx',
    b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    b'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n',
]
REFUSED = [
    (501, b'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'),
    (501, b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'),
    (505, b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    (505, b'GET / HTTP/2.0\r\nHost: a\r\n\r\n'),
    (417, b'POST / HTTP/1.1\r\nHost: a\r\nExpect: the unexpected\r\nContent-Length: 1\r\n\r\nx'),
    (431, b'GET / HTTP/1.1\r\nHost: a\r\n' + b'X: y\r\n' * 100 + b'\r\n'),
    (431, b'GET / HTTP/1.1\r\nHost: a\r\nX: ' + b'y' * 32768),
    (414, b'GET /' + b'x' * 9000),
]


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Refused(HttpCase):
    def assert_refused(self, status, data):
        seen = self.raw(data + b'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n')
        self.assertEqual(seen.count(b'HTTP/1.'), 1, seen)
        self.assertTrue(seen.startswith(b'HTTP/1.1 %d ' % status), seen)
        self.assertIn(b'\r\nConnection: close\r\n', seen)

    def test_bad_requests(self):
        served = []

        def application(environ, start_response):
            served.append(environ['REQUEST_URI'])
            return http_case.hello(environ, start_response)
        self.serve(application)
        for data in BAD:
            with self.subTest(data):
                self.assert_refused(400, data)
        for status, data in REFUSED:
            with self.subTest(data[:80]):
                self.assert_refused(status, data)
        self.assertEqual(served, [])

    def test_no_body_for_head(self):
        self.serve()
        self.assertTrue(self.raw(b'HEAD / HTTP/1.1\r\nA: b\r\n\r\n').endswith(b'\r\nConnection: close\r\n\r\n'))

    def test_what_is_allowed(self):
        self.serve()
        for data in (b'GET / HTTP/1.0\r\n\r\n', b'\r\n\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n',
                     b'GET / HTTP/1.1\r\nhost:a\r\nX:\r\n\r\n', b'GET /{}|"<>\\^` HTTP/1.1\r\nHost: [::1]:80\r\n\r\n',
                     b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^`|~09: y\r\n\r\n", b'GET /?%zz HTTP/1.1\r\nHost: a\r\n\r\n',
                     b'GET / HTTP/1.1\r\nHost: a_b%20c:\r\n\r\n', b'GET /?%00 HTTP/1.1\r\nHost: a\r\n\r\n',
                     b'PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n', b'GET / HTTP/1.9\r\nHost: a\r\n\r\n'):
            with self.subTest(data):
                client = self.connect()
                client.send(data)
                self.assertEqual(client.response().status, 200)


if __name__ == '__main__':
    unittest.main()
