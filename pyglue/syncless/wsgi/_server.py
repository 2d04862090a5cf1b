# SPDX-License-Identifier: Apache-2.0
"""Listening, accepting, and keeping the connections that ask nothing for the moment.

A connection that asks nothing is a descriptor in an epoll set and a small record.
The core (pyglue/_syncless_http) waits for all of them, reads, calls the application
and writes, in a coroutine that goes from one connection to the next; when the
application waits another coroutine goes on with the rest.

With threads these are green threads.

Over TLS a connection begins with its handshake, in its own coroutine or thread, and
has an ssl.SSLSocket beside its descriptor; when it has asked nothing for a second it
gives the coroutine up, and waits here (_Idle).
"""
import _thread
import collections
import errno
import logging
import os
import select
import socket
import sys
import threading
import time
import traceback

from .. import __version__, _glue, coio
from . import _tls

_http = _glue.load('_syncless_http')

OUT_OF_SOMETHING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
GONE_AGAIN = (errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.EINTR, errno.ENETDOWN, errno.EHOSTUNREACH,
              errno.ENETUNREACH, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET, errno.EOPNOTSUPP)
TICK = 1  # seconds; TICK_MS of the core
ACCEPTED_AT_ONCE = 16  # then those that are here have their turn
REFUSED_AT_ONCE = 100  # handshakes that are made to say 503
TRIM_AFTER, TRIM_SECONDS = 20, 5  # connections that have become idle or ended, and then
MOST_SPARE = 64  # workers without work that are kept
WAKE_READ = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT

log = logging.getLogger('syncless.wsgi')

Limits = collections.namedtuple('Limits', (
    'head_bytes', 'line_bytes', 'body_bytes', 'discard_bytes', 'head_seconds', 'idle_seconds', 'body_seconds',
    'write_seconds', 'headers', 'requests', 'connections', 'handshake_seconds'), defaults=(
    32768, 8190, 1 << 30, 1 << 20, 20, 75, 60, 60, 100, 1 << 30, 50000, 10))
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
handshake_seconds  within which TLS must have begun; then the connection is closed (float)
"""


class _Idle:
    """Connections that ask nothing.  One coroutine, or thread, waits for all of them, and for their deadlines."""

    def __init__(self, wake, close, spawn):
        self.wake = wake  # called with (fd, *what, deadline)
        self.close_one = close  # likewise
        self.spawn = spawn
        self.lock = threading.Lock()  # those who come may be threads
        self.records = {}  # fd: (*what, deadline), the earliest first but for those that were here before
        self.epoll = select.epoll()
        self.is_watched = self.is_closed = False

    def __len__(self):
        return len(self.records)

    def add(self, fd, *record):
        """Of a connection; False: close() has been called."""
        with self.lock:
            if self.is_closed:
                return False
            self.records[fd] = record
            self.epoll.register(fd, WAKE_READ)
            if not self.is_watched:
                self.spawn(self._watch)
                self.is_watched = True
        return True

    def _first_deadline(self):
        with self.lock:
            self.is_watched = bool(self.records)
            return next(iter(self.records.values()))[-1] if self.records else None

    def _watch(self):
        while True:
            first = self._first_deadline()
            if first is None:
                break
            try:
                self._wake_ready(max(0, first - time.monotonic()))
            except (OSError, ValueError):
                if self.is_closed:
                    break
                raise
            self._expire(time.monotonic())

    def _take(self, fd):
        with self.lock:
            record = self.records.pop(fd, None)
            if record is not None:
                self.epoll.unregister(fd)
        return record

    def _wake_ready(self, seconds):
        for fd, _ in self.epoll.poll(seconds):
            record = self._take(fd)
            if record is not None:
                self.wake(fd, *record)

    def _expire(self, now):
        with self.lock:
            late = []
            for fd, record in self.records.items():
                if record[-1] > now:
                    break
                late.append(fd)
        for fd in late:
            record = self._take(fd)
            if record is not None:
                self.close_one(fd, *record)

    def close(self):
        """All but those that have just asked something."""
        self._wake_ready(0)
        with self.lock:
            self.is_closed = True
            left, self.records = self.records, {}
            self.epoll.close()  # which ends the wait
        for fd, record in left.items():
            self.close_one(fd, *record)


def _log_error(what, error, environ):
    place = '' if environ is None else f': {environ["REQUEST_METHOD"]} {environ["REQUEST_URI"]}'
    log.error('%s%s\n%s', what, place, ''.join(traceback.format_exception(type(error), error, error.__traceback__)))


class HttpServer:
    """Serves a WSGI application on a listening socket.

    application     callable(environ, start_response), as in PEP 3333
    listener        a socket that listens, TCP or Unix; close it after serve()
    access_log      callable(environ, status, body_bytes, seconds) after each request; None: none
    environ         more names for every environ (dict)
    tls             a wsgi.Tls, or an ssl.SSLContext for servers; None: plain HTTP
    upgrade_ssl_callback
                    callable(sock, environ, is_debug) in each new connection's coroutine, instead of tls: returns the
                    socket to go on with, an ssl.SSLSocket or a plain one, or None to close it.  What it puts into
                    environ is in that of all requests of the connection.
    threads         bool: requests that overlap are served by green threads, not by coroutines of the thread that
                    calls serve(): for applications that count on threading.local, RLock or get_ident() to tell
                    requests apart, as Django, CherryPy, web.py and SQLAlchemy's scoped_session do
    further         limits by their names, see Limits

    TypeError, ValueError: tls is of no use; a limit is unknown or negative.
    """

    def __init__(self, application, listener, access_log=None, environ=None, tls=None, upgrade_ssl_callback=None,
                 threads=False, **limits):
        self.listener = listener
        self.threads = threads
        self.limits = Limits(**limits)
        for name, value in self.limits._asdict().items():
            if value < 0:
                raise ValueError(f'{name} must not be negative, as {value!r} is')
        base = {**self._base_environ(), **(environ or {})}
        bounds = self.limits
        self.core = _http.Server(application, base, access_log, _log_error, (
            bounds.head_bytes, bounds.line_bytes, bounds.body_bytes, bounds.discard_bytes,
            *(int(seconds * 1000) for seconds in bounds[4:8]), bounds.headers, bounds.requests))
        self.core.threads = threads
        self.idle = _Idle(self._start, self._close_idle, self._spawn)
        self.tls = tls
        self.upgrade = upgrade_ssl_callback if tls is None else _tls.Upgrade(tls, bounds.handshake_seconds)
        self.untrimmed = 0  # connections that had a coroutine since the heap was trimmed
        self.coming = 0  # connections whose coroutine has not begun
        self.beginning = set()  # coroutines of connections that are not yet upgraded
        self.failed_handshakes = 0
        self.spare = []  # workers that wait until they are needed
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
        return self.core.active + self.core.resting + len(self.idle) + len(self.beginning) + self.coming

    def serve(self):
        """Accepts and serves until stop(), connections in coroutines of the calling thread, or in threads.

        RuntimeError: without the preload.
        """
        self.core.follow = self._follow
        self._follow()
        accept = self.listener.accept
        accepted = 0
        while not self.stopping:
            try:
                sock, peer = accept()
            except OSError as error:
                self._accept_failed(error)
                continue
            accepted += 1
            if accepted % ACCEPTED_AT_ONCE == 0:
                coio.sleep()
            self._take(sock, *(peer[0], str(peer[1])) if isinstance(peer, tuple) else (None, None))

    def _take(self, sock, peer, port):
        beyond = self.connections - self.limits.connections
        if self.upgrade is None:
            if beyond >= 0:
                self.core.refuse(sock.detach())
            else:
                self.core.add(sock.detach(), peer, port)
        elif beyond >= REFUSED_AT_ONCE:
            sock.close()
        else:
            self.beginning.add(coio.spawn(self._begin, sock, peer, port, beyond >= 0))

    def _accept_failed(self, error):
        if self.stopping or error.errno in GONE_AGAIN:
            return
        if error.errno not in OUT_OF_SOMETHING:
            raise error
        if not self._complained:
            self._complained = True
            log.error('no connection can be accepted for now: %s', error)
        coio.sleep(0.1)

    def _follow(self):
        """Another worker into the run queue."""
        if self.spare:
            self.spare.pop()()
        else:
            self._spawn(self._work)

    def _work(self):
        wait, wake = self._turns()
        try:
            while self.core.work() and len(self.spare) < MOST_SPARE:
                self.spare.append(wake)
                wait()
        finally:
            if wake in self.spare:
                self.spare.remove(wake)

    def _turns(self):
        """Functions by which the caller waits, and others wake it."""
        if not self.threads:
            return _glue.park, coio.current().unpark
        turn = _thread.allocate_lock()
        turn.acquire()
        return turn.acquire, turn.release

    def _begin(self, sock, peer, port, is_refused):
        """A connection that is to be upgraded."""
        more = {'wsgi.url_scheme': 'http', 'HTTPS': 'off'}
        if peer is not None:
            more.update(REMOTE_ADDR=peer, REMOTE_PORT=port)
        try:
            upgraded = self._upgrade(sock, more)
        finally:
            self.beginning.discard(coio.current())
        if upgraded is None or self.stopping:
            (upgraded or sock).close()
        else:
            self._go_on(upgraded, peer, port, more, is_refused)
        self._ended()

    def _go_on(self, upgraded, peer, port, more, is_refused):
        if _tls.is_stream(upgraded):
            upgraded.settimeout(TICK)
            fd, stream = upgraded.fileno(), upgraded
            if more['HTTPS'] == 'off':  # a callback that knows nothing of environs
                more.update({'wsgi.url_scheme': 'https', 'HTTPS': 'on'})
        else:
            upgraded.settimeout(None)
            fd, stream = upgraded.detach(), None
        if is_refused:
            self.core.refuse(fd, stream)
            if stream is not None:
                stream.close()
        else:
            (self._start if self.threads else self._serve)(fd, peer, port, 0, stream, more)

    def _upgrade(self, sock, more):
        try:
            return self.upgrade(sock, more, log.isEnabledFor(logging.DEBUG))
        except OSError as error:  # ssl.SSLError is one
            self.failed_handshakes += 1
            log.debug('a handshake with %s has failed: %s', more.get('REMOTE_ADDR', 'a client'), error)
        except Exception as error:
            self.failed_handshakes += 1
            _log_error('a connection could not be upgraded', error, None)
        return None

    def _spawn(self, function, *args):
        if self.threads:
            _thread.start_new_thread(function, args)
        else:
            coio.spawn(function, *args)

    def _start(self, *what):
        self.coming += 1
        try:
            self._spawn(self._started, *what)
        except RuntimeError as error:  # no more threads
            self.coming -= 1
            _log_error('a connection is closed', error, None)
            self._close_idle(*what)

    def _started(self, *what):
        self.coming -= 1
        self._serve(*what)
        self._ended()

    def _ended(self):
        self.untrimmed += 1
        if self.untrimmed == TRIM_AFTER:
            self._spawn(self._trim)

    def _trim(self):
        """What they had while they were served lies between what others still have: free() does not give it back."""
        time.sleep(TRIM_SECONDS)
        self.core.trim()
        self.untrimmed = 0

    def _serve(self, fd, peer, port, requests, stream=None, more=None, deadline=0):
        asked = -1
        try:
            asked = self.core.serve(fd, peer, port, requests, stream, more)
        finally:
            if asked < 0 and stream is not None:
                stream.close()
        if asked < 0:
            return
        now = time.monotonic()
        if asked > requests or not deadline:
            deadline = now + self.limits.idle_seconds
        # Late: after bytes that are no request, such as a part of a TLS record.
        if now >= deadline or not self.idle.add(fd, peer, port, asked, stream, more, deadline):
            self._close_idle(fd, peer, port, asked, stream, more, deadline)

    def _close_idle(self, fd, peer, port, requests, stream=None, more=None, deadline=0):
        if stream is None:
            os.close(fd)
        else:
            self.core.leave(stream)
            stream.close()

    def reload_tls(self):
        """Reads the files of tls again, which must be a wsgi.Tls, for handshakes to come; True: it has worked.

        If they are wrong the old certificates stay, and the error is logged.
        TypeError: tls is none.
        """
        if not isinstance(self.tls, _tls.Tls):
            raise TypeError(f'only a wsgi.Tls can be read again, not {self.tls!r}')
        try:
            self.tls.reload()
        except (OSError, ValueError) as error:
            log.error('the certificates stay as they were: %s', error)
            return False
        return True

    def stop(self, timeout=None):
        """Takes no more connections, closes those that are idle, and waits for the rest.

        timeout: seconds at most (float; None: any time).  True: all have ended.  The
        listener is closed; other processes that have it, systemd say, go on with it.
        """
        if not self.stopping:
            self.stopping = True
            self.listener.close()
            self.core.stop()
            self.idle.close()
            coio.killall(self.beginning, block=False)
            self.beginning.clear()
            while self.spare:
                self.spare.pop()()
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._some_are_left() and (deadline is None or time.monotonic() < deadline):
            coio.sleep(0.01)
        if self._some_are_left():
            return False
        self.core.follow = None  # or each would have the other for ever
        return True

    def _some_are_left(self):
        return self.core.active or self.core.resting or self.coming
