# SPDX-License-Identifier: Apache-2.0
"""Syncless from Python: what a program may tell the library that runs its threads.

Importing this module needs no preload; what cannot work without one says so
when it is called.
"""
import contextlib
import ctypes

__all__ = ['native_threads']
__version__ = '0.1.0'  # the only place: the Makefile and the wheel read this line


def _preloaded():
    """The functions of syncless.h in this process.

    Raises RuntimeError where libsyncless.so was not preloaded.
    """
    functions = ctypes.PyDLL(None)  # keeps the GIL: the calls are a few instructions
    if not hasattr(functions, 'syncless_native_threads'):
        raise RuntimeError('libsyncless.so is not preloaded: start the program by '
                           '`syncless run PROGRAM`')
    return functions


@contextlib.contextmanager
def native_threads():
    """Threads that the calling thread starts inside are kernel threads.

        with syncless.native_threads():
            executor = ThreadPoolExecutor(4)
            executor.submit(compress, data)     # the pool's threads start here

    For work that runs in C without the GIL, which would stop the other green
    threads, or that shall run beside them on another core.  Nests; other
    threads are not concerned.  Raises RuntimeError without the preload.
    """
    functions = _preloaded()
    functions.syncless_native_threads(1)
    try:
        yield
    finally:
        functions.syncless_native_threads(-1)
