# SPDX-License-Identifier: Apache-2.0
"""The utilities of 2010: a silent Timeout, a call with a time limit, and a queue with two ends.

    from syncless import util

    with util.Timeout(3):               # the program goes on behind the block in any case
        line = connection.recv(4096)

Timeout is coio.Timeout and Queue is coio.Queue, with what programs of that time
expect of them.  All times are in seconds.  What waits needs the preload:
without it, it raises RuntimeError.
"""
from __future__ import annotations

import collections
import queue
import time
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Sequence, Type, Union

from . import coio, stackless
from .coio._coroutine import deadline_in, seconds_until

__all__ = ['Queue', 'Timeout', 'TimeoutException', 'run_in_tasklet_with_timeout']


class TimeoutException(Exception):
    """What a Timeout raises in its block, unless it was told another exception."""


class Timeout(coio.Timeout):
    """Ends the waits in a with-block after so many seconds in all; the program goes on behind the block.

        with Timeout(3) as timeout:
            answer = ask()
            timeout.change(1)       # one second from now
            more = ask_again()
            timeout.cancel()

    timeout     seconds from the block's begin; 0 and less: its first wait ends at once; None: no limit
    exc         the exception to raise in the block: a class, or an instance, of which the type and
                the arguments are taken

    The block swallows what this object has raised in it and nothing else: not
    another Timeout's, and not an exception of that type from elsewhere.
    """

    def __init__(self, timeout: Optional[float],
                 exc: Union[BaseException, Type[BaseException]] = TimeoutException) -> None:
        super().__init__(timeout, exc, silent=True)

    def _due(self) -> BaseException:
        exc = self.exc
        return exc() if isinstance(exc, type) else type(exc)(*exc.args)


def _reraised(co: coio.Coroutine) -> None:
    """Whoever waits for the result has the exception; it need not be printed as well."""


def run_in_tasklet_with_timeout(function: Callable[..., Any], timeout: Optional[float], default_value: Any = None,
                                args: Sequence[Any] = (), kwargs: Optional[Mapping[str, Any]] = None) -> Any:
    """Returns what function(*args, **kwargs) returns, in a tasklet of its own, if it does so in time.

    timeout     seconds, for all its waits together; None: any time; 0 and less: it is not even started

    Else TaskletExit is raised in it, its except and finally clauses run, and
    default_value is returned.  What it raises is raised here.  An exception that
    is raised in the caller meanwhile ends the tasklet as well.
    """
    if timeout is not None and timeout <= 0:
        return default_value
    co = coio.Coroutine(function, tuple(args), dict(kwargs or {}))
    co.on_uncaught = _reraised
    co.start()
    try:
        if co.join(timeout):
            return co.get()
        co.kill(stackless.TaskletExit)
        return default_value
    finally:
        if not co.ended:
            co.kill(stackless.TaskletExit, block=False)
        co = None  # its exception's traceback has this frame


class Queue(coio.Queue):
    """A queue that is put to and taken from at either end, for coroutines and threads.

        jobs = Queue(['first'])
        jobs.append('second')
        jobs.popleft()                  # waits while there is nothing

    items       what it holds at first
    preference  -1: append() lets a receiver that waits run at once; 1 or 0: it goes on itself

    It has no limit.  An item that is put in while somebody waits is theirs: whoever has waited longest gets
    it, and nobody else does in between.  It is a coio.Queue: put(), get(timeout=...), task_done() and join()
    work as well.
    """

    def __init__(self, items: Iterable[Any] = (), preference: int = 1) -> None:
        super().__init__()
        self.preference = preference
        self.queue = collections.deque(items)
        self.unfinished_tasks = len(self.queue)
        self._waiting = 0
        self._handed: collections.deque = collections.deque()  # items for so many of those that wait

    @property
    def pending_receiver_count(self) -> int:
        """How many wait for an item and have none yet."""
        return self._waiting - len(self._handed)

    def append(self, item: Any) -> None:
        """Puts item in as the last one."""
        self._add(item, self.queue.append)

    def appendleft(self, item: Any) -> None:
        """Puts item in as the first one."""
        self._add(item, self.queue.appendleft)

    def _add(self, item: Any, put: Callable[[Any], None]) -> None:
        with self.mutex:
            is_awaited = self.pending_receiver_count > 0
            (self._handed.append if is_awaited else put)(item)
            self.unfinished_tasks += 1
            self.not_empty.notify()
        if is_awaited and self.preference < 0:
            time.sleep(0)

    def popleft(self, timeout: Optional[float] = None) -> Any:
        """Takes the first item; waits for one.  queue.Empty after so many seconds (None: never)."""
        return self._take(self.queue.popleft, timeout)

    def pop(self, timeout: Optional[float] = None) -> Any:
        """Takes the last item; waits for one.  queue.Empty after so many seconds (None: never)."""
        return self._take(self.queue.pop, timeout)

    def _take(self, take: Callable[[], Any], timeout: Optional[float]) -> Any:
        with self.mutex:
            if self.queue:
                return take()
            deadline = deadline_in(timeout)
            self._waiting += 1
            try:
                if not self.not_empty.wait(seconds_until(deadline)):
                    raise queue.Empty
                return self._handed.popleft()
            finally:
                self._waiting -= 1
                if len(self._handed) > self._waiting:  # who should have had it has left
                    self.queue.appendleft(self._handed.pop())

    def put(self, item: Any, block: bool = True, timeout: Optional[float] = None) -> None:
        """append(), as queue.Queue calls it; block and timeout mean nothing here."""
        self.append(item)

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """popleft(), as queue.Queue calls it.  queue.Empty: there is none, or not in time."""
        return self.popleft(timeout if block else 0)

    def __len__(self) -> int:
        return len(self.queue)

    def __bool__(self) -> bool:
        return bool(self.queue)

    def __iter__(self) -> Iterator[Any]:
        """The items it holds now, from the first to the last."""
        return iter(list(self.queue))
