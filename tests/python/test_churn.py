# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""100,000 threads made and joined leave nothing behind.

Ten rounds; after the last one file descriptors, mappings and kernel threads
are those after the second, and resident memory is within 1 MB of it.
"""
import gc
import os
import socket
import threading
import time
import unittest

import support

ROUNDS = 10
BATCH = 100
BATCHES = 100 if support.GREEN else 5
HOSTS = 4
HOST_STACK = 256 << 10  # STACK_SIZE of handoff.c


def usage():
    """What the process holds, with resident memory counted exactly."""
    gc.collect()
    with open('/proc/self/smaps_rollup') as f:
        rss = next(int(line.split()[1]) for line in f
                   if line.startswith('Rss:'))
    with open('/proc/self/maps') as f:
        mappings = f.read().splitlines()
    return {'fds': len(os.listdir('/proc/self/fd')), 'mappings': mappings,
            'kernel threads': support.kernel_threads(), 'rss_kb': rss}


def warm_up_stacks():
    """Hand-off may need some kernel threads at once, at any time; glibc keeps the stacks of those that have ended."""
    everybody = threading.Barrier(HOSTS)
    before = threading.stack_size(HOST_STACK)
    with support.native_threads():
        threads = [threading.Thread(target=everybody.wait, args=(support.HANG,)) for _ in range(HOSTS)]
        for thread in threads:
            thread.start()
    threading.stack_size(before)
    for thread in threads:
        thread.join(support.HANG)


class Churn(unittest.TestCase):
    def setUp(self):
        self.local = threading.local()
        self.lock = threading.Lock()
        self.left, self.right = socket.socketpair()
        self.addCleanup(self.left.close)
        self.addCleanup(self.right.close)
        self.bodies = (self.nothing, self.locals, self.sleep, self.memory,
                       self.talk)

    def nothing(self):
        pass

    def locals(self):
        self.local.value = [0] * 100

    def sleep(self):
        time.sleep(0)

    def memory(self):
        for size in (700, 5000, 200000):
            bytearray(size)

    def talk(self):
        with self.lock:
            self.left.send(b'x')
            self.right.recv(1)

    def round(self):
        for _ in range(BATCHES):
            threads = [threading.Thread(target=self.bodies[i % 5])
                       for i in range(BATCH)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(support.HANG)

    def test_create_and_join(self):
        usage()
        warm_up_stacks()
        for number in range(ROUNDS):
            self.round()
            if number == 1:
                support.wait_until(lambda: support.kernel_threads() == 1)
                second = usage()
        support.wait_until(lambda: support.kernel_threads() == 1)
        last = usage()
        grown = last.pop('rss_kb') - second.pop('rss_kb')
        maps, before = last.pop('mappings'), second.pop('mappings')
        if support.GREEN:  # else glibc's own stack cache is what varies
            # as many as hand-off makes for a kernel thread, if it must
            self.assertLessEqual(len(maps) - len(before), 4, '\n'.join(sorted(set(maps) - set(before))))
        self.assertEqual(last, second)
        self.assertLessEqual(grown, 1024)
        self.assertEqual(threading.active_count(), 1)


if __name__ == '__main__':
    support.main()
