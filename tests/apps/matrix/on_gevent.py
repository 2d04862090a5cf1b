# SPDX-License-Identifier: Apache-2.0
"""gevent, not patched: its greenlets and sockets, and the hub of the thread that runs them."""
import gevent
import gevent.socket

from on_blocking import serve

NAME, MODULE = 'gevent', 'gevent'


def go_on_ticking(tick, seconds):
    while True:
        gevent.sleep(seconds)
        tick()


def run(sock, answer, tick, seconds):
    with gevent.socket.socket(sock.family, sock.type, fileno=sock.detach()) as peer:
        server, ticker = gevent.spawn(serve, peer, answer), gevent.spawn(go_on_ticking, tick, seconds)
        server.get()
        ticker.kill()
    gevent.get_hub().destroy(destroy_loop=True)
