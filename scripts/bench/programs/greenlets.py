# SPDX-License-Identifier: Apache-2.0
"""What greenlets cost: ours, under the preload, and gevent's.

    greenlets.py ours|gevent turn|spawn|sleep COUNT

Prints as JSON: turn: ns of CPU time for one of two greenlets to let the other
run; spawn: ns to make one that does nothing and to join it, in batches of 1000;
sleep: kB of resident memory for each of COUNT greenlets asleep.
"""
import json
import os
import re
import sys
import time
from pathlib import Path

WHO, WHAT, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
BATCH = 1000

if WHO == 'ours':
    sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'pyglue'))
    from syncless import coio, stackless
    spawn, sleep, schedule = coio.spawn, coio.sleep, stackless.schedule
else:
    import gevent
    spawn, sleep = gevent.spawn, gevent.sleep


def take_turns():
    if WHO == 'ours':
        for _ in range(COUNT):
            schedule()
    else:
        for _ in range(COUNT):
            sleep(0)


def turn():
    pair = [spawn(take_turns), spawn(take_turns)]
    began = time.process_time_ns()
    for one in pair:
        one.join()
    return {'ns': (time.process_time_ns() - began) / COUNT / 2}


def do_nothing():
    pass


def make_and_join():
    began = time.process_time_ns()
    for _ in range(COUNT // BATCH):
        for one in [spawn(do_nothing) for _ in range(BATCH)]:
            one.join()
    return {'ns': (time.process_time_ns() - began) / (COUNT // BATCH * BATCH)}


def resident_kb():
    with open('/proc/self/status', encoding='ascii') as status:
        return int(re.search(r'^VmRSS:\s*(\d+)', status.read(), re.M).group(1))


def sleep_long():
    global asleep
    asleep += 1
    sleep(3600)


def memory():
    before = resident_kb()
    kept = [spawn(sleep_long) for _ in range(COUNT)]
    while asleep < len(kept):
        sleep(1e-6)
    return {'kb': (resident_kb() - before) / len(kept)}


asleep = 0
print(json.dumps({'turn': turn, 'spawn': make_and_join, 'sleep': memory}[WHAT]()), flush=True)
os._exit(0)  # the sleepers' own ends are nobody's business
