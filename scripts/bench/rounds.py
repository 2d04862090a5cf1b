# SPDX-License-Identifier: Apache-2.0
"""Interleaved rounds: the only fair comparison on a machine with neighbours.

Each round measures every contestant once, in an order that rotates from round
to round, and a ratio is taken within a round and only then its median over
the rounds.  A noisy minute thus hits all contestants alike and leaves the
ratio alone.  A contestant that fails is reported once and left out from then
on, so that one hang cannot eat the time of the whole run.
"""
from statistics import median

from processes import Failed


def interleave(contestants, count, measure, report, what):
    """Returns {contestant: [result or None, one a round]}; faults are told as being of `what`."""
    results = {one: [] for one in contestants}
    alive = list(contestants)
    for number in range(count):
        turn = number % max(1, len(contestants))
        for one in contestants[turn:] + contestants[:turn]:
            result = None
            if one in alive:
                try:
                    result = measure(one)
                except Failed as error:
                    alive.remove(one)
                    report.fault(f'{what}: {one}: {error}')
            results[one].append(result)
    return results


def middle(values):
    values = [value for value in values if value is not None]
    return median(values) if values else None


def largest(values):
    return max((value for value in values if value is not None), default=None)


def smallest(values):
    return min((value for value in values if value is not None), default=None)


def ratio(ours, theirs):
    """Median over the rounds of ours / theirs, both of the same round."""
    pairs = [a / b for a, b in zip(ours, theirs) if a is not None and b]
    return median(pairs) if pairs else None


def pluck(results, key):
    return [result[key] if result else None for result in results]
