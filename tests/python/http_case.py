# SPDX-License-Identifier: Apache-2.0
"""What the tests of the HTTP server share: one in this process, and clients that read to the byte."""
import contextlib
import re
import socket
import unittest

import support
from coroutines import _glue, coio

from syncless import wsgi

DATE = re.compile(rb'Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n')


def hello(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'hello']


def request(target='/', *headers, method='GET', body=b'', version='1.1'):
    lines = [f'{method} {target} HTTP/{version}', 'Host: example.org', *headers]
    if body:
        lines.append(f'Content-Length: {len(body)}')
    return '\r\n'.join([*lines, '', '']).encode('latin-1') + body


class Response:
    def __init__(self, head, body):
        self.head = head
        lines = head.decode('latin-1').split('\r\n')
        self.version, status, self.reason = lines[0].split(' ', 2)
        self.status = int(status)
        self.headers = [tuple(line.split(': ', 1)) for line in lines[1:]]
        self.body = body

    def get(self, name):
        """The value of the only header of this name; None: there is none."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) < 2, f'{name} stands {len(found)} times'
        return found[0] if found else None


class Client:
    """Reads what comes to the byte."""

    def __init__(self, address, context=None, name='localhost', rcvbuf=None):
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(support.HANG)
        self.sock.connect(address)
        self.data = b''
        if context is not None:
            with self.sock:  # until it is wrapped, or for good if that fails
                self.sock = context.wrap_socket(self.sock, server_hostname=name, suppress_ragged_eofs=False)

    def send(self, data):
        self.sock.sendall(data)

    def _more(self):
        piece = self.sock.recv(65536)
        self.data += piece
        return bool(piece)

    def _upto(self, mark):
        while mark not in self.data:
            if not self._more():
                raise EOFError(f'closed after {self.data!r}')
        found, _, self.data = self.data.partition(mark)
        return found

    def _exactly(self, n):
        while len(self.data) < n:
            if not self._more():
                raise EOFError(f'closed after {self.data!r}')
        found, self.data = self.data[:n], self.data[n:]
        return found

    def response(self, is_head=False):
        response = Response(self._upto(b'\r\n\r\n'), b'')
        if is_head or response.status in (204, 304) or response.status < 200:
            return response
        if response.get('Transfer-Encoding') == 'chunked':
            while True:
                size = int(self._upto(b'\r\n'), 16)
                response.body += self._exactly(size)
                assert self._exactly(2) == b'\r\n'
                if not size:
                    return response
        length = response.get('Content-Length')
        response.body = self._exactly(int(length)) if length is not None else self.rest()
        return response

    def ask(self, *args, **kwargs):
        self.send(request(*args, **kwargs))
        return self.response(kwargs.get('method') == 'HEAD')

    def rest(self):
        """All to the end."""
        with contextlib.suppress(ConnectionResetError):
            while self._more():
                pass
        found, self.data = self.data, b''
        return found

    def close(self):
        self.sock.close()


class HttpCase(unittest.TestCase):
    """self.serve(application) starts one in this thread; connect() and ask() go to the last."""

    tls = context = None  # for a server with TLS, and its clients' ssl.SSLContext
    threads = False

    def setUp(self):
        self.servers = []
        self.logged = []

    def serve(self, application=hello, **options):
        listener = wsgi.listen(('127.0.0.1', 0))
        self.address = listener.getsockname()[:2]
        self.server = wsgi.HttpServer(application, listener, **{'tls': self.tls, 'threads': self.threads, **options})
        serving = coio.spawn(self.server.serve)
        self.servers.append((self.server, listener, serving))
        return self.server

    def connect(self, rcvbuf=None):
        client = Client(self.address, self.context, rcvbuf=rcvbuf)
        self.addCleanup(client.close)
        return client

    def ask(self, *args, **kwargs):
        return self.connect().ask(*args, **kwargs)

    def raw(self, data):
        """What comes until the end for these bytes."""
        client = self.connect()
        with contextlib.suppress(ConnectionError):
            client.send(data)
        return client.rest()

    def tearDown(self):
        self.doCleanups()  # the clients' ends
        for server, listener, serving in self.servers:
            self.assertTrue(server.stop(support.HANG), 'connections are left')
            serving.join(support.HANG)
            listener.close()
            self.assertIsNone(serving.exception)
        _glue.verify()
