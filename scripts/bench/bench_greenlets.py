# SPDX-License-Identifier: Apache-2.0
"""What a greenlet of ours costs beside one of gevent's: to give way, to be made and joined, and asleep.

stackless.schedule() in two coroutines, against gevent.sleep(0) in two
greenlets; coio.spawn() and join(), against gevent's.
"""
import json

import processes
import rounds
from processes import GREEN, NATIVE

TITLE = "greenlets, beside gevent's"

OURS, THEIRS = 'syncless', 'gevent'
CONTESTANTS = {OURS: (GREEN, 'ours'), THEIRS: (NATIVE, 'gevent')}
MOST = {'turn': 0.5, 'spawn': 0.7}
COUNTS = {'turn': (20000, 300000), 'spawn': (20000, 100000), 'sleep': (10000, 100000)}  # quick, full
LABELS = {'turn': 'ns to give way', 'spawn': 'ns to be made and joined', 'sleep': 'kB asleep'}


def measure(name, what, count):
    kind, who = CONTESTANTS[name]
    (value,) = json.loads(processes.run_once(processes.program('greenlets.py', who, what, count), kind,
                                             timeout=60)).values()
    return value


def is_here(name):
    kind, _ = CONTESTANTS[name]
    return processes.is_here(kind) and processes.has_module('greenlet' if name == OURS else 'gevent')


def run(report, quick):
    here = [name for name in CONTESTANTS if is_here(name)]
    results = {}
    for what, counts in COUNTS.items():
        count = 1 if quick or what == 'sleep' else 7
        results[what] = rounds.interleave(here, count, lambda name: measure(name, what, counts[not quick]),
                                          report, f'greenlets, {what}')
    report.raw('greenlets', results)
    report.table(f'medians; {COUNTS["sleep"][not quick]} asleep', ['', *LABELS.values()], [
        [name, *(rounds.middle(results[what].get(name, [])) for what in LABELS)] for name in CONTESTANTS])
    for what, limit in MOST.items():
        ratio = rounds.ratio(results[what].get(OURS, []), results[what].get(THEIRS, []))
        report.goal(f'{LABELS[what]}: {OURS} / {THEIRS}', ratio, limit)
