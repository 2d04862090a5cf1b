# SPDX-License-Identifier: Apache-2.0
"""An asyncio HTTP server with 500 requests in flight, each of which waits in MySQLdb.

By syncless.aio.run() on the loop's own thread, and by asyncio.to_thread() with
a thread for each.  What the same server costs that asks nobody is shown beside
them: that much of the CPU time is HTTP.
"""
import os

import processes
import rounds
from bench_drivers import services, usable
from processes import GREEN, NATIVE

TITLE = '500 requests in flight from asyncio to MySQLdb'

IN_FLIGHT = 500
SECONDS = 0.2
WARM_UP = 1
OURS, THREADS, ALONE = 'aio.run', 'asyncio.to_thread', 'no database'
CONTESTANTS = {OURS: (GREEN, 'aio'), THREADS: (NATIVE, 'to_thread'), ALONE: (NATIVE, 'loop')}
MOST_WALL = 1.2
MOST_CPU = 1


def measure(name, requests, variables):
    kind, how = CONTESTANTS[name]
    server_command = processes.program('aio_server.py', how, IN_FLIGHT, SECONDS)
    with processes.started(server_command, kind, **variables) as server:
        port = server.line(60).split()[1]
        command = [processes.compile_c('load'), port, *map(str, [IN_FLIGHT, WARM_UP, requests, 25])]
        with processes.started(command, 'load') as load:
            load.line(30)
            began = processes.cpu_ns(server.pid)
            load.tell('go')
            wall_ns, wrong, _ = (int(word) for word in load.line(30).split()[1:])
            cpu_ns = processes.cpu_ns(server.pid) - began
            processes.check_clock(server.pid)
            threads = processes.kernel_threads(server.pid)
    return {'wall_s': wall_ns / 1e9, 'cpu_us': cpu_ns / requests / 1e3, 'wrong': wrong, 'threads': threads}


def judge(report, results):
    for name, per_round in results.items():
        wrong = sum(result['wrong'] for result in per_round if result)
        if wrong:
            report.fault(f'aio: {name}: {wrong} wrong replies')
    threads = rounds.largest(rounds.pluck(results.get(OURS, []), 'threads'))
    if threads and threads > 1:
        report.fault(f'aio: {OURS} has {threads} kernel threads: not one')
    for what, key, limit in (('wall', 'wall_s', MOST_WALL), ('CPU per request', 'cpu_us', MOST_CPU)):
        ratio = rounds.ratio(*(rounds.pluck(results.get(name, []), key) for name in (OURS, THREADS)))
        report.goal(f'{what}: {OURS} / {THREADS}', ratio, limit)


def run(report, quick):
    requests = IN_FLIGHT * (2 if quick else 10)
    with services(report, 'mariadb') as variables:
        results = {}
        if usable('MySQLdb', variables) and processes.is_here(GREEN) and processes.has_module('greenlet'):
            results = rounds.interleave(list(CONTESTANTS), 1 if quick else 5,
                                        lambda name: measure(name, requests, variables), report, 'aio')
        report.raw('aio', results)
        rows = [[name, *(rounds.middle(rounds.pluck(results.get(name, []), key))
                         for key in ('wall_s', 'cpu_us'))] for name in CONTESTANTS]
        for row in rows:
            row.append(rounds.largest(rounds.pluck(results.get(row[0], []), 'threads')))
        report.table(f'{requests} requests of {SECONDS} s, {os.cpu_count()} cores',
                     ['', 'wall s', 'CPU µs/request', 'kernel threads'],
                     [[name, wall and f'{wall:.2f}', cpu, threads and f'{threads:.0f}']
                      for name, wall, cpu, threads in rows])
        judge(report, results)
