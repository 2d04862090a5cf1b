# SPDX-License-Identifier: Apache-2.0
"""Workers for gunicorn: in each process many requests at once, for applications whose code blocks.

    syncless run gunicorn -k syncless.gunicorn.Worker -w 4 package.module:application

Each request is answered in a green thread, as any application
may expect that tells requests apart by threading.local or by RLock.  Those
that do not may take syncless.gunicorn.CoroutineWorker, which is quicker.

gunicorn listens, forks, reloads and restarts; the HTTP is that of syncless.wsgi,
whose limits are taken from gunicorn's settings.  docs/deploy.md says which.

Needs the package gunicorn, 20.1 or newer; to serve needs the preload.
"""
import datetime
import functools
import ipaddress
import logging
import os
import select
import types

from . import _launch

try:
    from gunicorn import sock as sockets
    from gunicorn.http.wsgi import base_environ
    from gunicorn.workers import base
except ImportError as error:
    raise ImportError('syncless.gunicorn needs the package gunicorn: python3 -m pip install gunicorn') from error

__all__ = ['CoroutineWorker', 'Worker']

HEARTBEAT = 1.0  # seconds at most
MOST_HEADERS = 128  # that the parser takes
HEAD_BYTES = 32768
KEPT = 'syncless.gunicorn'  # in the environ: what the end of a request wants to know of its beginning


class _Listener:
    """One of gunicorn's sockets, from which other processes accept as well.

    So it does not block: whoever is quicker gets the connection.  It is a
    duplicate: closing it ends the wait here, and the others go on.
    """

    def __init__(self, sock, most):
        self.sock = sock.dup()
        self.sock.setblocking(False)
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLIN)
        self.most = most  # connections of this process
        self.server = None

    def getsockname(self):
        return self.sock.getsockname()

    def accept(self):
        from . import coio
        while True:
            coio.sleep()  # another process may have less to do
            while self.server.connections >= self.most and not self.server.stopping:
                coio.sleep(0.01)
            self.poll.poll()
            try:
                return self.sock.accept()
            except BlockingIOError:
                pass

    def close(self):
        self.sock.close()


class _Proxies:
    """Whom gunicorn's settings trust to say how their own client speaks to them."""

    def __init__(self, cfg):
        self.all = '*' in cfg.forwarded_allow_ips
        self.networks = [ipaddress.ip_network(text, strict=False) for text in cfg.forwarded_allow_ips if text != '*']
        self.schemes = [('HTTP_' + name.upper().replace('-', '_'), value)
                        for name, value in cfg.secure_scheme_headers.items()]
        self.trusts = functools.lru_cache(1024)(self._trusts)

    def _trusts(self, peer):
        if self.all or not peer:  # '': of a Unix socket
            return True
        address = ipaddress.ip_address(peer.partition('%')[0])
        return any(address in network for network in self.networks)

    def scheme(self, environ):
        """http or https; None: nobody has said; ValueError: both."""
        said = {'https' if environ[name] == value else 'http' for name, value in self.schemes if name in environ}
        if len(said) > 1:
            raise ValueError('the headers of secure_scheme_headers contradict each other')
        return said.pop() if said else None


def _request(environ):
    """What hooks and the access log may ask of a request."""
    headers = [(name[5:].replace('_', '-'), value) for name, value in environ.items() if name.startswith('HTTP_')]
    headers += [(name.replace('_', '-'), environ[name])
                for name in ('CONTENT_TYPE', 'CONTENT_LENGTH') if name in environ]
    return types.SimpleNamespace(
        method=environ['REQUEST_METHOD'], uri=environ['RAW_URI'], path=environ['RAW_URI'].partition('?')[0],
        query=environ['QUERY_STRING'], version=tuple(map(int, environ['SERVER_PROTOCOL'][5:].split('.'))),
        scheme=environ['wsgi.url_scheme'], remote_addr=(environ['REMOTE_ADDR'], environ.get('REMOTE_PORT', '')),
        headers=headers, body=environ['wsgi.input'])


def _tls(cfg):
    """The ssl.SSLContext of --certfile and its kin; None: they are left out.  OSError, ValueError: there is none."""
    if not cfg.is_ssl:
        return None
    if hasattr(sockets, 'ssl_context'):  # with gunicorn's hook of this name, from 21 on
        return sockets.ssl_context(cfg)
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cfg.certfile, cfg.keyfile)
    context.verify_mode = cfg.cert_reqs
    if cfg.ca_certs:
        context.load_verify_locations(cfg.ca_certs)
    if cfg.ciphers:
        context.set_ciphers(cfg.ciphers)
    return context


class Worker(base.Worker):
    """gunicorn -k syncless.gunicorn.Worker: a green thread for each request under way; see the module.

    RuntimeError, which gunicorn prints: without the preload; with settings that
    it cannot follow.
    """

    threads = True

    @classmethod
    def setup(cls):
        """Called by gunicorn before anything is opened.  RuntimeError: this process is not preloaded."""
        if not _launch.is_preloaded():
            raise RuntimeError('syncless.gunicorn.Worker needs libsyncless.so in gunicorn itself: start it by '
                               '`syncless run gunicorn ...`, or by `python3 -m syncless run gunicorn ...`')
        try:
            import greenlet  # noqa: F401
        except ImportError:
            raise RuntimeError('syncless.gunicorn.Worker needs the package greenlet: '
                               'python3 -m pip install greenlet') from None

    @classmethod
    def check_config(cls, cfg, log):
        """Called by gunicorn before it forks.  RuntimeError: a setting that cannot be followed."""
        if cfg.proxy_protocol not in (False, None, 'off'):
            raise RuntimeError('syncless.gunicorn.Worker does not speak the PROXY protocol: '
                               'leave --proxy-protocol out, and have the proxy send X-Forwarded-For')
        try:
            _tls(cfg)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise RuntimeError(f'there can be no TLS with this --certfile, --keyfile and their kin: {error}') from None
        if cfg.limit_request_fields > MOST_HEADERS:
            log.warning('limit_request_fields is %d here, not %d', MOST_HEADERS, cfg.limit_request_fields)

    def run(self):
        """Serves until a signal, gunicorn's end, or max_requests; then lets the requests under way end.

        Called by gunicorn in the process that it has forked, by the main flow,
        which all signals come to.
        """
        from . import coio  # makes the process a host: not in the one that forks
        self._take_errors()
        self.script_name = os.environ.get('SCRIPT_NAME', '')
        self.proxies = _Proxies(self.cfg)
        self.pre_request, self.post_request = self._hook('pre_request'), self._hook('post_request')
        self.keeps_headers = bool(self.post_request) or '}o' in self.cfg.access_log_format
        self.heartbeat = min(HEARTBEAT, self.timeout / 2) or HEARTBEAT  # timeout: half of gunicorn's; 0: none
        self.servers = [self._server(sock) for sock in self.sockets]
        serving = [coio.spawn(server.serve) for server in self.servers]
        while self.alive:
            self._beat()
            self._wait_for_signal()
            for co in serving:
                if co.ready():  # by its error: gunicorn then starts another
                    co.get()
        stopping = [coio.spawn(server.stop, self.cfg.graceful_timeout) for server in self.servers]
        while len(coio.joinall(stopping, self.heartbeat)) < len(stopping):
            self._beat()
        if not all(co.get() for co in stopping):
            self.log.warning('Worker graceful timeout (pid:%s)', self.pid)

    def _beat(self):
        self.notify()
        if self.alive and self.ppid != os.getppid():
            self.log.info('Parent changed, shutting down: %s', self)
            self.alive = False

    def _wait_for_signal(self):
        """gunicorn's pipe is written to by each signal, by its reloader, and by _retire()."""
        poll = select.poll()
        poll.register(self.PIPE[0], select.POLLIN)
        if poll.poll(self.heartbeat * 1000):
            os.read(self.PIPE[0], 4096)

    def _take_errors(self):
        """What the server logs goes where gunicorn's errors go."""
        handlers = getattr(getattr(self.log, 'error_log', None), 'handlers', None)
        if handlers:
            log = logging.getLogger('syncless.wsgi')
            log.handlers, log.propagate = handlers, False

    def _hook(self, name):
        """The user's function; None: gunicorn's own, which does nothing."""
        setting = self.cfg.settings[name]
        return None if setting.get() is type(setting).default else setting.get()

    def _limits(self):
        cfg = self.cfg
        line = cfg.limit_request_line or HEAD_BYTES
        return {'line_bytes': line, 'head_bytes': line + max(cfg.limit_request_field_size, HEAD_BYTES),
                'headers': min(cfg.limit_request_fields or MOST_HEADERS, MOST_HEADERS),
                **({'idle_seconds': cfg.keepalive} if cfg.keepalive else {'requests': 1})}

    def _server(self, sock):
        from . import wsgi
        environ = base_environ(self.cfg)
        del environ['wsgi.file_wrapper']
        environ.update({'wsgi.multithread': True, 'SCRIPT_NAME': self.script_name})
        listener = _Listener(sock, self.cfg.worker_connections)
        access_log = self._end if self.post_request or self._logs_access() else None
        listener.server = wsgi.HttpServer(self._application, listener, access_log, environ, _tls(self.cfg),
                                          threads=self.threads, **self._limits())
        return listener.server

    def _logs_access(self):
        """False only if the log is gunicorn's own and would leave the line out."""
        from gunicorn import glogging
        return type(self.log) is not glogging.Logger or any(getattr(self.cfg, name, None) for name in (
            'accesslog', 'logconfig', 'logconfig_dict', 'logconfig_json', 'syslog'))

    def _application(self, environ, start_response):
        self.nr += 1
        if self.nr >= self.max_requests:
            self._retire()
        environ['RAW_URI'] = environ['REQUEST_URI']
        if self.proxies.trusts(environ['REMOTE_ADDR']):
            try:
                environ['wsgi.url_scheme'] = self.proxies.scheme(environ) or environ['wsgi.url_scheme']
            except ValueError as error:
                start_response('400 Bad Request', [('Content-Type', 'text/plain')])
                return [f'{error}\n'.encode()]
        if self.script_name:
            self._take_script_name(environ)
        if self.pre_request or self.post_request:
            environ[KEPT] = _request(environ)
        if self.pre_request:
            self.pre_request(self, environ[KEPT])
        if self.keeps_headers:
            start_response = self._keeping_headers(environ, start_response)
        return self.wsgi(environ, start_response)

    def _retire(self):
        if self.alive:
            self.log.info('Autorestarting worker after current request.')
            self.alive = False
            for server in self.servers:
                server.core.stop()  # so that this answer already says `Connection: close`
            os.write(self.PIPE[1], b'.')

    def _take_script_name(self, environ):
        if not environ['PATH_INFO'].startswith(self.script_name):
            raise ValueError(f'the path {environ["PATH_INFO"]!r} does not start with SCRIPT_NAME {self.script_name!r}')
        environ['PATH_INFO'] = environ['PATH_INFO'][len(self.script_name):]

    @staticmethod
    def _keeping_headers(environ, start_response):
        def start(status, headers, exc_info=None):
            environ[KEPT + '.headers'] = headers
            return start_response(status, headers, exc_info)
        return start

    def _end(self, environ, status, sent, seconds):
        """After each request: the access log, and the hook."""
        environ.setdefault('RAW_URI', environ['REQUEST_URI'])
        request = environ.get(KEPT) or _request(environ)
        response = types.SimpleNamespace(status=str(status), status_code=status, sent=sent, response_length=sent,
                                         headers=environ.get(KEPT + '.headers', []))
        self.log.access(response, request, environ, datetime.timedelta(seconds=seconds))
        if self.post_request:
            try:
                self.post_request(self, request, environ, response)
            except Exception:
                self.log.exception('Exception in post_request hook')


class CoroutineWorker(Worker):
    """gunicorn -k syncless.gunicorn.CoroutineWorker: all requests in coroutines of one thread, which costs less.

    For applications that do not count on threading.local, threading.RLock or
    threading.get_ident() to tell requests apart.  Flask's own objects do not;
    Django, CherryPy, web.py and SQLAlchemy's scoped_session do.
    """

    threads = False
