# SPDX-License-Identifier: Apache-2.0
"""What a thread in C code without the GIL does to the others, and to the machine's other cores.

Three questions.  Do the others go on, whatever the thread does: the largest gap
between two ticks of any of 99 tickers, the worst of all runs.  Does work that
can use two cores use them: wall time beside native threads, in the same round.  And
is none of it in the way of programs that only wait and talk: they hand nothing off.
"""
import json
import os

import bench_http
import processes
import rounds
from processes import GREEN, NATIVE

TITLE = '99 tickers of 20 ms beside a thread in C code; 8 threads that compress on two cores'

OFFENDERS = {'pbkdf2': 'hashlib.pbkdf2_hmac', 'compress': 'zlib.compress of 200 MB', 'product': 'numpy product',
             'libc_sleep': "usleep of libc's own handle",
             'slow_fifo': 'read of a slow FIFO, inline system call', 'fsync_storm': 'write and fsync, again and again'}
NEEDS_MODULE = {'product': 'numpy'}
MOST_GAP_MS = 60
CHUNKS_KB = {64: False, 256: True, 1024: True}  # whether there is a goal
MOST_TIMES_NATIVE = 1.11  # 0.9 of the throughput
SERVER_CONNECTIONS = [64, 1000]


def offenders(report, names, quick):
    library = processes.compile_c('inline_read', shared=True)
    rows, worst_of = [], {}
    for offender, what in OFFENDERS.items():
        results = {}
        module = NEEDS_MODULE.get(offender)
        if not module or processes.has_module(module):
            command = processes.program('offender.py', offender, library, 'quick' if quick else 'full')
            results = rounds.interleave(names, 1 if quick else 3,
                                        lambda name: json.loads(processes.run_once(command, name)),
                                        report, offender)
        report.raw(offender, results)
        for name in (GREEN, NATIVE):
            gaps, seconds, counts = (rounds.pluck(results.get(name, []), key)
                                     for key in ('gap_ms', 'seconds', 'handoffs'))
            rows.append([f'{what}, {name}', rounds.middle(gaps), rounds.largest(gaps), rounds.middle(seconds),
                         rounds.middle(counts)])
        worst_of[what] = rounds.largest(rounds.pluck(results.get(GREEN, []), 'gap_ms'))
    report.table('beside the tickers', ['', 'largest gap ms, median of runs', 'worst run', 'seconds',
                                        'hand-offs'], rows)
    for what, worst in worst_of.items():
        report.goal(f'{what}: ms between two ticks at worst', worst, MOST_GAP_MS, 1)


def compressors(report, names, quick):
    """On two cores, whatever the machine has."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    rows, ratios = [], {}
    for chunk_kb in CHUNKS_KB:
        command = processes.program('compressors.py', chunk_kb, 16 if quick else 64, *cores)
        results = rounds.interleave(names if len(cores) > 1 else [], 1 if quick else 7,
                                    lambda name: json.loads(processes.run_once(command, name)),
                                    report, f'chunks of {chunk_kb} kB')
        report.raw(f'chunks of {chunk_kb} kB', results)
        if any(result and result['wrong'] for per_round in results.values() for result in per_round):
            report.fault(f'chunks of {chunk_kb} kB: compressed wrongly')
        green, native = (rounds.pluck(results.get(name, []), 'seconds') for name in (GREEN, NATIVE))
        ratios[chunk_kb] = rounds.ratio(green, native)
        ratio = ratios[chunk_kb]
        rows.append([f'{chunk_kb} kB'] + ['not here' if value is None else f'{value:.2f}' for value in (
            rounds.middle(green), rounds.middle(native), ratio, ratio and 1 / ratio)])
    report.table('8 threads, s', ['chunks', 'green', 'native', 'green / native', 'throughput'], rows)
    for chunk_kb, ratio in ratios.items():
        if CHUNKS_KB[chunk_kb]:
            report.goal(f'chunks of {chunk_kb} kB: wall time, green / native', ratio, MOST_TIMES_NATIVE)


def count_of_server(connections, requests):
    """The hand-offs of the server of `http`, under the same load."""
    with processes.started(processes.program('counted.py', 'thread_server.py'), GREEN) as server:
        command = [processes.compile_c('load'), server.line().split()[1],
                   *map(str, [connections, bench_http.WARM_UP, requests, 15])]
        with processes.started(command, 'load') as load:
            load.line()
            load.tell('go')
            load.line()
        server.tell('how often')
        return int(server.line())


def counts(report, names, quick):
    requests = 4000 if quick else 20000
    measured = {f'http, {connections} connections': lambda n=connections: count_of_server(n, requests)
                for connections in SERVER_CONNECTIONS}
    echo = processes.program('counted.py', 'create.py', *([300, 1000] if quick else [2000, 10000]))
    measured['echo, and starts of threads'] = lambda: int(processes.run_once(echo, GREEN).split('\n')[-2])
    for what, measure in measured.items():
        results = rounds.interleave([GREEN] if GREEN in names else [], 1 if quick else 3,
                                    lambda name: {'handoffs': measure()}, report, what)
        report.raw(what, results)
        most = rounds.largest(rounds.pluck(results.get(GREEN, []), 'handoffs'))
        report.goal(f'{what}: hand-offs', most, 0, 0)


def run(report, quick):
    names = [name for name in (GREEN, NATIVE) if processes.is_here(name)]
    offenders(report, names, quick)
    compressors(report, names, quick)
    counts(report, names, quick)
