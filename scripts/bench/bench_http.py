# SPDX-License-Identifier: Apache-2.0
"""CPU time per request of a keep-alive server, beside its peers.

Every contestant serves the same load from a fresh process in each round.
"pinned" has the server alone on one core and the load on another: what a
request costs and nothing else.  "free" lets the server have two cores, as
people run it, with a client process for each core.

The number of client processes matters to native threads and to nobody else.
A single one occupies one core and wakes the server's threads from there, and
on an otherwise quiet machine the kernel keeps them together on the core that
is left, where they cannot fight over the GIL.  Requests that come from both
cores, as from many clients or from the queues of a network card, wake them on
both.  "free, one client" shows the difference and carries no goal.
"""
import contextlib
import os
from dataclasses import dataclass, field

import processes
import rounds
from processes import GREEN, NATIVE

TITLE = 'CPU per request, keep-alive, 13-byte body, a closed loop on every connection'

C_LOOP = 'C epoll loop'
CONTESTANTS = [C_LOOP, GREEN, NATIVE, 'gevent', 'uvloop Protocol', 'asyncio Protocol']
NEEDS_MODULE = {'gevent': 'gevent', 'uvloop Protocol': 'uvloop'}
CONNECTIONS = [64, 1000]
WARM_UP = 4

# A green server has its host and a watchdog; one more may just start or end.
MOST_GREEN_KERNEL_THREADS = 4


@dataclass
class Setting:
    name: str
    what: str
    server_cores: set
    load_cores: set
    clients: int                                # processes that make the load
    peer: str = ''                              # whom green threads are held against
    goals: dict = field(default_factory=dict)   # {connections: most times the peer's cost}


def settings(one, other):
    both = {one, other}
    return [Setting('pinned', 'server pinned to one core, load to another',
                    {one}, {other}, 1, C_LOOP, {64: 1.3, 1000: 1.8}),
            Setting('free', 'two cores for all, a client process per core',
                    both, both, 2, NATIVE, {64: 0.45, 1000: 0.3}),
            Setting('free, one client', 'two cores for all, one client process',
                    both, both, 1)]


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


def measure(command, name, setting, connections, requests):
    with processes.started(command, name, setting.server_cores) as server, \
            contextlib.ExitStack() as stack:
        port = server.line().split()[1]
        clients = setting.clients
        load_command = [processes.compile_c('load'), port, *map(str, [
            connections // clients, WARM_UP, requests // clients, 15])]
        loads = [stack.enter_context(processes.started(load_command, 'load', setting.load_cores))
                 for _ in range(clients)]
        for load in loads:
            load.line()
        threads = processes.kernel_threads(server.pid)
        server_began = processes.cpu_ns(server.pid)
        load_began = sum(processes.cpu_ns(load.pid) for load in loads)
        for load in loads:
            load.tell('go')
        done = [[int(word) for word in load.line().split()[1:]] for load in loads]
        server_ns = processes.cpu_ns(server.pid) - server_began
        load_ns = sum(processes.cpu_ns(load.pid) for load in loads) - load_began
        processes.check_clock(server.pid)
    wall_ns = max(ns for ns, _, _ in done)
    return {'us': server_ns / requests / 1e3, 'per_second': requests / wall_ns * 1e9,
            'busy': server_ns / wall_ns * 100, 'load_busy': load_ns / wall_ns * 100,
            'least': min(least for _, _, least in done) / (requests / connections) * 100,
            'threads': threads, 'wrong': sum(wrong for _, wrong, _ in done)}


def judge(report, setting, connections, results):
    where = f'{setting.name}, {connections} connections'
    for name, per_round in results.items():
        wrong = sum(result['wrong'] for result in per_round if result)
        if wrong:
            report.fault(f'{where}: {name}: {wrong} wrong replies')
    threads = rounds.largest(rounds.pluck(results.get(GREEN, []), 'threads'))
    if threads and threads > MOST_GREEN_KERNEL_THREADS:
        report.fault(f'{where}: {threads} kernel threads: not green')
    if connections in setting.goals:
        value = rounds.ratio(rounds.pluck(results.get(GREEN, []), 'us'),
                             rounds.pluck(results.get(setting.peer, []), 'us'))
        report.goal(f'{where}: {GREEN} / {setting.peer}', value, setting.goals[connections])


def times(us, results, peer):
    value = rounds.ratio(us, rounds.pluck(results.get(peer, []), 'us'))
    return '-' if value is None else f'{value:.2f}'


def whole(value):
    return '-' if value is None else f'{value:.0f}'


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


def run(report, quick):
    cores = sorted(os.sched_getaffinity(0))
    count, requests = (2, 4000) if quick else (9, 20000)
    contestants = commands() if len(cores) > 1 else {}
    if not contestants:
        report.note('  not here: needs two cores')
    for setting in settings(*cores[:2]) if contestants else settings(0, 0):
        for connections in CONNECTIONS:
            results = rounds.interleave(
                list(contestants), count,
                lambda name: measure(contestants[name], name, setting, connections, requests),
                report, f'{setting.name}, {connections} connections')
            report.raw(f'{setting.name} {connections}', results)
            show(report, f'{setting.name}: {setting.what}; {connections} connections '
                         f'({count} rounds of {requests} requests)', results)
            judge(report, setting, connections, results)
