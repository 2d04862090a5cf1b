# SPDX-License-Identifier: Apache-2.0
"""What the library costs those who do not need it.

Two prices: ns on a call that cannot park, and resident memory of a program
that starts no thread at all.  The goals are on a program without green threads
(law 1); the table with one sleeping green thread is there to be seen.
"""
import re

import processes
import rounds
from processes import GREEN, NATIVE, Failed

TITLE = 'the price of the preload where nothing parks'

MOST_NS = 5
MOST_MB = 0.3
# Not `pass` itself: only from within, at its end, can a process tell its RSS.
TELL_STATUS = "print(open('/proc/self/status').read())"
LAUNCHED = 'syncless run'


def measure_calls(name, where):
    output = processes.run_once([processes.compile_c('passthrough'), where], name,
                                SYNCLESS_THREADS='all' if where == 'beside' else 'python')
    return {call: float(ns) for call, ns in (line.split() for line in output.splitlines())}


def calls(report, where, title, quick):
    names = [name for name in (GREEN, NATIVE) if processes.is_here(name)]
    results = rounds.interleave(names, 5 if quick else 31,
                                lambda name: measure_calls(name, where), report, where)
    report.raw(where, results)
    native = {call: rounds.smallest(rounds.pluck(results[NATIVE], call))
              for call in results[NATIVE][0]}
    rows, worst = [], None
    for call, libc_ns in native.items():
        ours = rounds.smallest(rounds.pluck(results.get(GREEN, []), call))
        more = None if ours is None else ours - libc_ns
        if more is not None and (worst is None or more > worst):
            worst = more
        rows.append([call, ours, libc_ns, more])
    report.table(title, ['call', 'preloaded ns', 'libc ns', 'more'], rows)
    return worst


def measure_memory(name):
    prefix = [str(processes.LAUNCHER), 'run'] if name == LAUNCHED else []
    output = processes.run_once([*prefix, processes.PYTHON, '-c', TELL_STATUS])
    found = re.search(r'^VmRSS:\s*(\d+)', output, re.M)
    if not found:
        raise Failed('no VmRSS')
    return int(found.group(1))


def memory(report, quick):
    names = [LAUNCHED, NATIVE] if processes.LAUNCHER.exists() else [NATIVE]
    results = rounds.interleave(names, 3 if quick else 11, measure_memory, report, 'memory')
    report.raw('memory', results)
    ours, native = rounds.middle(results.get(LAUNCHED, [])), rounds.middle(results[NATIVE])
    report.table('resident memory of a Python program that does nothing, kB',
                 ['', 'VmRSS'], [[LAUNCHED, ours], ['python3', native]])
    report.goal('MB that the launcher adds', None if ours is None else (ours - native) / 1000,
                MOST_MB)


def run(report, quick):
    worst = calls(report, 'alone', 'no green thread', quick)
    report.goal('ns over libc, the worst of these calls', worst, MOST_NS, 1)
    calls(report, 'beside', 'one green thread asleep', quick)
    memory(report, quick)
