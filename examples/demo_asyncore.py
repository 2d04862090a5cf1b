# SPDX-License-Identifier: Apache-2.0
"""A file server of asyncore's beside a ticker of ours: syncless run demo_asyncore.py [PORT [FOLDER]]

asyncore's loop waits in select(), which parks it as a whole, so the others go
on.  It is in Python up to 3.11.  Try it with `curl localhost:8080/README.md`.
"""
import os
import sys
import warnings

from syncless import coio

warnings.simplefilter('ignore', DeprecationWarning)
try:
    import asynchat
    import asyncore
except ImportError:
    sys.exit('asyncore is not in Python 3.12 and later')


class Server(asyncore.dispatcher):
    def __init__(self, port):
        super().__init__()
        self.create_socket()
        self.set_reuse_addr()
        self.bind(('127.0.0.1', port))
        self.listen(100)

    def handle_accepted(self, sock, address):
        Connection(sock)


class Connection(asynchat.async_chat):
    def __init__(self, sock):
        super().__init__(sock)
        self.head = b''
        self.set_terminator(b'\r\n\r\n')

    def collect_incoming_data(self, data):
        self.head += data

    def found_terminator(self):
        name = os.path.basename(self.head.split()[1].decode())
        try:
            with open(os.path.join(folder, name), 'rb') as file:
                data = file.read()
            self.push(b'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' % len(data) + data)
        except OSError as error:
            self.push(f'HTTP/1.0 404 Not Found\r\n\r\n{error.strerror}\n'.encode())
        self.close_when_done()


def tick():
    for n in range(1, sys.maxsize):
        if n == 3:
            print('three ticks, and on', flush=True)
        coio.sleep(0.05)


folder = sys.argv[2] if len(sys.argv) > 2 else '.'
server = Server(int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
print('listening on', server.socket.getsockname()[1], flush=True)
coio.spawn(tick)
try:
    asyncore.loop()
except KeyboardInterrupt:
    print('over')
