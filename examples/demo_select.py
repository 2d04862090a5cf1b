# SPDX-License-Identifier: Apache-2.0
"""Waits for standard input in three ways, while a ticker counts: syncless run demo_select.py [SECONDS]"""
import sys

from syncless import coio

ticks = 0


def tick():
    global ticks
    while True:
        ticks += 1
        coio.sleep(0.01)


limit = float(sys.argv[1]) if len(sys.argv) > 1 else 3
ticker = coio.spawn(tick)
print('now:', coio.select([], [sys.stdout], [])[1] == [sys.stdout])
print(f'in {limit} s:', coio.select([sys.stdin], [], [], limit)[0] == [sys.stdin], flush=True)
print('whenever it comes:', coio.select([sys.stdin], [], [])[0] == [sys.stdin], sys.stdin.readline().strip())
print('meanwhile there were ticks:', ticks > 1)
ticker.kill()
