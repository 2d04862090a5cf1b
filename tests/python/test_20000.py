# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""20,000 threads asleep at once, then joined.

Plain Python does the same with 500, which is the oracle for the program
itself.  A machine whose limits forbid so many is a visible skip.
"""
import resource
import threading
import time
import unittest

import support

THREADS = 20000 if support.GREEN else 500
BYTES_EACH = 64 << 10  # resident memory and page tables, generously


def what_forbids():
    """Why this machine cannot hold the threads, or None."""
    with open('/proc/sys/vm/max_map_count') as f:
        if int(f.read()) < 3 * THREADS + 1000:
            return 'vm.max_map_count is too small'
    with open('/proc/meminfo') as f:
        sizes = dict(line.split(':') for line in f)
    if int(sizes['MemAvailable'].split()[0]) << 10 < THREADS * BYTES_EACH:
        return 'less than %d MB of memory' % (THREADS * BYTES_EACH >> 20)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < THREADS * (300 << 10):
        return 'RLIMIT_AS is too small'
    return None


@unittest.skipIf(what_forbids(), what_forbids())
class TwentyThousand(unittest.TestCase):
    def test_asleep_then_joined(self):
        gate = threading.Event()
        asleep = []
        woken = []

        def body(i):
            asleep.append(i)
            if i % 2:
                gate.wait()
            while not gate.is_set():
                time.sleep(2)
            woken.append(i)
        old = threading.stack_size(256 << 10)
        try:
            with support.Crew() as crew:
                crew.start_many(THREADS, body)
                support.wait_until(lambda: len(asleep) == THREADS)
                self.assertEqual(woken, [])
                self.assertEqual(threading.active_count(), THREADS + 1)
                if support.GREEN:
                    support.wait_until(lambda: support.kernel_threads() <= 2)
                gate.set()
                crew.join(120)
        finally:
            threading.stack_size(old)
        self.assertEqual(sorted(woken), list(range(THREADS)))


if __name__ == '__main__':
    support.main()
