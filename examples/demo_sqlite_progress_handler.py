# SPDX-License-Identifier: Apache-2.0
"""SQLite computes, and lets others run: syncless run demo_sqlite_progress_handler.py [INSTRUCTIONS]

A query is no wait: it holds its thread.  But SQLite calls a progress handler
every so many INSTRUCTIONS (10000) of its machine, and that may wait.
"""
import sqlite3
import sys

from syncless import coio

QUERY = '''WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 300000)
           SELECT sum(n) FROM counter'''
ticks = calls = 0


def tick():
    global ticks
    while True:
        ticks += 1
        coio.sleep()


def progress():
    global calls
    calls += 1
    if is_cooperative:
        coio.sleep()


connection = sqlite3.connect(':memory:')
connection.set_progress_handler(progress, int(sys.argv[1]) if len(sys.argv) > 1 else 10000)
ticker = coio.spawn(tick)
coio.sleep()
for is_cooperative in False, True:
    ticks = calls = 0
    total = connection.execute(QUERY).fetchone()[0]
    print(f'{total}: the handler was called often: {calls > 9}, others ran often: {ticks > 9}')
ticker.kill()
