# SPDX-License-Identifier: Apache-2.0
"""Eight threads that compress, as a server that compresses its replies does.

    compressors.py CHUNK_KB MB CORE...

Prints as JSON the wall time in seconds for so many MB in chunks of that size,
on these cores.
"""
import json
import os
import sys
import threading
import time
import zlib

THREADS = 8

chunk_kb, megabytes, *cores = map(int, sys.argv[1:])
os.sched_setaffinity(0, cores)
text = b''.join(b'%d squared is %d\n' % (i, i * i) for i in range(60000))
chunk = text[:chunk_kb << 10]
wanted = zlib.compress(chunk)


def compress(times):
    for _ in range(times):
        if zlib.compress(chunk) != wanted:
            wrong.append(1)


wrong = []
times = max(1, (megabytes << 10) // (chunk_kb * THREADS))
threads = [threading.Thread(target=compress, args=(times,)) for _ in range(THREADS)]
began = time.monotonic()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({'seconds': time.monotonic() - began, 'wrong': len(wrong)}))
