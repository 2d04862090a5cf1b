# SPDX-License-Identifier: Apache-2.0
"""The loop of another library in a green thread, beside coroutines: how late is what?

    matrix.py LIBRARY SECONDS

LIBRARY is one of tests/apps/matrix/on_*.py.  A coroutine sends it a word every 10 ms
and waits for the answer, a timer of the loop's is due every 10 ms, and 50 more
coroutines sleep 5 ms at a time.  Prints as JSON, in ms: the median and the
largest round trip, and how much the largest gap between two ticks was beyond 10.
"""
import importlib
import json
import os
import statistics
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [os.path.join(ROOT, 'tests', 'apps', 'matrix'), os.path.join(ROOT, 'pyglue')]
PERIOD = 0.01  # seconds


def beat():
    while loop.is_alive():
        coio.sleep(PERIOD / 2)


def talk():
    while time.monotonic() < ends_at:
        began = time.monotonic()
        ours.sendall(b'word')
        ours.recv(100)
        trips.append(time.monotonic() - began)
        coio.sleep(PERIOD)


library = importlib.import_module('on_' + sys.argv[1])
import socket  # noqa: E402: it may have been patched

from syncless import coio  # noqa: E402

ours, theirs = socket.socketpair()
ticks, trips = [], []
loop = threading.Thread(target=library.run, args=(theirs, lambda data: data or None,
                                                  lambda: ticks.append(time.monotonic()), PERIOD))
loop.start()
while not ticks:  # it is under way
    coio.sleep(PERIOD)
beats = [coio.spawn(beat) for _ in range(50)]
ends_at = time.monotonic() + float(sys.argv[2])
del ticks[:]
coio.spawn(talk).get()
gaps = [later - earlier for earlier, later in zip(ticks, ticks[1:])]
ours.shutdown(socket.SHUT_WR)
loop.join()
coio.joinall(beats)
print(json.dumps({'trip_ms': statistics.median(trips) * 1e3, 'worst_trip_ms': max(trips) * 1e3,
                  'late_ms': (max(gaps) - PERIOD) * 1e3}))
