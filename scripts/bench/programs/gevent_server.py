# SPDX-License-Identifier: Apache-2.0
"""gevent as its manual recommends it for raw sockets: a StreamServer.

The handler is the loop of the threaded server, over gevent's own sockets; no
monkey-patching, which could only add cost.
"""
from gevent.server import StreamServer

REPLY = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!'


def serve(connection, _):
    while connection.recv(4096):
        connection.sendall(REPLY)


server = StreamServer(('127.0.0.1', 0), serve, backlog=4096)
server.start()
print('port', server.server_port, flush=True)
server.serve_forever()
