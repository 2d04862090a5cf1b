# SPDX-License-Identifier: Apache-2.0
"""`syncless serve MODULE:APPLICATION`: an HTTP server for it.

    syncless serve package.module:application --bind 0.0.0.0:8000
    syncless serve module:make_application()  --unix /run/app.socket --access-log json

Sockets that systemd has passed are served, or the one of --fd; else the one
of --bind or --unix.  SIGTERM and SIGINT end it when the requests under way
have been answered, or after --graceful-timeout.
"""
import argparse
import importlib
import logging
import os
import signal
import socket
import sys

from . import _launch
from ._unix import free_path

LIMITS_HELP = {'head_bytes': 'of a request\'s head', 'line_bytes': 'of its first line', 'body_bytes': 'of its body',
               'discard_bytes': 'of a body that the application does not read',
               'head_seconds': 'for a head to come', 'idle_seconds': 'between two requests',
               'body_seconds': 'without a byte of a body', 'write_seconds': 'in which a client takes nothing',
               'headers': 'in a request', 'requests': 'on one connection', 'connections': 'at once'}
FIRST_PASSED = 3  # sd_listen_fds(3)


class Wrong(Exception):
    """What the user is told in one line."""


def find_application(name):
    """What MODULE:EXPRESSION names; Wrong: nothing."""
    module, colon, expression = name.partition(':')
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(error.name + '.')):
            raise Wrong(f'there is no module {module} here or on the path') from None
        raise
    except ValueError:
        raise Wrong(f'{name!r} names no module') from None
    attribute, bracket, _ = (expression or 'application').partition('()')
    for part in attribute.split('.'):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Wrong(f'module {module} has no {attribute}') from None
    return found() if bracket else found


def _bound_unix(path):
    free_path(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    return listener


def _bound(address):
    host, _, port = address.rpartition(':')
    host = host.strip('[]') or '127.0.0.1'
    if not port.isdigit() or int(port) > 65535:
        raise Wrong(f'--bind wants HOST:PORT, not {address}')
    from . import wsgi
    try:
        return wsgi.listen((host, int(port)))
    except OSError as error:
        raise Wrong(f'{host}:{port}: {os.strerror(error.errno) if error.errno and error.errno > 0 else error}') from None


def open_listener(options):
    """The socket to serve; Wrong: there is none."""
    if options.fd is not None:
        return _passed(options.fd)
    if options.unix:
        try:
            return _bound_unix(options.unix)
        except OSError as error:
            raise Wrong(f'{options.unix}: {error.strerror}') from None
    if os.environ.get('LISTEN_PID') == str(os.getpid()):
        count = int(os.environ.get('LISTEN_FDS', 0))
        if count != 1:
            raise Wrong(f'systemd has passed {count} sockets; one is needed')
        return _passed(FIRST_PASSED)
    return _bound(options.bind)


def _passed(fd):
    try:
        return socket.socket(fileno=fd)
    except OSError as error:
        raise Wrong(f'descriptor {fd} is no socket: {error.strerror}') from None


def parse(words):
    """The options of the command line, as argparse has them; ends the program if they are wrong."""
    from .wsgi import Limits, _log
    parser = argparse.ArgumentParser(prog='syncless serve', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('application', metavar='MODULE:APPLICATION')
    parser.add_argument('--bind', default='127.0.0.1:8000', metavar='HOST:PORT')
    parser.add_argument('--unix', metavar='PATH')
    parser.add_argument('--fd', type=int, metavar='N')
    parser.add_argument('--access-log', choices=sorted(_log.FORMATS), help='on stdout, or in --access-log-file')
    parser.add_argument('--access-log-file', metavar='PATH')
    parser.add_argument('--metrics', metavar='PATH', help='answer this path with metrics for Prometheus')
    parser.add_argument('--graceful-timeout', type=float, default=30, metavar='SECONDS')
    for name in Limits._fields:
        default = Limits._field_defaults[name]
        parser.add_argument('--' + name.replace('_', '-'), type=type(default), default=default, metavar='N',
                            help=f'{LIMITS_HELP[name]} (default {default})')
    return parser.parse_args(words)


def serve(options):
    """Serves as parse()'s options say, until a signal ends it."""
    from . import coio
    from .wsgi import HttpServer, Limits, _apps, _log
    listener = open_listener(options)
    application, _ = _apps.application_of(find_application(options.application))
    server = []
    if options.metrics:
        application = _apps.with_metrics(application, options.metrics, server)
    access_log = None
    if options.access_log:
        stream = open(options.access_log_file, 'a') if options.access_log_file else sys.stdout
        access_log = _log.FORMATS[options.access_log](stream)
    server.append(HttpServer(application, listener, access_log,
                             **{name: getattr(options, name) for name in Limits._fields}))
    stopping = []

    def stop(*_):
        if not stopping:
            stopping.append(coio.spawn(server[0].stop, options.graceful_timeout))
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, stop)
    name = listener.getsockname()
    print('syncless: serving at', name if isinstance(name, str) else f'http://{name[0]}:{name[1]}/', file=sys.stderr)
    server[0].serve()
    return 0 if stopping[0].get() else 1


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
