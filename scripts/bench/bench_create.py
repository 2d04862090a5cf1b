# SPDX-License-Identifier: Apache-2.0
"""What a thread costs to make, and what a switch costs, green beside native.

No goals: these are the prices behind the other benches.
"""
import json

import processes
import rounds
from processes import GREEN, NATIVE

TITLE = 'start and join of a thread; a round trip between two threads'

WORK = {'create': 'start() + join()', 'sockets': 'round trip over a socketpair',
        'locks': 'round trip over two locks'}


def run(report, quick):
    names = [name for name in (GREEN, NATIVE) if processes.is_here(name)]
    command = processes.program('create.py', *([300, 1000] if quick else [2000, 10000]))
    results = rounds.interleave(names, 2 if quick else 7,
                                lambda name: json.loads(processes.run_once(command, name)),
                                report, 'create')
    report.raw('runs', results)
    rows = []
    for key, what in WORK.items():
        row = [what]
        for unit in ('cpu_us', 'wall_us'):
            green, native = (rounds.pluck(rounds.pluck(results.get(name, []), key), unit)
                             for name in (GREEN, NATIVE))
            share = rounds.ratio(green, native)
            row += [rounds.middle(green), rounds.middle(native),
                    '-' if share is None else f'{share:.2f}']
        rows.append(row)
    report.table('µs each', ['', 'CPU green', 'CPU native', 'ratio',
                             'wall green', 'wall native', 'ratio'], rows)
