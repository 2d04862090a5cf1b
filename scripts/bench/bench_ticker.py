# SPDX-License-Identifier: Apache-2.0
"""How long a computing thread holds the others up: preemption at work.

A ticker that sleeps 10 ms at a time is due every 10 ms; what a gap has beyond
that is how long it was held up.  The goal is on the worst gap of all runs, not
on a typical one: "at most" means the worst.
"""
import json

import processes
import rounds
from processes import GREEN, NATIVE

TITLE = 'a 10 ms ticker beside a thread that computes for 2 s'

PERIOD_MS = 10
MOST_HELD_UP_MS = 50


def run(report, quick):
    names = [name for name in (GREEN, NATIVE) if processes.is_here(name)]
    command = processes.program('ticker.py', 1 if quick else 2)
    results = rounds.interleave(names, 2 if quick else 5,
                                lambda name: json.loads(processes.run_once(command, name)),
                                report, 'ticker')
    report.raw('runs', results)
    rows = []
    for name in (GREEN, NATIVE):
        gaps = rounds.pluck(results.get(name, []), 'gap_ms')
        ticks = rounds.pluck(results.get(name, []), 'ticks')
        rows.append([name, rounds.middle(gaps), rounds.largest(gaps), rounds.middle(ticks)])
    report.table(f'{len(results[NATIVE])} runs', ['threads', 'largest gap ms, median of runs',
                                                  'worst run', 'ticks'], rows)
    worst = rounds.largest(rounds.pluck(results.get(GREEN, []), 'gap_ms'))
    report.goal('ms that the ticker is held up at worst',
                None if worst is None else worst - PERIOD_MS, MOST_HELD_UP_MS, 1)
