# SPDX-License-Identifier: Apache-2.0
"""eventlet, not patched: its green threads and sockets, and the hub of the thread that runs them."""
import warnings

warnings.simplefilter('ignore', DeprecationWarning)
import eventlet  # noqa: E402
from eventlet.green import socket  # noqa: E402
from on_blocking import serve  # noqa: E402

NAME, MODULE = 'Eventlet', 'eventlet'


def go_on_ticking(tick, seconds):
    while True:
        eventlet.sleep(seconds)
        tick()


def run(sock, answer, tick, seconds):
    peer = socket.socket(sock.family, sock.type, fileno=sock.detach())
    server, ticker = eventlet.spawn(serve, peer, answer), eventlet.spawn(go_on_ticking, tick, seconds)
    server.wait()
    ticker.kill()
    peer.close()
