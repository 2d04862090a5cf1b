# SPDX-License-Identifier: Apache-2.0
"""An HTTP server for WSGI applications whose code may block.

    from syncless import wsgi

    def application(environ, start_response):
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [query(environ['PATH_INFO'])]          # any blocking code: a C driver, a socket, a lock

    wsgi.RunHttpServer(application)                   # or: syncless serve module:application

Each connection that is being served is a coroutine, so thousands of requests
can wait at once, in one kernel thread; one that is idle costs a descriptor
and a few hundred bytes.  HTTP/1.0 and 1.1, keep-alive, pipelining, chunks both
ways; limits and deadlines for all that a client may do (Limits); strict about
what two servers could understand differently.

Importing needs no preload; serving does (`syncless run PROGRAM`).
"""
import logging
import socket

from ._apps import BaseHttpWsgiWrapper, CanBeCherryPyApp, Simple, application_of, counts_on_threads
from . import _log, _names  # noqa: F401
from ._names import (HTTP_1_1_METHODS, HTTP_REQUEST_METHODS_WITH_BODY, HTTP_VERSIONS, GetHttpDate, HttpRequestFromEnv,
                     PopulateDefaultWsgiEnv, RespondWithBad, WsgiErrorsStream, WsgiReadError,
                     WsgiResponseBodyTooLongError, WsgiResponseSyntaxError, WsgiWorker, WsgiWriteError)
from ._server import HttpServer, Limits
from ._tls import SslUpgrader, Tls

__all__ = ['BaseHttpWsgiWrapper', 'CanBeCherryPyApp', 'HttpServer', 'Limits', 'RunHttpServer', 'SslUpgrader', 'Tls',
           'WsgiListener', 'listen', 'simple']
__all__ += ['GetHttpDate', 'HTTP_1_1_METHODS', 'HTTP_REQUEST_METHODS_WITH_BODY', 'HTTP_VERSIONS', 'HttpRequestFromEnv',
            'PopulateDefaultWsgiEnv', 'RespondWithBad', 'WsgiErrorsStream', 'WsgiReadError',
            'WsgiResponseBodyTooLongError', 'WsgiResponseSyntaxError', 'WsgiWorker', 'WsgiWriteError']  # names of 2010


def __getattr__(name):
    """Names of 2010: those of WebSocket, which is loaded then; for those that have gone Gone, an ImportError that says
    what to use."""
    return _names.gone(__name__, name)


def listen(address, backlog=1024):
    """A listening TCP socket at address, a (host, port); port 0: any that is free.  OSError: it is in use."""
    host, port = address
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=backlog)


def RunHttpServer(app, server_address=None, listen_queue_size=1024, **options):  # noqa: N802
    """Serves an application in the calling coroutine, for ever.

    app             a WSGI callable, a class derived from BaseHTTPRequestHandler, an application of web.py, a class or
                    object of CherryPy's; TypeError: nothing of these
    server_address  (host, port); None: 127.0.0.1:6666, for web.py 0.0.0.0:8080, for CherryPy 127.0.0.1:8080
    options         of HttpServer; threads is True by default for web.py and CherryPy, which keep a request in
                    threading.local
    """
    application, default = application_of(app)
    options.setdefault('threads', counts_on_threads(app))
    with listen(server_address or default, listen_queue_size) as listener:
        logging.getLogger('syncless.wsgi').info('serving at %s:%s', *listener.getsockname()[:2])
        HttpServer(application, listener, **options).serve()


def WsgiListener(server_socket, wsgi_application, upgrade_ssl_callback=None, **options):  # noqa: N802
    """Serves a WSGI application on a listening socket (socket.socket), in the calling coroutine, for ever.

    upgrade_ssl_callback and options are those of HttpServer.  TypeError: these are no socket and no callables.
    """
    if not isinstance(server_socket, socket.socket):
        raise TypeError(f'a listening socket is needed, not {server_socket!r}')
    if not callable(wsgi_application):
        raise TypeError(f'{wsgi_application!r} is no WSGI application')
    if upgrade_ssl_callback is not None and not callable(upgrade_ssl_callback):
        raise TypeError(f'{upgrade_ssl_callback!r} cannot be called with (socket, environ, is_debug)')
    HttpServer(wsgi_application, server_socket, upgrade_ssl_callback=upgrade_ssl_callback, **options).serve()


def simple(server_port=8080, function=None, server_host='0.0.0.0', **options):
    """Serves a function in a tasklet, and returns stackless.schedule_remove, which lets it run.

        wsgi.simple(8080, lambda *args: ['Hello, <b>World</b>!\\n'])()

    function(environ, start_response) returns str, bytes or an iterable of these.
    If it does not call start_response, the answer is 200 and HTML.  None: the
    next thing that is called with one argument is taken, as in @wsgi.simple(8080).
    """
    from .. import stackless

    def begin(function):
        application = Simple(function)
        server = HttpServer(application, listen((server_host, server_port)), **options)
        stackless.tasklet(server.serve)()
    if function is None:
        def decorate(function):
            begin(function)
            return function
        return decorate
    begin(function)
    return stackless.schedule_remove
