# SPDX-License-Identifier: Apache-2.0
"""A server for HTTP clients, with and without TLS, and a relay to a real server: stub.py [PORT OF THAT SERVER]

    GET /hold/TEXT      TEXT, when the gate is open
    GET /mute           nothing, ever
    GET /drop           the connection is closed instead
    GET /status/N       an answer with this status
    GET /TEXT           TEXT

The relay lets everything through, but for what has `hold-` in it, which waits
at the gate, and what has `mute-` in it, which stays there.
"""
import contextlib
import os
import socket
import socketserver
import sys
import tempfile
import threading
import urllib.parse

from gate import Gate

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
import loopback  # noqa: E402

GATE = Gate()


class Handler(loopback.Handler):
    def do_GET(self):
        first, _, rest = urllib.parse.urlsplit(self.path).path.strip('/').partition('/')
        if first == 'hold':
            GATE.hold()
        elif first == 'mute':
            GATE.never()
        elif first == 'drop':
            self.close_connection = True
            return
        body = (rest or first).encode()
        self.send_head(int(rest) if first == 'status' else 200, len(body))
        self.wfile.write(body)


class Relay(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as server:
            threading.Thread(target=self.copy_back, args=(server,), daemon=True).start()
            while data := self.request.recv(65536):
                if b'hold-' in data:
                    GATE.hold()
                elif b'mute-' in data:
                    GATE.never()
                server.sendall(data)

    def copy_back(self, server):
        with contextlib.suppress(OSError):  # closed by the other direction
            while data := server.recv(65536):
                self.request.sendall(data)


class RelayServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    with contextlib.ExitStack() as stack:
        http = stack.enter_context(loopback.web(handler=Handler))
        with tempfile.TemporaryDirectory() as folder:
            https = stack.enter_context(loopback.web(folder, Handler))
            with open(os.path.join(folder, 'cert.pem')) as file:
                cert = file.read()
        relay = stack.enter_context(RelayServer(('127.0.0.1', 0), Relay))
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        GATE.attend(http=http, https=https, relay=relay.server_address[1], cert=cert)


if __name__ == '__main__':
    main()
