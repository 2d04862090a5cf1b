# SPDX-License-Identifier: Apache-2.0
"""The product's own case: a thread per connection, blocking calls, no tuning.

The very same file runs as "green threads" under the preload and as "native
threads" without it.
"""
import socket
import threading

REPLY = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!'


def serve(connection):
    while connection.recv(4096):
        connection.sendall(REPLY)
    connection.close()


listener = socket.create_server(('127.0.0.1', 0), backlog=4096)
print('port', listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
