# SPDX-License-Identifier: Apache-2.0
"""How the contestants of bench_wsgi.py are had, started and asked.

All Python ones run in one interpreter, with the versions that the index of
packages has: the virtual environment of `scripts/setup bench-http`.
"""
import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import processes
from processes import BUILD, LAUNCHER, NATIVE, PROGRAMS, Failed

PYTHON = BUILD / 'venv-bench-http' / 'bin' / 'python'
PATH = f'{PROGRAMS}:{processes.ROOT / "pyglue"}'
LOG = BUILD / 'bench' / 'wsgi.log'  # what the servers say; of the whole run

OURS = 'syncless serve --coroutines'
OURS_BY_THREADS = 'syncless serve'
PYWSGI = 'gevent.pywsgi'
GUNICORN_GEVENT = 'gunicorn -k gevent'
BJOERN = 'bjoern'
GRANIAN = 'granian'
MEINHELD = 'meinheld'
GO = 'Go net/http'
HELLO = [OURS, OURS_BY_THREADS, BJOERN, GRANIAN, MEINHELD, GO, PYWSGI, GUNICORN_GEVENT]

ANSWER = (200, b'Hello, World!', 'text/plain', '13')
KEEP_ALIVE = '75'  # seconds, ours; some peers have 2, and would hang up on clients that they keep waiting


def gthread(threads):
    return f'gunicorn -k gthread, {threads} threads'


def _gunicorn(application, kind, *words):
    return lambda port: [PYTHON, '-m', 'gunicorn', '-k', kind, '-w', '1', '-b', f'127.0.0.1:{port}', '--keep-alive',
                         KEEP_ALIVE, '--worker-connections', '2000', '--log-level', 'error', *words, application]


def _peer(name):
    return lambda port: [PYTHON, PROGRAMS / 'wsgi_peer.py', name, port]


def _ours(application, *words):
    return lambda port: [LAUNCHER, 'serve', application, *words, '--bind', f'127.0.0.1:{port}']


def _compile_go():
    target = BUILD / 'bench' / 'hello_go'
    source = PROGRAMS / 'hello.go'
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        target.parent.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, 'GO111MODULE': 'off', 'GOCACHE': str(BUILD / 'bench' / 'go-cache')}
        try:
            subprocess.run(['go', 'build', '-o', target, source], check=True, env=env)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failed(f'cannot compile {source.name}: {error}') from None
    return target


def _has(module):
    return PYTHON.exists() and subprocess.run([PYTHON, '-c', f'import {module}'], stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL, timeout=30).returncode == 0


def hello_commands():
    """{name: command of a port} of the contestants that are here."""
    application = 'wsgi_hello:application'
    known = {OURS: ('greenlet', _ours(application, '--coroutines')),
             OURS_BY_THREADS: ('greenlet', _ours(application)), PYWSGI: ('gevent.pywsgi', _peer('gevent')),
             GUNICORN_GEVENT: ('gunicorn.workers.ggevent', _gunicorn(application, 'gevent')),
             BJOERN: ('bjoern', _peer('bjoern')), MEINHELD: ('meinheld.server', _peer('meinheld')),
             GRANIAN: ('granian', lambda port: [
                 PYTHON, '-m', 'granian', '--interface', 'wsgi', '--workers', '1', '--http', '1', '--no-ws',
                 '--log-level', 'warning', '--host', '127.0.0.1', '--port', port, application])}
    commands = {name: command for name, (module, command) in known.items() if _has(module)}
    if shutil.which('go'):
        go = _compile_go()
        commands[GO] = lambda port: [go, port]
    return commands


def mysql_commands(thread_counts, connections, variables):
    """The same of those that wait, for the database of these variables, which is told of so many connections."""
    if 'SYNCLESS_MYSQL_PORT' not in variables or not _has('MySQLdb'):
        return {}
    processes.run_once([PYTHON, PROGRAMS / 'wsgi_mysql.py', str(connections + 100)], **variables)
    application = 'wsgi_mysql:application'
    known = {OURS: ('greenlet', _ours(application, '--coroutines')),
             OURS_BY_THREADS: ('greenlet', _ours(application)),
             GUNICORN_GEVENT: ('gunicorn.workers.ggevent', _gunicorn(application, 'gevent')),
             **{gthread(n): ('gunicorn', _gunicorn(application, 'gthread', '--threads', n)) for n in thread_counts}}
    return {name: command for name, (module, command) in known.items() if _has(module)}


# --- One that runs.

def _free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


def family(pid):
    """The numbers of a process and all below it, but for threads."""
    children = [int(word) for file in Path(f'/proc/{pid}/task').glob('*/children') for word in file.read_text().split()]
    return [pid] + [number for child in children for number in family(child)]


def cpu_ns(pid):
    return sum(processes.cpu_ns(number) for number in family(pid))


def _await(server, port):
    ends_at = time.monotonic() + processes.seconds_left(20)
    while True:
        try:
            socket.create_connection(('127.0.0.1', port), 5).close()
            return
        except OSError:
            if server.popen.poll() is not None:
                raise Failed(f'ended with status {server.popen.returncode}; more in {LOG}') from None
            if time.monotonic() > ends_at:
                raise Failed(f'does not listen; more in {LOG}') from None
            time.sleep(0.02)


def _check(port):
    """Two requests on one connection, or Failed: the answers are not what all give."""
    client = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    for _ in range(2):
        try:
            client.request('GET', '/')
            sock = client.sock
            answer = client.getresponse()
            seen = (answer.status, answer.read(), answer.getheader('Content-Type'), answer.getheader('Content-Length'))
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f'no answer: {error!r}') from None
        if seen != ANSWER or client.sock is not sock:
            raise Failed(f'answers {seen}' if seen != ANSWER else 'does not keep the connection')
    client.close()


@contextlib.contextmanager
def serving(command, core, **more):
    """(process, port) of a server that has given the right answers, alone on one core."""
    port = _free_port()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    words = ['sh', '-c', 'exec "$@" 2>>"$0"', str(LOG), *map(str, command(port))]
    with processes.started(words, NATIVE, {core}, PYTHON=str(PYTHON), PYTHONPATH=PATH, GOMAXPROCS='1',
                           **more) as server:
        _await(server, port)
        _check(port)
        try:
            yield server, port
        finally:
            for number in reversed(family(server.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, 9)


# --- The load.

def wrk(port, core, connections, seconds, pipelined=1):
    """Runs it on its core; (answers, answers/s).  Failed: errors, or answers that are none of 2xx."""
    command = ['taskset', '-c', str(core), 'wrk', '-t1', f'-c{connections}', f'-d{seconds}s', '--timeout', '30s']
    if pipelined > 1:
        command += ['-s', str(PROGRAMS / 'pipeline.lua')]
    command.append(f'http://127.0.0.1:{port}/')
    if pipelined > 1:
        command += ['--', str(pipelined)]
    told = processes.run_once(command, timeout=seconds + 60)
    wrong = re.search(r'Socket errors: (.*)', told) or re.search(r'(Non-2xx.*)', told)
    count, per_second = re.search(r'(\d+) requests in', told), re.search(r'Requests/sec:\s*([\d.]+)', told)
    if wrong or not count or not per_second:
        raise Failed(f'wrk: {wrong.group(1) if wrong else told.strip()[-200:]}')
    return int(count.group(1)), float(per_second.group(1))


def measure(command, cores, connections, seconds, pipelined=1, warm_up=0, **more):
    """One run: µs of CPU time per request of the server's processes, requests/s, how busy the server's core was."""
    server_core, load_core = cores
    with serving(command, server_core, **more) as (server, port):
        if warm_up:
            wrk(port, load_core, connections, warm_up, pipelined)
            _check(port)  # once it is through with what the load has left behind
        began, cpu_began = time.monotonic_ns(), cpu_ns(server.pid)
        count, per_second = wrk(port, load_core, connections, seconds, pipelined)
        cpu, wall = cpu_ns(server.pid) - cpu_began, time.monotonic_ns() - began
    if not count:
        raise Failed('not a single answer')
    return {'us': cpu / count / 1e3, 'per_second': per_second, 'busy': cpu / wall * 100, 'answers': count}
