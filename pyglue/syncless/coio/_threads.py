# SPDX-License-Identifier: Apache-2.0
"""thread_pool: calls on kernel threads, for C code that computes or that blocks beyond our sight.

The workers are threads of their own in any case, and know nothing of
coroutines.  Each call is a Future, which is what makes a caller that has been
killed harmless: the result goes there and nowhere else.
"""
from __future__ import annotations

import _thread
import collections
import concurrent.futures
import contextlib
import os
from threading import Lock
from typing import Any, Callable, Deque, Tuple

import syncless

from .. import _glue

Job = Tuple[concurrent.futures.Future, Callable[..., Any], tuple, dict]


class thread_pool:  # noqa: N801
    """Calls functions on kernel threads, max_thread_count of them at most, while other coroutines run.

        pool = thread_pool(4)
        digest = pool(hashlib.scrypt, password, salt=salt, n=1 << 14, r=8, p=1)     # waits for the result
        future = pool.submit(compress, data)                                        # does not
        ...
        future.cancel() or future.result(timeout=5)

    thread      the module that starts them, by start_new_thread(); None: _thread

    They start when there is work, one by one, and then wait for more; nobody
    waits for them at the program's end.  Calls beyond max_thread_count wait in
    order.  What runs in a worker may not use coroutines.  Also works without the
    preload.  ValueError: max_thread_count is not positive.

    size        how many threads there are by now
    busy        how many of them work
    """

    def __init__(self, max_thread_count: int, thread: Any = None) -> None:
        if max_thread_count < 1:
            raise ValueError('max_thread_count must be positive')
        self.max_thread_count = max_thread_count
        self._start_new_thread = (thread or _thread).start_new_thread
        self._forget_all()

    def _forget_all(self) -> None:
        """No thread is there, as in a forked child."""
        self.size = self.busy = 0
        self._pid = os.getpid()
        self._mutex = Lock()
        self._jobs: Deque[Job] = collections.deque()
        self._idle: Deque[Any] = collections.deque()  # of each worker that waits the lock that it waits for

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return sum(not job[0].cancelled() for job in list(self._jobs))

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Waits for the result of function(*args, **kwargs), or raises what it raises, with its traceback.

        An exception that is raised in the caller meanwhile takes the call back if it
        has not begun.  One that has runs to its end, and its result is dropped.
        """
        future = self.submit(function, *args, **kwargs)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            future = None  # its exception's traceback has this frame

    def submit(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> concurrent.futures.Future:
        """Has function(*args, **kwargs) called, and does not wait.

        cancel() of the Future takes it back as long as it has not begun; result(timeout=None) waits.
        """
        future: concurrent.futures.Future = concurrent.futures.Future()
        if self._pid != os.getpid():
            self._forget_all()
        with self._mutex:
            self._jobs.append((future, function, args, kwargs))
            if self._idle:
                self._idle.popleft().release()
            elif self.size < self.max_thread_count:
                self._start()
        return future

    def _start(self) -> None:
        with syncless.native_threads() if _glue.is_preloaded() else contextlib.nullcontext():
            self._start_new_thread(self._work, ())
        self.size += 1

    def _next(self) -> Job:
        """Waits for one that has not been taken back."""
        gate = Lock()
        gate.acquire()
        while True:
            with self._mutex:
                while self._jobs:
                    job = self._jobs.popleft()
                    if job[0].set_running_or_notify_cancel():
                        self.busy += 1
                        return job
                self._idle.append(gate)
            gate.acquire()

    def _work(self) -> None:
        while True:
            future, function, args, kwargs = self._next()
            try:
                result, error = function(*args, **kwargs), None
            except BaseException as raised:
                result, error = None, raised
            with self._mutex:
                self.busy -= 1
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
            future = function = args = kwargs = result = error = None  # whose they are may end now
