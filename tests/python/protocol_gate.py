# SPDX-License-Identifier: Apache-2.0
"""A server of six protocols that answers nobody before COUNT clients wait for it: protocol_gate.py COUNT

The first byte that a client is sent tells it nothing; each protocol has a port
of its own, which is printed as `NAME PORT`.  What is held back is the answer
to NOOP, or to a request of HTTP.  So clients end only if COUNT of them wait at
the same time, and no clock is needed to see that.  Of each round of COUNT
answers the next one is independent.  It ends when its stdin does.
"""
import selectors
import socket
import sys
import xmlrpc.client

COUNT = int(sys.argv[1])
ANSWER = xmlrpc.client.dumps(('answer',), methodresponse=True).encode()


def of_http(self, data):
    head, found, body = data.partition(b'\r\n\r\n')
    length = next((int(line.split(b':')[1]) for line in head.split(b'\r\n')
                   if line.lower().startswith(b'content-length:')), 0)
    if not found or len(body) < length:
        return data
    text = ANSWER if head.startswith(b'POST') else b'answer'
    kind = b'text/xml' if head.startswith(b'POST') else b'text/plain'
    self.hold(b'HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s' % (kind, len(text), text))
    return body[length:]


def of_lines(answers, held):
    """A protocol of lines: {command: answer}, and the answer to NOOP.  '%s' is the line's first word."""
    def react(self, data):
        *lines, rest = data.split(b'\r\n')
        for line in lines:
            words = line.upper().split() + [b'']
            command = words[1] if words[1] and b'%s' in held else words[0]
            tag = line.split()[0]
            if command == b'NOOP':
                self.hold(held.replace(b'%s', tag))
            else:
                self.sock.sendall(answers[command].replace(b'%s', tag))
        return rest
    return react


PROTOCOLS = {
    'http': (b'', of_http),
    'smtp': (b'220 gate\r\n', of_lines({b'EHLO': b'250 gate\r\n', b'QUIT': b'221 bye\r\n'}, b'250 answer\r\n')),
    'ftp': (b'220 gate\r\n', of_lines({b'QUIT': b'221 bye\r\n'}, b'200 answer\r\n')),
    'pop': (b'+OK gate\r\n', of_lines({b'QUIT': b'+OK bye\r\n'}, b'+OK answer\r\n')),
    'imap': (b'* OK gate\r\n', of_lines({b'CAPABILITY': b'* CAPABILITY IMAP4rev1\r\n%s OK done\r\n',
                                         b'LOGOUT': b'* BYE\r\n%s OK done\r\n'}, b'%s OK answer\r\n')),
}


class Client:
    def __init__(self, sock, port):
        self.sock = sock
        self.port = port
        self.data = b''

    def hold(self, answer):
        self.port.held.append((self.sock, answer))
        if len(self.port.held) == COUNT:
            for sock, text in self.port.held:
                sock.sendall(text)
            self.port.held.clear()

    def read(self, selector):
        data = self.sock.recv(65536)
        if not data:
            selector.unregister(self.sock)
            self.sock.close()
        else:
            self.data = self.port.react(self, self.data + data)


class Port:
    def __init__(self, name, greeting, react):
        self.sock = socket.create_server(('127.0.0.1', 0), backlog=1024)
        self.greeting = greeting
        self.react = react
        self.held = []
        print(name, self.sock.getsockname()[1], flush=True)

    def read(self, selector):
        sock, _ = self.sock.accept()
        sock.sendall(self.greeting)
        selector.register(sock, selectors.EVENT_READ, Client(sock, self))


def serve():
    selector = selectors.DefaultSelector()
    for name, (greeting, react) in PROTOCOLS.items():
        port = Port(name, greeting, react)
        selector.register(port.sock, selectors.EVENT_READ, port)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            key.data.read(selector)


if __name__ == '__main__':
    serve()
