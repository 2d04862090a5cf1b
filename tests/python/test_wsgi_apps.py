# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The HTTP server: the kinds of applications that it takes, and the entry points of 2010."""
import http.server
import unittest
import urllib.error
import urllib.request

import support
from coroutines import coio
from http_case import Client, HttpCase, hello, request

from syncless import stackless, wsgi


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def answer(self, body, send=True):
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if send:
            self.wfile.write(body)

    def do_GET(self):
        self.answer(f'{self.path} {self.client_address[0]} {self.headers["X-Own"]}'.encode())

    def do_HEAD(self):
        self.answer(b'none of this', send=False)

    def do_POST(self):
        first = self.rfile.readline(100)
        self.answer(first.upper() + self.rfile.read(int(self.headers['Content-Length']) - len(first)))

    def do_PUT(self):
        pass


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Handlers(HttpCase):
    def test_requests(self):
        self.serve(wsgi.BaseHttpWsgiWrapper(Handler))
        client = self.connect()
        self.assertEqual(client.ask('/raw%20path?q=%20', 'X-Own: mine').body, b'/raw%20path?q=%20 127.0.0.1 mine')
        self.assertEqual(client.ask(method='HEAD').get('Content-Length'), '12')
        self.assertEqual(client.ask(method='POST', body=b'one\ntwo\n').body, b'ONE\ntwo\n')
        self.assertEqual(client.ask(method='DELETE').status, 501)

    def test_one_that_does_not_answer(self):
        self.serve(wsgi.BaseHttpWsgiWrapper(Handler))
        with self.assertLogs('syncless.wsgi', 'ERROR') as logged:
            self.assertEqual(self.ask(method='PUT').status, 500)
        self.assertIn('Handler has not answered PUT /', logged.output[0])

    def test_no_handler(self):
        for wrong in object, hello, None:
            with self.assertRaises(TypeError):
                wsgi.BaseHttpWsgiWrapper(wrong)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class EntryPoints(unittest.TestCase):
    def run_until_asked(self, serve):
        """Begins serve(address) in a coroutine; (status, body, type) of a request to it."""
        with wsgi.listen(('127.0.0.1', 0)) as free:
            address = free.getsockname()[:2]
        serving = coio.spawn(serve, address)
        for _ in range(1000):
            try:
                client = Client(address)
                break
            except ConnectionRefusedError:
                coio.sleep(0.001)
        response = client.ask('/', 'Connection: close')
        client.close()
        serving.kill()
        return response.status, response.body, response.get('Content-Type')

    def test_run_http_server(self):
        self.assertEqual(self.run_until_asked(lambda address: wsgi.RunHttpServer(hello, address)),
                         (200, b'hello', 'text/plain'))
        self.assertEqual(self.run_until_asked(lambda address: wsgi.RunHttpServer(Handler, address))[1],
                         b'/ 127.0.0.1 None')

    def test_what_is_no_application(self):
        for wrong in 1, 'text', object(), lambda: None, lambda a: None, lambda a, b, c: None:
            with self.assertRaises(TypeError):
                wsgi.RunHttpServer(wrong)

    def test_what_takes_two(self):
        class Takes:
            def __call__(self, environ, start_response):
                pass

            def method(self, environ, start_response):
                pass
        for right in (Takes(), Takes().method, lambda *args: None, lambda a, b=1: None, lambda a, b, c=1: None, print):
            self.assertEqual(wsgi.application_of(right)[0], right)

    def test_listener(self):
        def serve(address):
            with wsgi.listen(address) as listener:
                wsgi.WsgiListener(listener, hello)
        self.assertEqual(self.run_until_asked(serve), (200, b'hello', 'text/plain'))
        with self.assertRaises(TypeError):
            wsgi.WsgiListener(None, hello)

    def test_web_py_is_known_by_its_methods(self):
        class Application:
            handle = request = run = cgirun = None

            def wsgifunc(self):
                return hello
        self.assertEqual(wsgi.application_of(Application()), (hello, ('0.0.0.0', 8080)))

    def simple(self, function):
        """As a tasklet of this thread; (status, body, type)."""
        with wsgi.listen(('127.0.0.1', 0)) as free:
            port = free.getsockname()[1]
        wait = wsgi.simple(port, function, '127.0.0.1')
        self.assertIs(wait, stackless.schedule_remove)
        client = Client(('127.0.0.1', port))
        response = client.ask('/', 'Connection: close')
        client.close()
        return response.status, response.body, response.get('Content-Type')

    def test_simple(self):
        page = 'text/html; charset=utf-8'
        for function, expected in ((lambda *args: ['Hello, <b>World</b>!\n'], (200, b'Hello, <b>World</b>!\n', page)),
                                   (lambda e, s: 'a\xe4', (200, 'a\xe4'.encode(), page)),
                                   (lambda e, s: iter(['one ', b'two']), (200, b'one two', page)),
                                   (lambda e, s: s('404 No', []) and ('gone',), (404, b'gone', None))):
            self.assertEqual(self.simple(function), expected)
        with self.assertLogs('syncless.wsgi', 'ERROR'):
            self.assertEqual(self.simple(lambda *args: None)[0], 500)
        with self.assertRaises(TypeError):
            wsgi.simple(0, lambda a: None)

    def test_urllib_in_the_same_thread(self):
        with wsgi.listen(('127.0.0.1', 0)) as listener:
            server = wsgi.HttpServer(lambda e, s: [s('418 Teapot', []) and b'short'], listener)
            serving = coio.spawn(server.serve)
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen('http://%s:%d/' % listener.getsockname(), timeout=support.HANG)
            self.assertEqual((caught.exception.code, caught.exception.read()), (418, b'short'))
            caught.exception.close()
            server.stop()
            serving.join()


if __name__ == '__main__':
    unittest.main()
