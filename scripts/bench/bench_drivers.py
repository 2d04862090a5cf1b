# SPDX-License-Identifier: Apache-2.0
"""Two hundred threads in C client libraries, each waiting half a second.

The goal is on the time from the moment all are connected to the last answer:
what connecting costs is mostly the servers' doing (PostgreSQL forks for each)
and stands in a column of its own.
"""
import contextlib
import json
import os

import processes
import rounds
from processes import GREEN, NATIVE

TITLE = '200 threads x a query of 0.5 s, seconds'

COUNT = 200
SECONDS = 0.5
MOST_SECONDS = 0.8
SERVICES = processes.ROOT / 'scripts' / 'services'
NEEDS_SERVICE = {'MySQLdb': 'MYSQL', 'pymysql': 'MYSQL', 'psycopg2': 'PG'}
ALONE = ['MySQLdb', 'pymysql', 'psycopg2', 'pycurl']


@contextlib.contextmanager
def services(report, *names):
    """Yields the services' variables: the caller's own, or those of a private set."""
    ours = {key: value for key, value in os.environ.items()
            if key.startswith(('SYNCLESS_MYSQL_', 'SYNCLESS_PG_', 'SYNCLESS_REDIS_'))}
    if ours or not SERVICES.exists():
        yield ours
        return
    command = [str(SERVICES), 'run', *names, '--',
               *processes.program('hold_services.py')]
    holder = processes.Process(command, 'scripts/services')
    try:
        found = {}
        try:
            while not found:
                line = holder.line(60)
                found = json.loads(line) if line.startswith('{') else {}
        except processes.Failed as error:
            report.fault(f'services: {error}')
        yield found
    finally:
        holder.finish()


def usable(driver, variables):
    service = NEEDS_SERVICE.get(driver)
    return processes.has_module(driver) and \
        (service is None or f'SYNCLESS_{service}_PORT' in variables)


def show(report, results_of):
    rows = []
    for what, results in results_of.items():
        for name in (GREEN, NATIVE):
            values = [rounds.middle(rounds.pluck(results.get(name, []), key))
                      for key in ('connect_s', 'query_s', 'all_s', 'cpu_s', 'threads')]
            threads = values.pop()
            rows.append([f'{what}, {name}']
                        + [None if value is None else f'{value:.2f}' for value in values]
                        + [None if threads is None else f'{threads:.0f}'])
    report.table(f'{COUNT} threads',
                 ['', 'connect', 'query', 'both', 'CPU', 'kernel threads'], rows)


def judge(report, results_of):
    for what, results in results_of.items():
        for name, per_round in results.items():
            wrong = sum(result['wrong'] for result in per_round if result)
            if wrong:
                report.fault(f'drivers: {what}, {name}: {wrong} answers wrong or missing')
        query = rounds.middle(rounds.pluck(results.get(GREEN, []), 'query_s'))
        report.goal(f'{what}: s for {COUNT} queries', query, MOST_SECONDS)


def run(report, quick):
    names = [name for name in (GREEN, NATIVE) if processes.is_here(name)]
    with services(report, 'mariadb', 'postgres') as variables, \
            processes.started(processes.program('slow_server.py')) as slow:
        port = slow.line().split()[1]
        here = [driver for driver in ALONE if usable(driver, variables)]
        results_of = {}
        for what, drivers in [*((driver, [driver]) for driver in ALONE), ('mixed', ALONE)]:
            if not set(drivers) <= set(here):
                results_of[what] = {}
                continue
            command = processes.program('drivers.py', COUNT, SECONDS, port, *drivers)
            results_of[what] = rounds.interleave(
                names, 1 if quick else 3,
                lambda name: json.loads(processes.run_once(command, name, **variables)),
                report, what)
        report.raw('runs', results_of)
        show(report, results_of)
        judge(report, results_of)
