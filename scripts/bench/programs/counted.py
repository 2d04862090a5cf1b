# SPDX-License-Identifier: Apache-2.0
"""Runs another of these programs and tells how often a thread lost the scheduler.

    counted.py PROGRAM ARGUMENT...

The number is its last line, at the end of PROGRAM or, for a server, when a line
comes on stdin.
"""
import ctypes
import os
import runpy
import sys
import threading


class Stats(ctypes.Structure):
    """struct syncless_stats of shim/syncless.h."""
    _fields_ = [('size', ctypes.c_size_t), ('switches', ctypes.c_uint64), ('green_threads', ctypes.c_int64),
                ('coroutines', ctypes.c_int64), ('handoffs', ctypes.c_uint64)]


def handoffs():
    """So many since the start; natively 0."""
    functions = ctypes.PyDLL(None)
    stats = Stats(ctypes.sizeof(Stats))
    if not hasattr(functions, 'syncless_get_stats'):
        return 0
    if functions.syncless_get_stats(ctypes.byref(stats)):
        sys.exit('libsyncless.so is of another version')
    return stats.handoffs


def tell_when_asked():
    if sys.stdin.readline():
        print(handoffs(), flush=True)
        os._exit(0)


if __name__ == '__main__':
    threading.Thread(target=tell_when_asked, daemon=True).start()
    del sys.argv[0]
    runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), sys.argv[0]), run_name='__main__')
    print(handoffs(), flush=True)
