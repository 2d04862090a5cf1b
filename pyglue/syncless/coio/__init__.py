# SPDX-License-Identifier: Apache-2.0
"""Coroutines for programs that make them themselves.

    from syncless import coio

    pages = [coio.spawn(urllib.request.urlopen, url) for url in urls]
    with coio.Timeout(5):
        coio.joinall(pages)

A coroutine is a greenlet, on the thread that has started it.  Calls that block
park it and let others run: those of the standard library and of drivers in C,
unmodified, as in green threads.  So this module has no sockets and no files:
there is nothing to patch and nothing to replace.

Needs the preload (`syncless run PROGRAM`) and the package greenlet; without the
preload it can be imported, and what would make a coroutine or wait for one
raises RuntimeError.  All times are in seconds.
"""
from queue import Empty, Full

from greenlet import GreenletExit

from ._coroutine import Coroutine, current, iwait, join, joinall, kill, killall, sleep, spawn, spawn_later, wait
from ._local import local
from ._locks import (Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, LifoQueue, Lock,
                     PriorityQueue, Queue, RLock, Semaphore)
from ._pool import Pool
from ._server import Server, serve
from ._timeout import Timeout

__all__ = [
    'Barrier', 'BoundedSemaphore', 'BrokenBarrierError', 'Condition', 'Coroutine', 'Empty', 'Event', 'Full',
    'GreenletExit', 'LifoQueue', 'Lock', 'Pool', 'PriorityQueue', 'Queue', 'RLock', 'Semaphore', 'Server',
    'Timeout', 'current', 'iwait', 'join', 'joinall', 'kill', 'killall', 'local', 'serve', 'sleep', 'spawn',
    'spawn_later', 'wait',
]
