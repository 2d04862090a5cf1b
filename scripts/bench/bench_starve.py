# SPDX-License-Identifier: Apache-2.0
"""Whether twenty busy green threads let a native thread have the GIL.

Green and native waiters share one queue; if either kind were preferred, this
is where the other would starve.
"""
import json
from statistics import median

import processes
import rounds
from processes import GREEN, NATIVE

TITLE = 'waits of a native callback for the GIL beside 20 busy threads'

MOST_TIMES_NATIVE = 2


def measure(name, command):
    waits = json.loads(processes.run_once(command, name, timeout=60))
    return {'median': median(waits), 'largest': max(waits), 'waits': waits}


def run(report, quick):
    library = processes.compile_c('gil_caller', processes.python_headers(), shared=True)
    command = processes.program('starve.py', library, 15 if quick else 60)
    names = [name for name in (GREEN, NATIVE) if processes.is_here(name)]
    results = rounds.interleave(names, 1 if quick else 3,
                                lambda name: measure(name, command), report, 'starve')
    report.raw('runs', results)
    rows = []
    for name in (GREEN, NATIVE):
        per_round = results.get(name, [])
        rows.append([name, rounds.middle(rounds.pluck(per_round, 'median')),
                     rounds.largest(rounds.pluck(per_round, 'largest'))])
    report.table('ms', ['busy threads', 'median wait', 'largest wait'], rows)
    for column, what in ((1, 'median'), (2, 'largest')):
        green, native = rows[0][column], rows[1][column]
        report.goal(f'{what} wait / natively', green / native if green and native else None,
                    MOST_TIMES_NATIVE)
