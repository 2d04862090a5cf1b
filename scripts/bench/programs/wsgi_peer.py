# SPDX-License-Identifier: Apache-2.0
"""A peer that has no command of its own: wsgi_peer.py NAME PORT."""
import socket
import sys

from wsgi_hello import application

BACKLOG = 1024


def gevent(port):
    from gevent.pywsgi import WSGIServer
    listener = socket.create_server(('127.0.0.1', port), backlog=BACKLOG)
    listener.setblocking(False)
    WSGIServer(listener, application, log=None).serve_forever()


def bjoern(port):
    import bjoern
    bjoern.run(application, '127.0.0.1', port, listen_backlog=BACKLOG)


def meinheld(port):
    from meinheld import server
    server.set_backlog(BACKLOG)
    server.set_keepalive(75)
    server.listen(('127.0.0.1', port))
    server.set_access_logger(None)
    server.run(application)


if __name__ == '__main__':
    {'gevent': gevent, 'bjoern': bjoern, 'meinheld': meinheld}[sys.argv[1]](int(sys.argv[2]))
