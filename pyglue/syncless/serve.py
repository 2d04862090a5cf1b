# SPDX-License-Identifier: Apache-2.0
"""`syncless serve MODULE:APPLICATION`: an HTTP server for it.

    syncless serve package.module:application --bind 0.0.0.0:8000
    syncless serve module:make_application()  --unix /run/app.socket --access-log json

The sockets that systemd has passed are served, or the one of --fd; else the one
of --bind or --unix.  SIGTERM and SIGINT end it when the requests under way
have been answered, or after --graceful-timeout.  With --tls-cert it speaks TLS,
and reads the certificates again at a SIGHUP.
"""
import argparse
import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
import traceback

from . import _launch
from ._unix import free_path

LIMITS_HELP = {'head_bytes': 'of a request\'s head', 'line_bytes': 'of its first line', 'body_bytes': 'of its body',
               'discard_bytes': 'of a body that the application does not read',
               'head_seconds': 'for a head to come', 'idle_seconds': 'between two requests',
               'body_seconds': 'without a byte of a body', 'write_seconds': 'in which a client takes nothing',
               'headers': 'in a request', 'requests': 'on one connection', 'connections': 'at once',
               'handshake_seconds': 'for TLS to begin'}
TLS_OPTIONS = ('tls_cert', 'tls_key', 'tls_password_file', 'tls_client_ca', 'tls_client', 'tls_sni', 'tls_minimum')
FIRST_PASSED = 3  # sd_listen_fds(3)


class Wrong(Exception):
    """What the user is told in one line."""


def _told(error):
    """An exception of the user's code in one line: what, and where."""
    what = ' '.join(traceback.format_exception_only(type(error), error)[-1].split())
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith('<frozen ')]
    place = error if isinstance(error, SyntaxError) else places[-1]
    return f'{what} ({place.filename}:{place.lineno})'


def find_application(name):
    """What MODULE:EXPRESSION names; Wrong: nothing."""
    module, colon, expression = name.partition(':')
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(error.name + '.')):
            raise Wrong(f'there is no module {module} here or on the path') from None
        raise Wrong(f'module {module} cannot be imported: {_told(error)}') from None
    except Exception as error:
        if not module:
            raise Wrong(f'{name!r} names no module') from None
        raise Wrong(f'module {module} cannot be imported: {_told(error)}') from None
    attribute, bracket, _ = (expression or 'application').partition('()')
    for part in attribute.split('.'):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Wrong(f'module {module} has no {attribute}') from None
    try:
        return found() if bracket else found
    except Exception as error:
        raise Wrong(f'{attribute}() of module {module} fails: {_told(error)}') from None


def _bound_unix(path, backlog):
    free_path(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(backlog)
    return listener


def _bound(address, backlog):
    host, _, port = address.rpartition(':')
    host = host.strip('[]') or '127.0.0.1'
    if not port.isdigit() or int(port) > 65535:
        raise Wrong(f'--bind wants HOST:PORT, not {address}')
    from . import wsgi
    try:
        return wsgi.listen((host, int(port)), backlog)
    except OSError as error:
        raise Wrong(f'{host}:{port}: {os.strerror(error.errno) if error.errno and error.errno > 0 else error}') from None


def open_listeners(options):
    """The sockets to serve, each with its name (None: it has none); Wrong: there are none."""
    if options.fd is not None:
        return [(_passed(options.fd), None)]
    if options.unix:
        try:
            return [(_bound_unix(options.unix, options.backlog), None)]
        except OSError as error:
            raise Wrong(f'{options.unix}: {error.strerror or error}') from None
    return _of_systemd() or [(_bound(options.bind, options.backlog), None)]


def _of_systemd():
    """What sd_listen_fds_with_names(3) would find; the variables are then gone, as they are for nobody else."""
    if os.environ.get('LISTEN_PID') != str(os.getpid()):
        return []
    found = {name: os.environ.pop(name, '') for name in ('LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES')}
    count = int(found['LISTEN_FDS'] or 0)
    names = found['LISTEN_FDNAMES'].split(':') + [None] * count
    return [(_passed(FIRST_PASSED + n), names[n]) for n in range(count)]


def _passed(fd):
    try:
        listener = socket.socket(fileno=fd)
    except OSError as error:
        raise Wrong(f'descriptor {fd} is no socket: {error.strerror}') from None
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise Wrong(f'descriptor {fd} is a socket that does not listen; with systemd, leave Accept=yes out')
    listener.set_inheritable(False)
    return listener


def tell_systemd(state):
    """sd_notify(3): nothing unless the unit has Type=notify."""
    path = os.environ.get('NOTIFY_SOCKET')
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
            sock.connect('\0' + path[1:] if path.startswith('@') else path)
            sock.sendall(state.encode())


def make_tls(options):
    """The wsgi.Tls that they say; None: none.  Wrong: it cannot be."""
    from .wsgi import Tls
    given = [name for name in TLS_OPTIONS if getattr(options, name)]
    if not given:
        return None
    if not options.tls_cert:
        raise Wrong(f'--{given[0].replace("_", "-")} is of no use without --tls-cert')
    if options.tls_client and not options.tls_client_ca:
        raise Wrong('certificates of clients need --tls-client-ca, the file of those that sign them')
    sni = {}
    for text in options.tls_sni or ():
        name, equals, pair = text.partition('=')
        cert, _, key = pair.partition(',')
        if not (name and equals and cert):
            raise Wrong(f'--tls-sni wants NAME=CERT,KEY, not {text}')
        sni[name] = cert, key or None
    try:
        password = None
        if options.tls_password_file:
            with open(options.tls_password_file) as file:
                password = file.readline().rstrip('\n')
        return Tls(options.tls_cert, options.tls_key, password, options.tls_client_ca, options.tls_client, sni,
                   options.tls_minimum or '1.2')
    except OSError as error:
        raise Wrong(f'{error.filename}: {error.strerror}') from None
    except ValueError as error:
        raise Wrong(str(error)) from None


def _seconds(text):
    number = float(text)
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f'{text} is no number of seconds')
    return number


def _count(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f'{text} is negative')
    return number


def parse(words):
    """The options of the command line, as argparse has them; ends the program if they are wrong."""
    from .wsgi import Limits, _log
    parser = argparse.ArgumentParser(prog='syncless serve', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('application', metavar='MODULE:APPLICATION')
    parser.add_argument('--bind', default='127.0.0.1:8000', metavar='HOST:PORT')
    parser.add_argument('--unix', metavar='PATH')
    parser.add_argument('--fd', type=int, metavar='N')
    parser.add_argument('--backlog', type=_count, default=1024, metavar='N',
                        help='connections that wait to be accepted, at --bind or --unix (default 1024)')
    parser.add_argument('--tls-cert', metavar='FILE', help='certificates in PEM form; read again at SIGHUP')
    parser.add_argument('--tls-key', metavar='FILE', help='its key, if that is not in --tls-cert')
    parser.add_argument('--tls-password-file', metavar='FILE', help="an encrypted key's password is its first line")
    parser.add_argument('--tls-client-ca', metavar='FILE', help='who signs the certificates of clients')
    parser.add_argument('--tls-client', choices=['optional', 'required'], help='default: required')
    parser.add_argument('--tls-sni', metavar='NAME=CERT,KEY', action='append',
                        help='another certificate for a host name or *.domain; more than once for several')
    parser.add_argument('--tls-minimum', choices=['1.2', '1.3'], help='the oldest version (default 1.2)')
    parser.add_argument('--coroutines', action='store_true',
                        help='answer requests in coroutines of one thread, not in green threads: quicker, for '
                        'applications that do not count on threading.local or RLock to tell requests apart')
    parser.add_argument('--access-log', choices=sorted(_log.FORMATS), help='on stdout, or in --access-log-file')
    parser.add_argument('--access-log-file', metavar='PATH')
    parser.add_argument('--metrics', metavar='PATH', help='answer this path with metrics for Prometheus')
    parser.add_argument('--graceful-timeout', type=float, default=30, metavar='SECONDS')
    for name in Limits._fields:
        default = Limits._field_defaults[name]
        parser.add_argument('--' + name.replace('_', '-'), type=_seconds if name.endswith('_seconds') else _count,
                            default=default, metavar='N',
                            help=f'{LIMITS_HELP[name]} (default {default})')
    return parser.parse_args(words)


def serve(options):
    """Serves as parse()'s options say, until a signal ends it."""
    from . import coio
    from .wsgi import HttpServer, Limits, _apps
    tls = make_tls(options)
    listeners = open_listeners(options)
    application, _ = _apps.application_of(find_application(options.application))
    servers = []
    if options.metrics:
        application = _apps.with_metrics(application, options.metrics, servers)
    access_log = _open_log(options)
    limits = {name: getattr(options, name) for name in Limits._fields}
    servers += [HttpServer(application, listener, access_log, tls=tls, threads=not options.coroutines, **limits)
                for listener, _ in listeners]
    stopping = []

    def stop(*_):
        if not stopping:
            tell_systemd('STOPPING=1')
            stopping.extend(coio.spawn(server.stop, options.graceful_timeout) for server in servers)
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, stop)
    if tls:
        signal.signal(signal.SIGHUP, lambda *_: servers[0].reload_tls())  # which all have
    serving = [coio.spawn(server.serve) for server in servers]
    for listener, name in listeners:
        at = listener.getsockname()
        where = at if isinstance(at, str) else f'http{"s" if tls else ""}://{at[0]}:{at[1]}/'
        print('syncless: serving', f'{name} at' if name else 'at', where, file=sys.stderr)
    tell_systemd('READY=1')
    for server in serving:
        server.get()
    return 0 if all([co.get() for co in stopping]) else 1


def _open_log(options):
    """What HttpServer calls after each request; None: nothing."""
    from .wsgi import _log
    if not options.access_log:
        return None
    try:
        stream = open(options.access_log_file, 'a') if options.access_log_file else sys.stdout
    except OSError as error:
        raise Wrong(f'{options.access_log_file}: {error.strerror}') from None
    return _log.FORMATS[options.access_log](stream)


def main(words=None):
    """The command.  Returns the exit code: 1: it could not begin, or requests were broken off at the end."""
    words = sys.argv[1:] if words is None else words
    _launch.restart('syncless.serve', words)
    logging.basicConfig(format='%(message)s')
    options = parse(words)
    try:
        return serve(options)
    except (Wrong, TypeError) as error:
        print(f'syncless: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
