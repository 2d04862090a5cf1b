# SPDX-License-Identifier: Apache-2.0
"""Twenty busy threads, and a native thread of a C library that wants the GIL.

    starve.py LIBRARY WAITS

Prints as JSON the waits of the native thread for the GIL, in ms.
"""
import ctypes
import json
import sys
import threading

BUSY = 20


def compute():
    number = 0
    while not over:
        number = (number * 31 + 7) % 1000003


library = ctypes.CDLL(sys.argv[1])
waits = (ctypes.c_double * int(sys.argv[2]))()
over = []
threads = [threading.Thread(target=compute) for _ in range(BUSY)]
for thread in threads:
    thread.start()
if library.gil_caller_start(waits, len(waits)):
    sys.exit('no native thread')
library.gil_caller_join()
over.append(True)
for thread in threads:
    thread.join()
print(json.dumps(list(waits)))
