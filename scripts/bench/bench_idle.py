# SPDX-License-Identifier: Apache-2.0
"""Memory of an idle green thread beside a native one.

The program measures itself (programs/idle.py).  `green, syncless run` differs
from the bare preload in what the launcher sets for malloc.
"""
import json

import processes
import rounds
from processes import GREEN, NATIVE

TITLE = 'memory per idle thread, kB'

LAUNCHED = 'green, syncless run'
SIZES = [1000, 5000]


def measure(name, count, where):
    command = processes.program('idle.py', count, where)
    if name == LAUNCHED:
        return json.loads(processes.run_once([str(processes.LAUNCHER), 'run', *command]))
    return json.loads(processes.run_once(command, name))


def contestants():
    here = {GREEN: processes.is_here(GREEN), LAUNCHED: processes.LAUNCHER.exists(), NATIVE: True}
    return [name for name, is_here in here.items() if is_here]


def show(report, title, results):
    rows = []
    for name in (GREEN, LAUNCHED, NATIVE):
        if name not in results:
            rows.append([name, 'not here', '', '', '', ''])
            continue
        rss, tables, stacks, threads = (
            rounds.middle(rounds.pluck(results[name], key))
            for key in ('VmRSS', 'VmPTE', 'KernelStack', 'threads'))
        both = None if rss is None else rss + tables
        rows.append([name, both, rss, tables, stacks,
                     '-' if threads is None else f'{threads:.0f}'])
    report.table(title, ['thread', 'RSS + page tables', 'RSS', 'page tables',
                         'kernel stack besides', 'kernel threads'], rows)


def run(report, quick):
    for where in ('recv', 'event'):
        for count in SIZES[:1] if quick else SIZES:
            results = rounds.interleave(contestants(), 1 if quick else 3,
                                        lambda name: measure(name, count, where), report,
                                        f'{count} in {where}')
            report.raw(f'{where} {count}', results)
            show(report, f'{count} threads parked in {where}', results)
