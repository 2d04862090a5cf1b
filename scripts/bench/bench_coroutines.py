# SPDX-License-Identifier: Apache-2.0
"""What a coroutine of syncless.h costs: to yield, and to be made and joined.

libc's swapcontext() runs in the same process, so that the ratio says something
on a machine whose clock the number alone depends on.
"""
import processes
import rounds
from processes import GREEN, Failed

TITLE = 'coroutines in C'

MOST_NS = 15
MOST_OF_SWAPCONTEXT = 0.1


def measure(name):
    output = processes.run_once([processes.compile_c('coroutines')], name, SYNCLESS_THREADS='all')
    found = {word: float(ns) for word, ns in (line.split() for line in output.splitlines())}
    if set(found) != {'yield', 'spawn', 'swapcontext'}:
        raise Failed('coroutines: ' + output)
    return found


def run(report, quick):
    results = rounds.interleave([GREEN], 3 if quick else 21, measure, report, 'coroutines')
    report.raw('coroutines', results)
    found = results.get(GREEN, [])
    middle = {word: rounds.middle(rounds.pluck(found, word)) for word in ('yield', 'spawn', 'swapcontext')}
    report.table('ns of processor time, median', ['', 'ns'], [
        ['syncless_yield()', middle['yield']], ['syncless_spawn() and syncless_join()', middle['spawn']],
        ['swapcontext()', middle['swapcontext']]])
    report.goal('ns a yield', middle['yield'], MOST_NS, 1)
    report.goal('of swapcontext()', rounds.middle([r['yield'] / r['swapcontext'] for r in found]),
                MOST_OF_SWAPCONTEXT)
