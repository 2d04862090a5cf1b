# SPDX-License-Identifier: Apache-2.0
"""A WSGI application over HTTPS: syncless run demo_https_server.py CERTIFICATE [PORT]

CERTIFICATE is a file with a certificate and its key; SIGHUP reads it again.  Each
connection is a coroutine from its handshake on, so the application may block, and
nobody waits for a client that does not finish his.
"""
import signal
import sys
import time

from syncless import wsgi


def application(environ, start_response):
    time.sleep(0.1)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [f'{environ["PATH_INFO"]} by {environ["SSL_PROTOCOL"]}\n'.encode('latin-1')]


with wsgi.listen(('127.0.0.1', int(sys.argv[2]) if len(sys.argv) > 2 else 8443)) as listener:
    server = wsgi.HttpServer(application, listener, tls=wsgi.Tls(sys.argv[1]))
    signal.signal(signal.SIGHUP, lambda *_: server.reload_tls())
    print('listening on', listener.getsockname()[1], flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        server.stop(5)
        print('over', flush=True)
