# SPDX-License-Identifier: Apache-2.0
"""Four calls that block their kernel threads: syncless run demo_thread_pool_sleep.py [SECONDS]

By four threads they take as long as one, by three as long as two.
"""
import sys
import time

from syncless import coio


def measure(threads):
    pool = coio.thread_pool(threads)
    began = time.monotonic()
    coio.joinall([coio.spawn(pool, time.sleep, seconds) for _ in range(4)], raise_error=True)
    print(f'{pool.size} threads: {time.monotonic() - began:.2f} s')


seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2
measure(4)
measure(3)
