# SPDX-License-Identifier: Apache-2.0
"""What counts as an application: WSGI callables, and what other frameworks have in their place."""
import http
import inspect
import io
import sys


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
LONGEST_HEAD = 1 << 20  # of a handler's answer


def takes_two(function):
    """Can it be called as application(environ, start_response)?  True, too, where nobody can tell."""
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


# --- BaseHTTPRequestHandler

class _Request(io.RawIOBase):
    """The head as it came, rebuilt, then the body."""

    def __init__(self, head, body):
        self.head = io.BytesIO(head)
        self.body = body

    def readable(self):
        return True

    def readline(self, size=-1):
        return self.head.readline(size) or self.body.readline(size)

    def read(self, size=-1):
        data = self.head.read(size)
        if size is None or size < 0:
            return data + self.body.read()
        return data or self.body.read(size)

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[:len(data)] = data
        return len(data)


class _Answer(io.RawIOBase):
    """Takes an answer's head from what a handler writes, and hands on the rest."""

    def __init__(self, start_response):
        self.start_response = start_response
        self.write_body = None
        self.head = b''

    def writable(self):
        return True

    def write(self, data):
        data = bytes(data)
        if self.write_body is None:
            self.head += data
            head, end, data = self.head.partition(b'\r\n\r\n')
            if not end:
                if len(self.head) > LONGEST_HEAD:
                    raise ValueError('the handler writes a head without end')
                return len(data)
            self.begin(head.decode('latin-1'))
        if data:
            self.write_body(data)
        return len(data)

    def begin(self, head):
        status, *lines = head.split('\r\n')
        words = status.split(' ', 2)
        if len(words) < 2 or not words[0].startswith('HTTP/'):
            raise ValueError(f'the handler has answered {status!r}, which is no HTTP/1.0')
        reason = words[2] if len(words) > 2 and words[2] else http.HTTPStatus(int(words[1])).phrase
        headers = [tuple(part.strip() for part in line.split(':', 1)) for line in lines]
        self.write_body = self.start_response(f'{words[1]} {reason}', headers)


def _rebuild_head(environ):
    lines = [f'{environ["REQUEST_METHOD"]} {environ["REQUEST_URI"]} {environ["SERVER_PROTOCOL"]}']
    lines += [f'{name[5:].replace("_", "-").title()}: {value}'
              for name, value in environ.items() if name.startswith('HTTP_')]
    lines += [f'{name.replace("_", "-").title()}: {environ[name]}'
              for name in ('CONTENT_TYPE', 'CONTENT_LENGTH') if name in environ]
    return '\r\n'.join([*lines, '', '']).encode('latin-1')


def BaseHttpWsgiWrapper(cls):  # noqa: N802
    """A WSGI application of a class derived from http.server.BaseHTTPRequestHandler; TypeError: it is none.

    A handler object is made for each request.  It has no socket: connection is None.
    """
    import http.server
    if not (isinstance(cls, type) and issubclass(cls, http.server.BaseHTTPRequestHandler)):
        raise TypeError(f'a class derived from BaseHTTPRequestHandler is needed, not {cls!r}')

    class Hosted(cls):
        def setup(self):
            self.connection = None

        def finish(self):
            self.wfile.flush()

        def handle(self):
            self.close_connection = True
            self.handle_one_request()

    def application(environ, start_response):
        answer = _Answer(start_response)
        handler = Hosted.__new__(Hosted)
        handler.rfile = _Request(_rebuild_head(environ), environ['wsgi.input'])
        handler.wfile = answer
        handler.__init__(None, (environ['REMOTE_ADDR'], int(environ.get('REMOTE_PORT', 0))), None)
        if answer.write_body is None:
            raise ValueError(f'{cls.__name__} has not answered {environ["REQUEST_METHOD"]} {environ["REQUEST_URI"]}')
        return []
    return application


# --- What else there is.

def _is_cherrypy(app):
    cls = app if isinstance(app, type) else type(app)
    return any(callable(value) and getattr(value, 'exposed', False) for value in vars(cls).values())


def CanBeCherryPyApp(app):  # noqa: N802
    """Is it a class or an object with a method that CherryPy would serve?"""
    return 'cherrypy' in sys.modules and _is_cherrypy(app)


def _mount_cherrypy(app):
    import cherrypy
    cherrypy.server.unsubscribe()
    cherrypy.config.update({'environment': 'embedded'})
    tree = cherrypy.tree
    tree.mount(app() if isinstance(app, type) else app, '/')
    cherrypy.engine.start()
    return tree


def _is_webpy(app):
    return not callable(app) and all(hasattr(app, name) for name in ('handle', 'request', 'run', 'wsgifunc', 'cgirun'))


def counts_on_threads(app):
    """Is it known to keep what belongs to a request in threading.local?"""
    return _is_webpy(app) or CanBeCherryPyApp(app)


def application_of(app):
    """(WSGI application, default address) of what RunHttpServer() takes; TypeError: of nothing else."""
    if _is_webpy(app):
        return app.wsgifunc(), ('0.0.0.0', 8080)  # web.py
    if CanBeCherryPyApp(app):
        return _mount_cherrypy(app), ('127.0.0.1', 8080)
    handler = sys.modules.get('http.server')
    if handler and isinstance(app, type) and issubclass(app, handler.BaseHTTPRequestHandler):
        return BaseHttpWsgiWrapper(app), ('127.0.0.1', 6666)
    if callable(app) and takes_two(app):
        return app, ('127.0.0.1', 6666)
    if callable(app):
        raise TypeError(f'{app!r} cannot be called as application(environ, start_response)')
    raise TypeError(f'{app!r} is no application: neither WSGI, nor of web.py, CherryPy or BaseHTTPRequestHandler')


class Simple:
    """The application of simple(): function may leave start_response alone, and return str."""

    def __init__(self, function):
        if not takes_two(function):
            raise TypeError(f'{function!r} cannot be called as function(environ, start_response)')
        self.function = function

    def __call__(self, environ, start_response):
        started = []

        def start(status, headers, exc_info=None):
            started.append(status)
            return start_response(status, headers, exc_info)
        result = self.function(environ, start)
        if not started and isinstance(result, (str, bytes, list, tuple)):
            start_response('200 OK', [('Content-Type', 'text/html; charset=utf-8')])
            started.append('200 OK')
        if result is None:
            raise TypeError('the function has returned None: it must return str, bytes or an iterable of these')
        if isinstance(result, (str, bytes)):
            result = [result]
        if isinstance(result, (list, tuple)):
            return [_as_bytes(item) for item in result]
        return self._each(result, started, start_response)

    @staticmethod
    def _each(result, started, start_response):
        try:
            for item in result:
                if not started:
                    start_response('200 OK', [('Content-Type', 'text/html; charset=utf-8')])
                    started.append('200 OK')
                yield _as_bytes(item)
        finally:
            if hasattr(result, 'close'):
                result.close()


def _as_bytes(item):
    return item.encode() if isinstance(item, str) else item


def with_metrics(application, path, servers):
    """The application, and at this path what Prometheus reads.  servers: a list of HttpServer, of all that serve it."""
    def measured(environ, start_response):
        if environ['PATH_INFO'] != path:
            return application(environ, start_response)
        cores = [server.core for server in servers]
        rows = [('syncless_requests_total', 'counter', 'Requests so far.', sum(core.requests for core in cores)),
                ('syncless_request_errors_total', 'counter', 'Requests that were wrong, or whose application failed.',
                 sum(core.errors for core in cores)),
                ('syncless_connections', 'gauge', 'Open connections.',
                 sum(server.connections for server in servers)),
                ('syncless_connections_active', 'gauge', 'Those that are being served.',
                 sum(core.active for core in cores)),
                ('syncless_tls_handshake_failures_total', 'counter', 'Connections that ended before TLS had begun.',
                 sum(server.failed_handshakes for server in servers))]
        text = ''.join(f'# HELP {name} {what}\n# TYPE {name} {kind}\n{name} {value}\n'
                       for name, kind, what, value in rows)
        start_response('200 OK', [('Content-Type', 'text/plain; version=0.0.4')])
        return [text.encode()]
    return measured
