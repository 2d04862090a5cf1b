# SPDX-License-Identifier: Apache-2.0
"""A slow HTTP server that is slow for as long as the test wants.

GET /hold/TEXT is answered with TEXT, but only once the gate is open; GET
/count tells how many requests are being held, GET /open opens the gate, GET
/kill/TEXT closes the connection that holds TEXT without an answer.  So a test
sees that 200 requests are in flight at once without measuring time.

It is single-threaded over selectors and always runs without the preload: it
is the outside world.  It prints its port, and ends when its stdin does.
"""
import selectors
import socket
import sys


class Gate:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=1024)
        self.listener.setblocking(False)
        self.held = {}
        self.is_open = False
        self.buffers = {}
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, self.stop)

    def stop(self, _):
        sys.exit(0)

    def accept(self, listener):
        connection, _ = listener.accept()
        connection.setblocking(False)
        self.buffers[connection] = b''
        self.selector.register(connection, selectors.EVENT_READ, self.read)

    def drop(self, connection):
        self.selector.unregister(connection)
        del self.buffers[connection]
        self.held = {t: c for t, c in self.held.items() if c is not connection}
        connection.close()

    def read(self, connection):
        try:
            data = connection.recv(65536)
        except ConnectionError:
            data = b''
        if not data:
            self.drop(connection)
            return
        self.buffers[connection] += data
        while b'\r\n\r\n' in self.buffers.get(connection, b''):
            head, _, rest = self.buffers[connection].partition(b'\r\n\r\n')
            self.buffers[connection] = rest
            self.request(connection, head.split()[1].decode())

    def request(self, connection, path):
        _, verb, text = (path + '/').split('/', 2)
        text = text.rstrip('/')
        if verb == 'hold' and not self.is_open:
            self.held[text] = connection
            return
        if verb == 'count':
            text = str(len(self.held))
        elif verb == 'open':
            self.is_open = True
            for key, waiting in list(self.held.items()):
                self.answer(waiting, key)
            self.held.clear()
        elif verb == 'close':
            self.is_open = False
        elif verb == 'kill':
            self.drop(self.held[text])
        self.answer(connection, text)

    def answer(self, connection, text):
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s'
                           % (len(text), text.encode()))

    def run(self):
        print(self.listener.getsockname()[1], flush=True)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener or key.fileobj is sys.stdin \
                        or key.fileobj in self.buffers:
                    key.data(key.fileobj)


if __name__ == '__main__':
    Gate().run()
