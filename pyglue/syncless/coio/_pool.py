# SPDX-License-Identifier: Apache-2.0
"""Pool: so many coroutines at once and no more."""
from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, List, Optional

from greenlet import GreenletExit

from ._coroutine import Coroutine, Exit, deadline_in, joinall, killall, seconds_until
from ._locks import Queue, Semaphore

_END = object()


def _reraised(co: Coroutine) -> None:
    """Whoever waits for the result has the exception; it need not be printed as well."""


class Pool:
    """Runs coroutines, at most size of them at once.

        pool = Pool(100)
        for size in pool.imap(fetch, urls):     # in the order of urls, as far as there are any
            print(size)
        pool.spawn(log, 'done')                 # waits while the pool is full
        pool.join()

    ValueError: size is not positive.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError('the size of a Pool must be positive')
        self.size = size
        self._slots = Semaphore(size)
        self._running: set = set()

    def spawn(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine:
        """Starts fn(*args, **kwargs) as coio.spawn() does; waits first while the pool is full."""
        return self._start(Coroutine(fn, args, kwargs or None))

    def _start(self, co: Coroutine) -> Coroutine:
        self._slots.acquire()
        self._running.add(co)
        try:
            co.link(self._forget)
            return co.start()
        except BaseException:
            self._forget(co)
            raise

    def _forget(self, co: Coroutine) -> None:
        self._running.remove(co)
        self._slots.release()

    def _start_all(self, fn: Callable[..., Any], items: Iterable[Any],
                   take: Callable[[Coroutine], Any]) -> None:
        """A coroutine fn(*item) for each of items, given to take() before it runs."""
        for item in items:
            co = Coroutine(fn, item)
            co.on_uncaught = _reraised
            take(co)
            self._start(co)

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> List[Any]:
        """The results of fn, called with an item of each of iterables, in their order.

        Raises what the first of the calls in this order has raised; the others go on.
        """
        cos: List[Coroutine] = []
        self._start_all(fn, zip(*iterables), cos.append)
        return [co.get() for co in cos]

    def imap(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """map() one by one: each result as soon as it and those before it are there.

        At most 2 * size calls are ahead of who asks for results, so the
        iterables may be endless.  They are read by a coroutine of its own.
        """
        cos = Queue()
        return self._results(fn, iterables, cos, cos.put)

    def imap_unordered(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """imap() in the order in which the calls end."""
        cos = Queue()
        return self._results(fn, iterables, cos, lambda co: co.link(cos.put))

    def _results(self, fn: Callable[..., Any], iterables: tuple, cos: Queue,
                 take: Callable[[Coroutine], Any]) -> Iterator[Any]:
        """Of all calls, as take(co) or what follows from it puts them into cos."""
        ahead = Semaphore(2 * self.size)
        started = 0

        def feed(co: Coroutine) -> None:
            nonlocal started
            ahead.acquire()
            started += 1
            take(co)

        feeder = Coroutine(self._start_all, (fn, zip(*iterables), feed))
        feeder.on_uncaught = _reraised
        feeder.link(lambda _: cos.put(_END))
        feeder.start()
        taken = 0
        try:
            while not feeder.ended or taken < started:
                co = cos.get()
                if co is not _END:
                    taken += 1
                    ahead.release()
                    yield co.get()
            feeder.get()
        finally:
            feeder.kill(block=False)

    def join(self, timeout: Optional[float] = None) -> bool:
        """Waits until the pool is empty, for so many seconds at most; is it?"""
        deadline = deadline_in(timeout)
        while self._running and joinall(list(self._running), seconds_until(deadline)):
            pass
        return not self._running

    def kill(self, exc: Exit = GreenletExit, block: bool = True, timeout: Optional[float] = None) -> None:
        """Kills all that run in it, but not the caller; see Coroutine.kill()."""
        killall(self._running, exc, block, timeout)

    def free_count(self) -> int:
        """How many more may be spawned without waiting."""
        return self.size - len(self._running)

    def full(self) -> bool:
        """Would spawn() wait?"""
        return self.free_count() <= 0

    def __len__(self) -> int:
        """How many run, or are about to."""
        return len(self._running)

    def __contains__(self, co: Coroutine) -> bool:
        return co in self._running

    def __iter__(self) -> Iterator[Coroutine]:
        return iter(list(self._running))
