# SPDX-License-Identifier: Apache-2.0
"""How long the loop of another library and coroutines of ours keep each other waiting.

Both goals are on the largest wait of a run, of which the median of the runs is
taken: on a busy machine a single run says more of that than of us.
"""
import json
import os

import processes
import rounds
from processes import GREEN

TITLE = 'loops of other libraries beside 50 coroutines'

LIBRARIES = {'asyncio': 'asyncio', 'uvloop': 'uvloop', 'twisted': 'twisted', 'reactor': 'twisted', 'tornado': 'tornado',
             'gevent': 'gevent', 'eventlet': 'eventlet', 'asyncore': 'asyncore', 'circuits': 'circuits'}
ON_A_DISPLAY = {'gtk': 'gi', 'qt': 'PyQt5'}
MOST_MS = 20


def measure(name, seconds):
    return json.loads(processes.run_once(processes.program('matrix.py', name, seconds), GREEN))


def run(report, quick):
    libraries = {**LIBRARIES, **(ON_A_DISPLAY if os.environ.get('DISPLAY') else {})}
    here = [name for name, module in libraries.items()
            if processes.is_here(GREEN) and processes.has_module('greenlet') and processes.has_module(module)]
    results = rounds.interleave(here, 1 if quick else 5, lambda name: measure(name, 0.5 if quick else 2), report,
                                'matrix')
    report.raw('matrix', results)
    keys = 'trip_ms', 'worst_trip_ms', 'late_ms'
    middles = {name: [rounds.middle(rounds.pluck(results.get(name, []), key)) for key in keys]
               for name in {**LIBRARIES, **ON_A_DISPLAY}}
    report.table('ms, medians of runs', ['loop of', 'round trip', 'largest round trip', 'tick late, at most'],
                 [[name, *values] for name, values in middles.items()])
    for name in libraries:
        values = [value for value in middles[name][1:] if value is not None]
        report.goal(f'ms that {name} or its partner waits at most', max(values, default=None), MOST_MS, 1)
