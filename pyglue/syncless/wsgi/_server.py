# SPDX-License-Identifier: Apache-2.0
"""Listening, accepting, and keeping the connections that ask nothing for the moment.

A connection that is being served has a coroutine, in whose stead the core
(pyglue/_syncless_http) reads, calls the application and writes.  One that has asked
nothing for a second gives its coroutine up: what is left of it is a
descriptor in an epoll set and a tuple, until there are bytes again.
"""
import collections
import errno
import logging
import os
import select
import socket
import sys
import time
import traceback

from .. import __version__, _glue, coio

_http = _glue.load('_syncless_http')

OUT_OF_SOMETHING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
GONE_AGAIN = (errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.EINTR, errno.ENETDOWN, errno.EHOSTUNREACH,
              errno.ENETUNREACH, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET, errno.EOPNOTSUPP)
WAKE_READ = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT

log = logging.getLogger('syncless.wsgi')

Limits = collections.namedtuple('Limits', (
    'head_bytes', 'line_bytes', 'body_bytes', 'discard_bytes', 'head_seconds', 'idle_seconds', 'body_seconds',
    'write_seconds', 'headers', 'requests', 'connections'), defaults=(
    32768, 8190, 1 << 30, 1 << 20, 20, 75, 60, 60, 100, 1 << 30, 50000))
Limits.__doc__ = """What a client may do; each is an option of `syncless serve`, too.

head_bytes      of a request's head: 431 beyond (int)
line_bytes      of its first line: 414 beyond
body_bytes      of a request's body: 413 beyond
discard_bytes   of a body that the application has not read; beyond, the connection is closed instead
head_seconds    within which a head must be complete once it has begun: 408 (float)
idle_seconds    between two requests; then the connection is closed
body_seconds    without a byte of the body; then the application gets an OSError
write_seconds   in which the client takes nothing of the answer; then the connection is closed
headers         in a request, 128 at most: 431 beyond (int)
requests        on one connection; the last of them is answered with `Connection: close`
connections     at once; who comes beyond gets 503
"""


class _Idle:
    """Connections that ask nothing.  One coroutine waits for all of them, and for their deadlines."""

    def __init__(self, seconds, wake):
        self.seconds = seconds
        self.wake = wake  # called with (fd, *what)
        self.records = {}  # fd: (deadline, what), the earliest deadline first
        self.epoll = select.epoll()
        self.watching = None

    def __len__(self):
        return len(self.records)

    def add(self, fd, *what):
        self.records[fd] = time.monotonic() + self.seconds, what
        self.epoll.register(fd, WAKE_READ)
        if self.watching is None:
            self.watching = coio.spawn(self._watch)

    def _watch(self):
        while self.records:
            first = next(iter(self.records.values()))[0]
            for fd, _ in self.epoll.poll(max(0, first - time.monotonic())):
                record = self.records.pop(fd, None)
                if record is not None:
                    self.epoll.unregister(fd)
                    self.wake(fd, *record[1])
            self._expire(time.monotonic())
        self.watching = None

    def _expire(self, now):
        while self.records:
            fd, (deadline, _) = next(iter(self.records.items()))
            if deadline > now:
                break
            del self.records[fd]
            os.close(fd)

    def close(self):
        for fd in self.records:
            os.close(fd)
        self.records.clear()
        if self.watching is not None:
            self.watching.kill()
        self.epoll.close()


def _log_error(what, error, environ):
    place = '' if environ is None else f': {environ["REQUEST_METHOD"]} {environ["REQUEST_URI"]}'
    log.error('%s%s\n%s', what, place, ''.join(traceback.format_exception(type(error), error, error.__traceback__)))


class HttpServer:
    """Serves a WSGI application on a listening socket.

    application     callable(environ, start_response), as in PEP 3333
    listener        a socket that listens, TCP or Unix; close it after serve()
    access_log      callable(environ, status, body_bytes, seconds) after each request; None: none
    environ         more names for every environ (dict)
    further         limits by their names, see Limits
    """

    def __init__(self, application, listener, access_log=None, environ=None, **limits):
        self.listener = listener
        self.limits = Limits(**limits)
        base = {**self._base_environ(), **(environ or {})}
        bounds = self.limits
        self.core = _http.Server(application, base, access_log, _log_error, (
            bounds.head_bytes, bounds.line_bytes, bounds.body_bytes, bounds.discard_bytes,
            *(int(seconds * 1000) for seconds in bounds[4:8]), bounds.headers, bounds.requests))
        self.idle = _Idle(bounds.idle_seconds, self._start)
        self.stopping = False
        self._complained = False

    def _base_environ(self):
        name = self.listener.getsockname()
        host, port = name[:2] if isinstance(name, tuple) else ('localhost', 80)
        if host in ('0.0.0.0', '::'):
            host = socket.gethostname()
        return {'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http', 'wsgi.errors': sys.stderr, 'wsgi.multithread': True,
                'wsgi.multiprocess': False, 'wsgi.run_once': False, 'wsgi.file_wrapper': _http.FileWrapper,
                'wsgi.input_terminated': True, 'SERVER_NAME': host, 'SERVER_PORT': str(port),
                'SERVER_SOFTWARE': f'syncless/{__version__}', 'SCRIPT_NAME': '', 'QUERY_STRING': '', 'REMOTE_ADDR': ''}

    @property
    def connections(self):
        """How many are open (int), served and idle ones."""
        return self.core.active + len(self.idle)

    def serve(self):
        """Accepts and serves until stop(), each connection in a coroutine of the calling thread.

        RuntimeError: without the preload.
        """
        accept = self.listener.accept
        while not self.stopping:
            try:
                sock, peer = accept()
            except OSError as error:
                self._accept_failed(error)
                continue
            fd = sock.detach()
            if self.connections >= self.limits.connections:
                self.core.refuse(fd)
            elif isinstance(peer, tuple):
                self._start(fd, peer[0], str(peer[1]), 0)
            else:
                self._start(fd, None, None, 0)

    def _accept_failed(self, error):
        if self.stopping or error.errno in GONE_AGAIN:
            return
        if error.errno not in OUT_OF_SOMETHING:
            raise error
        if not self._complained:
            self._complained = True
            log.error('no connection can be accepted for now: %s', error)
        coio.sleep(0.1)

    def _start(self, fd, peer, port, requests):
        coio.spawn(self._serve, fd, peer, port, requests)

    def _serve(self, fd, peer, port, requests):
        requests = self.core.serve(fd, peer, port, requests)
        if requests >= 0:
            if self.stopping:
                os.close(fd)
            else:
                self.idle.add(fd, peer, port, requests)

    def stop(self, timeout=None):
        """Takes no more connections, closes those that are idle, and waits for the rest.

        timeout: seconds at most (float; None: any time).  True: all have ended.  The
        listener is shut down, for all processes that have it.
        """
        if not self.stopping:
            self.stopping = True
            self.core.stop()
            self.idle.close()
            try:
                self.listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.core.active and (deadline is None or time.monotonic() < deadline):
            coio.sleep(0.01)
        return not self.core.active
