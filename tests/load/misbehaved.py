# SPDX-License-Identifier: Apache-2.0
"""Clients that do what a server must survive, and what each must get for it.

They are plain blocking ones.  The limits are those of LIMITS: a second for whatever may take long.
"""
import contextlib
import socket
import ssl
import struct

LIMITS = {'head-bytes': 8192, 'line-bytes': 4096, 'headers': 50, 'body-bytes': 100000, 'discard-bytes': 1000,
          'head-seconds': 1, 'idle-seconds': 1, 'body-seconds': 1, 'write-seconds': 1, 'handshake-seconds': 1}
HANG = 20
GET = b'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n'
POST = b'POST / HTTP/1.1\r\nHost: example.org\r\n'


class Client:
    """A connection; context: an ssl.SSLContext, or None."""

    def __init__(self, address, context):
        self.sock = socket.create_connection(address, HANG)
        if context is not None:
            with self.sock:
                self.sock = context.wrap_socket(self.sock, server_hostname='localhost')

    def send(self, *pieces):
        """The server may have had enough before all is out."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for piece in pieces:
                self.sock.sendall(piece)

    def end(self):
        """Sends no more, and reads on."""
        socket.socket.shutdown(self.sock, socket.SHUT_WR)

    def rest(self, most=1 << 30):
        """What comes until the end, which may be a reset."""
        seen = b''
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while len(seen) < most:
                piece = self.sock.recv(65536)
                if not piece:
                    break
                seen += piece
        return seen

    def vanish(self):
        """A reset, with whatever was on its way."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

    def close(self):
        self.sock.close()


def sends(*pieces, ends=False):
    """A client that sends these, and says what it got for them."""
    def act(client):
        client.send(*pieces)
        if ends:
            client.end()
        return client.rest()
    return act


def byte_by_byte(client):
    client.send(b'GET /')
    client.sock.settimeout(0.1)
    while True:
        try:
            first = client.sock.recv(65536)
        except socket.timeout:
            client.send(b'x')
        else:
            client.sock.settimeout(HANG)
            return first + client.rest()


def goes_away(client):
    client.send(GET)
    client.vanish()
    return b''


def takes_little(client):
    """Reads the beginning of an answer, and then nothing until it is broken off."""
    client.send(b'GET /large HTTP/1.1\r\nHost: example.org\r\n\r\n')
    seen = client.rest(1000)
    wait_for_end(client.sock)
    whole = 200 * 100000
    return seen if len(seen) + len(client.rest()) < whole else b'all of it'


def wait_for_end(sock):
    import select
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    assert poll.poll(HANG * 1000), 'the server waits for ever'


# What it does, and the status of what it gets for it; 0: nothing.
KINDS = {
    'a slow head': (sends(b'GET / HTTP/1.1\r\nHo'), 408),
    'a head byte by byte': (byte_by_byte, 408),
    'a large head': (sends(GET[:-2], *[b'X: ' + b'x' * 1000 + b'\r\n'] * 9), 431),
    'many fields': (sends(GET[:-2], b'X: x\r\n' * 60, b'\r\n'), 431),
    'a long line': (sends(b'GET /', b'x' * 5000), 414),
    'a large body': (sends(POST, b'Content-Length: 100001\r\n\r\n', b'x' * 100001), 413),
    'large chunks': (sends(POST, b'Transfer-Encoding: chunked\r\n\r\n', *[b'8000\r\n' + b'x' * 0x8000 + b'\r\n'] * 4),
                     413),
    'a slow body': (sends(POST, b'Content-Length: 9\r\n\r\n', b'x'), 408),
    'a body broken off': (sends(POST, b'Content-Length: 9\r\n\r\n', b'x', ends=True), 400),
    'a bad request': (sends(b'GET / HTTP/1.1\nHost: example.org\n\n'), 400),
    'nothing': (sends(), 0),
    'one request': (sends(GET), 200),
    'a half-closed connection': (sends(GET, ends=True), 200),
    'a head broken off': (sends(GET[:10], ends=True), 0),
    'one that goes away': (goes_away, 0),
    'one that takes little': (takes_little, 200),
}
# Those that speak no TLS to a server that does.
HANDSHAKES = {
    'no handshake': (sends(), 0),
    'no client hello': (sends(b'\x16\x03\x01\x00\x05hello'), 0),
    'half a client hello': (sends(b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'), 0),
    'plain HTTP': (sends(GET), 0),
    'nothing to read': (goes_away, 0),
}


def status_of(answer):
    """Of what came; 0: no HTTP."""
    return int(answer[9:12]) if answer.startswith(b'HTTP/1.1 ') else 0


def misbehave(address, context, kind):
    """One of them.  None: it got what it should; else a line of what it got."""
    act, status = HANDSHAKES[kind] if kind in HANDSHAKES else KINDS[kind]
    try:
        client = Client(address, None if kind in HANDSHAKES else context)
    except OSError as error:
        return f'{kind}: {error}'
    try:
        seen = act(client)
    except (OSError, AssertionError) as error:
        return f'{kind}: {error}'
    finally:
        client.close()
    return None if status_of(seen) == status else f'{kind}: {seen[:100]!r}, not {status}'
