# SPDX-License-Identifier: Apache-2.0
"""A thread that computes beside one that wants to tick every 10 ms.

    ticker.py SECONDS

Prints as JSON the largest gap between two ticks in ms, and the ticks, while
the other thread computed in bytecode, where only the interpreter's own
hand-over of the GIL can interrupt it.
"""
import json
import sys
import threading
import time


def compute():
    ends_at = time.monotonic() + float(sys.argv[1])
    number = 0
    while time.monotonic() < ends_at:
        for i in range(1000):
            number = (number * 31 + i) % 1000003


def tick():
    while computing.is_alive():
        ticks.append(time.monotonic())
        time.sleep(0.01)


ticks = []
computing = threading.Thread(target=compute)
ticking = threading.Thread(target=tick)
computing.start()
ticking.start()
computing.join()
ends_at = time.monotonic()
ticking.join()
ticks = [at for at in ticks if at < ends_at] + [ends_at]
gaps = [later - earlier for earlier, later in zip(ticks, ticks[1:])]
print(json.dumps({'gap_ms': max(gaps, default=float(sys.argv[1])) * 1e3, 'ticks': len(gaps)}))
