# SPDX-License-Identifier: Apache-2.0
"""Coroutines: made, waited for, ended.

A coroutine is a task of the scheduler (_glue.Task, in C) with what programs ask
of one that they have started: its result, and who is told of its end.  spawn()
is on everybody's way, so nothing of it is Python but one call.

A coroutine belongs to the thread that has started it.  Others may wait for it,
kill it and link to it, from kernel threads as well: these cannot wait by the
scheduler, so they do by a lock that the end releases.
"""
from __future__ import annotations

import _thread
import contextlib
import queue
import sys
import time
from typing import Any, Callable, Iterable, Iterator, List, Optional, Type, Union

from greenlet import GreenletExit

from .. import _glue

NS = 1_000_000_000
FOREVER = 9e9  # seconds, some centuries: more does not fit into 64 bits of nanoseconds

Exit = Union[BaseException, Type[BaseException]]


def deadline_in(seconds: Optional[float]) -> Optional[int]:
    """The time.monotonic_ns() that many seconds from now; None: never.

    ValueError: NaN.
    """
    if seconds is None or seconds >= FOREVER:
        return None
    return time.monotonic_ns() + int(seconds * NS)


def seconds_until(deadline: Optional[int]) -> Optional[float]:
    """The inverse; never negative."""
    return None if deadline is None else max(0.0, (deadline - time.monotonic_ns()) / NS)


def is_native() -> bool:
    """Is the caller a kernel thread of its own, which has no coroutines?"""
    if not _glue.is_preloaded():
        return False
    try:
        _glue.current()
    except RuntimeError:
        return True
    return False


def require_preload() -> None:
    """RuntimeError that names `syncless run` where no call could ever end its wait."""
    if not _glue.is_preloaded():
        _glue.current()


class Coroutine(_glue.Task):
    """A call that runs beside others on the thread that has started it.

        page = spawn(fetch, url)        # Coroutine(fetch, (url,)).start()
        ...
        print(page.get())               # what fetch returned, or its exception

    An exception that nothing in it catches ends it alone, and is printed
    through sys.excepthook.  GreenletExit, by which kill() ends it, is not.

    ended       bool: its call has returned or raised
    exception   the exception that ended it; None: there was none, or not yet
    """

    __slots__ = ()

    def get(self, timeout: Optional[float] = None) -> Any:
        """Waits for its end; what its call returned.

        Raises the exception that ended it, which is GreenletExit if it was
        killed; TimeoutError after so many seconds (None: never).
        """
        try:
            if not self.ended and not join(self, timeout):
                raise TimeoutError(f'{self!r} has not ended in {timeout} s')
            if self.exception is not None:
                raise self.exception
            return self.result
        finally:
            self = None  # or the exception's traceback would refer to the exception

    @property
    def value(self) -> Any:
        """What its call returned; None before, and if it raised."""
        return self.result

    def ready(self) -> bool:
        """Has it ended?"""
        return self.ended

    @property
    def dead(self) -> bool:
        """Has it ended?"""
        return self.ended

    def successful(self) -> bool:
        """Has its call returned?"""
        return self.ended and self.exception is None

    def join(self, timeout: Optional[float] = None) -> bool:
        """Waits for its end, for so many seconds at most (None: any time); has it come?"""
        return join(self, timeout)

    def kill(self, exc: Exit = GreenletExit, block: bool = True, timeout: Optional[float] = None) -> None:
        """Raises exc in it: where it waits, or else in its next call that waits.

        A wait in C, say in a database driver, ends as well; the connection is
        then broken, as the driver says.  One that has not begun never runs.
        Called by itself, it raises exc at once.  block: waits for its end, for
        so many seconds at most.
        """
        kill(self, exc, block, timeout)

    def link(self, callback: Callable[[Coroutine], Any]) -> None:
        """Has callback(self) called at its end, in its own flow; now, if it has ended.

        Callbacks are called in the order of their links.  What they raise is
        printed through sys.excepthook.
        """
        _links_of(self).append(callback)
        self.on_end = _call_links
        if self.ended:  # perhaps in another thread, since the line above
            _call_links(self)

    def unlink(self, callback: Callable[[Coroutine], Any]) -> None:
        """Forgets a link; nothing if there is none."""
        with contextlib.suppress(ValueError):
            _links_of(self).remove(callback)

    def __repr__(self) -> str:
        state = 'ended' if self.ended else 'running' if self.begun else 'ready' if self.started else 'new'
        name = getattr(self.fn, '__qualname__', None) or type(self.fn).__name__
        return f'<Coroutine {hex(id(self))} {state}{"" if self.ended else " " + name}>'


_first_link = _thread.allocate_lock()


def _links_of(co: Coroutine) -> List[Callable[[Coroutine], Any]]:
    links = getattr(co, '_links', None)
    if links is None:
        with _first_link:
            links = getattr(co, '_links', None)
            if links is None:
                links = co._links = []
    return links


def _call_links(co: Coroutine) -> None:
    links = _links_of(co)
    while links:
        try:
            callback = links.pop(0)
        except IndexError:  # a thread that has linked it just now was faster
            break
        try:
            callback(co)
        except BaseException:
            sys.excepthook(*sys.exc_info())


def spawn(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine:
    """Starts fn(*args, **kwargs) as a coroutine of the calling thread.

    It begins when the caller waits for something, in the caller's contextvars
    as they are now.  RuntimeError: without the preload, or in a kernel thread
    of its own.

        for url in urls:
            spawn(fetch, url)
    """
    return Coroutine(fn, args, kwargs or None).start()


def _call_later(seconds: float, fn: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
    _glue.sleep(seconds)
    return fn(*args, **kwargs)


def spawn_later(seconds: float, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Coroutine:
    """Like spawn(), but fn is called so many seconds later, unless kill() ends it before."""
    return Coroutine(_call_later, (seconds, fn, args, kwargs)).start()


def current() -> _glue.Task:
    """Who runs: a Coroutine, or the Task that stands for a thread's main or for somebody's own greenlet."""
    return _glue.current()


def join(co: _glue.Task, timeout: Optional[float] = None) -> bool:
    """Waits for the end of co, for so many seconds at most (None: any time); has it come?

    RuntimeError: co is the caller.
    """
    deadline = None if timeout is None else deadline_in(timeout)
    try:
        return _join(co, deadline)
    except RuntimeError:
        if not is_native():
            raise
    gate = _thread.allocate_lock()
    gate.acquire()
    Coroutine.link(co, lambda _: gate.release())
    remaining = seconds_until(deadline)
    gate.acquire(True, -1 if remaining is None else remaining)
    return co.ended


_join = _glue.Task.join


def kill(co: _glue.Task, exc: Exit = GreenletExit, block: bool = True, timeout: Optional[float] = None) -> None:
    """Coroutine.kill() for any task, for example the one of a thread's main greenlet."""
    co.throw(exc)
    if block:
        join(co, timeout)


def killall(cos: Iterable[Coroutine], exc: Exit = GreenletExit, block: bool = True,
            timeout: Optional[float] = None) -> None:
    """Kills all but the caller, see Coroutine.kill().  block: waits for their ends, timeout seconds at most."""
    me = None if is_native() else _glue.current()
    cos = [co for co in cos if co is not me]
    for co in cos:
        co.throw(exc)
    if block:
        joinall(cos, timeout)


def iwait(cos: Iterable[Coroutine], timeout: Optional[float] = None,
          count: Optional[int] = None) -> Iterator[Coroutine]:
    """Coroutines as they end, each once.

    Ends when all have, when count have, or after so many seconds.

        for page in iwait(pages):
            print(page.get())
    """
    require_preload()
    deadline = deadline_in(timeout)
    cos = list(dict.fromkeys(cos))
    ends: queue.Queue = queue.Queue()
    note = ends.put
    try:
        for co in cos:
            co.link(note)
        for _ in range(len(cos) if count is None else min(count, len(cos))):
            try:
                yield ends.get(timeout=seconds_until(deadline))
            except queue.Empty:
                return
    finally:
        for co in cos:
            co.unlink(note)


def wait(cos: Iterable[Coroutine], timeout: Optional[float] = None,
         count: Optional[int] = None) -> List[Coroutine]:
    """Waits until all have ended, or count of them, for so many seconds at most.

    Returns those that have, in the order of their ends.

        first = wait([spawn(ask, server) for server in servers], count=1)
    """
    return list(iwait(cos, timeout, count))


def joinall(cos: Iterable[Coroutine], timeout: Optional[float] = None,
            raise_error: bool = False) -> List[Coroutine]:
    """Waits until all have ended, for so many seconds at most; those that have, in the order of cos.

    raise_error: raises the exception of the first one that an exception ends
    (but GreenletExit), as soon as it does.
    """
    cos = list(cos)
    if raise_error:
        for co in iwait(cos, timeout):
            if co.exception is not None and not isinstance(co.exception, co.silent):
                raise co.exception
    else:
        deadline = deadline_in(timeout)
        for co in cos:
            if not co.ended and not join(co, seconds_until(deadline)):
                break
    return [co for co in cos if co.ended]
