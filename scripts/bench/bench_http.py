# SPDX-License-Identifier: Apache-2.0
"""CPU time per request of a keep-alive server, beside its peers.

Every contestant serves the same load from a fresh process in each round.  Two
settings: the server alone on one core with the load on another, which shows
what a request costs and nothing else; and both free on two cores, as people
run it, where native threads fight over the GIL across cores.
"""
import os

import processes
import rounds
from processes import GREEN, NATIVE

TITLE = 'CPU per request, keep-alive, 13-byte body, a closed loop on every connection'

C_LOOP = 'C epoll loop'
CONTESTANTS = [C_LOOP, GREEN, NATIVE, 'gevent', 'uvloop Protocol', 'asyncio Protocol']
NEEDS_MODULE = {'gevent': 'gevent', 'uvloop Protocol': 'uvloop'}
CONNECTIONS = [64, 1000]
WARM_UP = 4

# (setting, connections): (whom green threads are held against, the most it may cost)
GOALS = {('pinned', 64): (C_LOOP, 1.3), ('pinned', 1000): (C_LOOP, 1.8),
         ('free', 64): (NATIVE, 0.45), ('free', 1000): (NATIVE, 0.3)}
# A green server has its host and a watchdog; one more may just start or end.
MOST_GREEN_KERNEL_THREADS = 4


def commands():
    """The contestants that this machine can run."""
    known = {C_LOOP: [processes.compile_c('epoll_server')],
             GREEN: processes.program('thread_server.py'),
             NATIVE: processes.program('thread_server.py'),
             'gevent': processes.program('gevent_server.py'),
             'uvloop Protocol': processes.program('protocol_server.py', 'uvloop'),
             'asyncio Protocol': processes.program('protocol_server.py', 'asyncio')}
    return {name: command for name, command in known.items() if processes.is_here(name)
            and (name not in NEEDS_MODULE or processes.has_module(NEEDS_MODULE[name]))}


def measure(name, command, connections, requests, server_cores, load_cores):
    with processes.started(command, name, server_cores) as server:
        port = server.line().split()[1]
        arguments = [port, connections, WARM_UP, requests, 15]
        load_command = [processes.compile_c('load'), *map(str, arguments)]
        with processes.started(load_command, 'load', load_cores) as load:
            load.line()
            threads = processes.kernel_threads(server.pid)
            server_began, load_began = processes.cpu_ns(server.pid), processes.cpu_ns(load.pid)
            load.tell('go')
            _, wall_ns, wrong, least = load.line(20).split()
            server_ns = processes.cpu_ns(server.pid) - server_began
            processes.check_clock(server.pid)
            load_ns = processes.cpu_ns(load.pid) - load_began
    return {'us': server_ns / requests / 1e3, 'per_second': requests / int(wall_ns) * 1e9,
            'busy': server_ns / int(wall_ns) * 100, 'load_busy': load_ns / int(wall_ns) * 100,
            'least': int(least) / (requests / connections) * 100,
            'threads': threads, 'wrong': int(wrong)}


def judge(report, setting, connections, results):
    for name, per_round in results.items():
        wrong = sum(result['wrong'] for result in per_round if result)
        if wrong:
            report.fault(f'http {setting} {connections}: {name}: {wrong} wrong replies')
    threads = rounds.largest(rounds.pluck(results.get(GREEN, []), 'threads'))
    if threads and threads > MOST_GREEN_KERNEL_THREADS:
        report.fault(f'http {setting} {connections}: {threads} kernel threads: not green')
    peer, limit = GOALS[setting, connections]
    value = rounds.ratio(rounds.pluck(results.get(GREEN, []), 'us'),
                         rounds.pluck(results.get(peer, []), 'us'))
    report.goal(f'{setting}, {connections} connections: {GREEN} / {peer}', value, limit)


def show(report, title, results):
    rows = []
    for name in CONTESTANTS:
        per_round = results.get(name)
        if not per_round:
            rows.append([name] + ['not here'] + [''] * 9)
            continue
        us = rounds.pluck(per_round, 'us')
        rows.append([name, rounds.middle(us), rounds.smallest(us), rounds.largest(us)]
                    + [times(us, results, peer) for peer in (C_LOOP, NATIVE)]
                    + [whole(rounds.middle(rounds.pluck(per_round, key)))
                       for key in ('per_second', 'busy', 'load_busy', 'least', 'threads')])
    report.table(title, ['server', 'µs/request', 'min', 'max', 'x C loop', 'x native',
                         'requests/s', 'server %', 'load %', 'worst served %', 'threads'], rows)


def times(us, results, peer):
    value = rounds.ratio(us, rounds.pluck(results.get(peer, []), 'us'))
    return '-' if value is None else f'{value:.2f}'


def whole(value):
    return '-' if value is None else f'{value:.0f}'


def settings(cores):
    """(name, what it is, cores of the server, cores of the load)"""
    one, other = sorted(cores)[:2]
    return [('pinned', 'server pinned to one core, load to another', {one}, {other}),
            ('free', 'server and load free on two cores', {one, other}, {one, other})]


def run(report, quick):
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        report.note('  not here: needs two cores')
        for (setting, connections), (peer, limit) in GOALS.items():
            report.goal(f'{setting}, {connections} connections: {GREEN} / {peer}', None, limit)
        return
    count, requests = (2, 4000) if quick else (11, 30000)
    contestants = commands()
    for setting, what, server_cores, load_cores in settings(cores):
        for connections in CONNECTIONS:
            results = rounds.interleave(
                list(contestants), count,
                lambda name: measure(name, contestants[name], connections, requests,
                                     server_cores, load_cores), report)
            report.raw(f'{setting} {connections}', results)
            show(report, f'{what}, {connections} connections '
                         f'({count} rounds of {requests} requests)', results)
            judge(report, setting, connections, results)
