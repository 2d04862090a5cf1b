# SPDX-License-Identifier: Apache-2.0
"""The WSGI server beside its peers: requests/s and CPU time per request, in one run.

The server, with all its processes, has one core, and wrk the other; a
contestant starts afresh for each round, and is asked by a keep-alive client
whether it answers what the others do before it is measured.
"""
import contextlib
import os

import bench_drivers
import processes
import rounds
import wsgi_servers as servers
from wsgi_servers import (BJOERN, GO, GRANIAN, GUNICORN_GEVENT, HELLO, MEINHELD, OURS, OURS_BY_THREADS,
                          PYWSGI)

TITLE = 'WSGI servers, keep-alive, 13-byte body, by wrk; the server on one core, the load on the other'

CONNECTIONS = [64, 1000]
TIMES_THE_REQUESTS = {PYWSGI: 6, GUNICORN_GEVENT: 6, BJOERN: 1, GRANIAN: 1, MEINHELD: 1}  # ours at least
MOST_OF_GOS_CPU = 1.2

PIPELINED = 24
TIMES_THE_UNPIPELINED = 2

# gunicorn's documentation advises 2 to 4 threads for each core; the other number is one for each connection.
THREADS = [4, 512]
WAITING_CONNECTIONS = 512
TIMES_THE_WAITING = 3


def compare(results, key, name):
    """Ours / the other's."""
    return rounds.ratio(rounds.pluck(results.get(OURS, []), key), rounds.pluck(results.get(name, []), key))


def judge(report, what, results, times):
    """times: {name: how many times its requests/s ours are to be}; of its CPU per request the inverse at most."""
    for name, limit in times.items():
        report.goal(f'{what}: requests/s / {name}\'s', compare(results, 'per_second', name), limit, at_least=True)
        report.goal(f'{what}: CPU per request / {name}\'s', compare(results, 'us', name), round(1 / limit, 3))


def show(report, title, names, results):
    rows = []
    for name in names:
        if name not in results:
            rows.append([name, 'not here', *[''] * 6])
            continue
        per_second, us = (rounds.pluck(results[name], key) for key in ('per_second', 'us'))
        cells = [rounds.middle(per_second), compare(results, 'per_second', name), rounds.middle(us),
                 rounds.smallest(us), rounds.largest(us), compare(results, 'us', name),
                 rounds.middle(rounds.pluck(results[name], 'busy'))]
        rows.append([name, *('not here' if cell is None else format(cell, digits) for cell, digits in zip(
            cells, ('.0f', '.2f', '.1f', '.1f', '.1f', '.2f', '.0f')))])
    report.table(title, ['server', 'requests/s', 'ours x', 'CPU µs/request', 'min', 'max', 'ours x', 'server %'], rows)


def hello(report, cores, count, seconds):
    commands = servers.hello_commands()
    for connections in CONNECTIONS:
        where = f'{connections} connections'
        results = rounds.interleave([name for name in HELLO if name in commands], count,
                                    lambda name: servers.measure(commands[name], cores, connections, seconds),
                                    report, where)
        report.raw(where, results)
        show(report, f'hello world, {where} ({count} rounds of {seconds} s)', HELLO, results)
        judge(report, where, results, TIMES_THE_REQUESTS)
        report.goal(f'{where}: CPU per request / {GO}\'s', compare(results, 'us', GO), MOST_OF_GOS_CPU)


def pipelined(report, cores, count, seconds):
    command = servers.hello_commands().get(OURS)
    depths = {'one at a time': 1, f'{PIPELINED} at a time': PIPELINED} if command else {}
    results = rounds.interleave(list(depths), count,
                                lambda name: servers.measure(command, cores, 64, seconds, depths[name]),
                                report, 'pipelined')
    report.raw('pipelined', results)
    rows = [[name] + [format(rounds.middle(rounds.pluck(results[name], key)) or 0, digits)
                      for key, digits in (('per_second', '.0f'), ('us', '.1f'), ('busy', '.0f'))] for name in results]
    report.table(f'{OURS}, pipelined, 64 connections ({count} rounds of {seconds} s)',
                 ['requests', 'requests/s', 'CPU µs/request', 'server %'], rows)
    plain, deep = (results.get(name, []) for name in ('one at a time', f'{PIPELINED} at a time'))
    report.goal(f'{PIPELINED} requests pipelined: requests/s / unpipelined',
                rounds.ratio(rounds.pluck(deep, 'per_second'), rounds.pluck(plain, 'per_second')),
                TIMES_THE_UNPIPELINED, at_least=True)


def mariadb(report):
    return bench_drivers.services(report, 'mariadb')


@contextlib.contextmanager
def sleeper(report):
    with processes.started([processes.compile_c('mysql_sleeper')]) as database:
        yield {'SYNCLESS_MYSQL_HOST': '127.0.0.1', 'SYNCLESS_MYSQL_PORT': database.line().split()[1],
               'SYNCLESS_MYSQL_USER': 'nobody', 'SYNCLESS_MYSQL_PASSWORD': ''}


# A real database takes more of a core for a query than ours takes to serve it, and bounds what both can do.
DATABASES = {'MariaDB': mariadb, 'a database that only waits': sleeper}


def waiting(report, cores, count, seconds, database):
    peers = [*map(servers.gthread, THREADS), GUNICORN_GEVENT]
    what = f'10 ms in MySQLdb, {database}'
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores[1]})  # the database's, which inherits it
    try:
        with DATABASES[database](report) as variables:
            os.sched_setaffinity(0, allowed)
            commands = servers.mysql_commands(THREADS, WAITING_CONNECTIONS, variables)
            results = rounds.interleave(
                [name for name in (OURS, OURS_BY_THREADS, *peers) if name in commands], count,
                lambda name: servers.measure(commands[name], cores, WAITING_CONNECTIONS, seconds, warm_up=2,
                                             **variables), report, what)
    finally:
        os.sched_setaffinity(0, allowed)
    report.raw(what, results)
    show(report, f'10 ms in MySQLdb, {WAITING_CONNECTIONS} connections, {database} beside the load '
         f'({count} rounds of {seconds} s)', [OURS, OURS_BY_THREADS, *peers], results)
    judge(report, what, results, dict.fromkeys(peers, TIMES_THE_WAITING))


def run(report, quick):
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2 or not processes.SHIM.exists():
        report.note('  not here: needs two cores and a build')
        return
    servers.LOG.unlink(missing_ok=True)
    count, seconds = (1, 1) if quick else (5, 2)
    hello(report, cores, count, seconds)
    pipelined(report, cores, count, seconds)
    for database in DATABASES:
        waiting(report, cores, min(count, 3), 2 * seconds, database)
