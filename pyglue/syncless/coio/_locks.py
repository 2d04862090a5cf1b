# SPDX-License-Identifier: Apache-2.0
"""Locks, events and queues between coroutines, green threads and kernel threads.

The standard library's are made of libc's semaphores, which park whoever waits
and nobody else.  So Lock, Event and Barrier are its own, and the others are
changed only where coroutines are more than threads are:

  * they share a thread's identity, so RLock asks who they are;
  * kill() and Timeout end waits as a matter of course.  A condition's waiter
    that has been notified, but is interrupted before it runs, hands the notice
    on; else an item would lie in a queue, and somebody wait for it.
  * they run until they wait.  Who releases a semaphore and acquires it again in
    a loop would be faster than whoever waits, each time; so release() hands
    over to the first one that waits, as libc's do for Lock.
"""
from __future__ import annotations

import collections
import queue
import threading
from threading import Barrier, BrokenBarrierError, Event, Lock
from typing import Any, Callable, Deque, Optional

from .. import _glue

__all__ = ['Barrier', 'BrokenBarrierError', 'BoundedSemaphore', 'Condition', 'Event', 'LifoQueue', 'Lock',
           'PriorityQueue', 'Queue', 'RLock', 'Semaphore']


def _caller() -> Any:
    """Whose a lock is: a task's, or a kernel thread's that has none."""
    try:
        return _glue.current()
    except RuntimeError:
        return threading.get_ident()


class RLock:
    """A lock that its owner, a coroutine or a thread, may take again; it is free after as many releases."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: Any = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Waits for the lock, for so many seconds at most (-1: any time).  False: it is not the caller's."""
        me = _caller()
        if self._owner == me:
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner, self._count = me, 1
        return True

    def release(self) -> None:
        """RuntimeError: it is not the caller's."""
        if self._owner != _caller():
            raise RuntimeError('cannot release a lock of somebody else')
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: Any) -> None:
        self.release()

    # threading.Condition asks for these three.

    def _is_owned(self) -> bool:
        return self._owner == _caller()

    def _release_save(self) -> Any:
        if self._owner is None:
            raise RuntimeError('cannot release a lock of nobody')
        state = self._owner, self._count
        self._owner, self._count = None, 0
        self._lock.release()
        return state

    def _acquire_restore(self, state: Any) -> None:
        self._lock.acquire()
        self._owner, self._count = state

    def __repr__(self) -> str:
        return f'<RLock {hex(id(self))} owner={self._owner!r} count={self._count}>'


class Condition(threading.Condition):
    """threading.Condition; its lock is an RLock unless another is given."""

    def __init__(self, lock: Any = None) -> None:
        super().__init__(RLock() if lock is None else lock)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Releases the lock, waits for a notify(), and takes the lock again.

        timeout: seconds; None: any time.  False: they are over.  RuntimeError: the lock is not the caller's.
        The lock is the caller's again also when an exception ends the wait.
        """
        if not self._is_owned():
            raise RuntimeError('cannot wait without the lock')
        waiter = Lock()
        waiter.acquire()
        self._waiters.append(waiter)
        state = self._release_save()
        try:
            try:
                notified = waiter.acquire(timeout is None or timeout > 0, _for_lock(timeout))
            finally:
                self._take_again(state)
        except BaseException:  # of either of the two waits
            if self._is_notified(waiter):
                self.notify()
            raise
        return notified or self._is_notified(waiter)

    def _is_notified(self, waiter: Any) -> bool:
        """Or it does not wait any more."""
        try:
            self._waiters.remove(waiter)
        except ValueError:
            return True
        return False

    def _take_again(self, state: Any) -> None:
        """Whoever is inside `with condition` must have the lock, whatever is raised meanwhile."""
        _raise(_surely(lambda: self._acquire_restore(state)))


def _for_lock(timeout: Optional[float]) -> float:
    """What Lock.acquire() wants to be told."""
    return timeout if timeout is not None and timeout > 0 else -1


def _surely(take: Callable[[], Any]) -> Optional[BaseException]:
    """Calls take() until it returns; the last exception that has ended it before."""
    raised = None
    try:
        while True:
            try:
                take()
                return raised
            except BaseException as error:
                raised = error
    finally:
        raised = None  # its traceback has this frame


def _raise(error: Optional[BaseException]) -> None:
    try:
        if error is not None:
            raise error
    finally:
        error = None  # likewise


class Semaphore(threading.Semaphore):
    """threading.Semaphore: acquire() waits while value is 0; who waits gets in in order."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._mutex = Lock()
        self._waiters: Deque[Any] = collections.deque()  # each the lock that its waiter waits for

    def acquire(self, blocking: bool = True, timeout: Optional[float] = None) -> bool:
        """Waits for so many seconds at most (None: any time).  False: in vain."""
        if not blocking and timeout is not None:
            raise ValueError('there is no timeout without blocking')
        with self._mutex:
            if self._value > 0:  # so nobody waits
                self._value -= 1
                return True
            if not blocking or (timeout is not None and timeout <= 0):
                return False
            waiter = Lock()
            waiter.acquire()
            self._waiters.append(waiter)
        try:
            if waiter.acquire(timeout=-1 if timeout is None else timeout):
                return True
        except BaseException:
            if self._leave(waiter):
                self.release()
            raise
        return self._leave(waiter)

    __enter__ = acquire

    def _leave(self, waiter: Any) -> bool:
        """Its wait is over; has it been let in nevertheless?  If something is raised meanwhile, it is not."""
        error = _surely(self._mutex.acquire)
        is_in = waiter not in self._waiters
        if not is_in:
            self._waiters.remove(waiter)
        self._mutex.release()
        if is_in and error is not None:
            self.release()
        _raise(error)
        return is_in

    def release(self, n: int = 1) -> None:
        """Lets n in, now or later.  ValueError: n is not positive."""
        if n < 1:
            raise ValueError('n must be positive')
        error = _surely(self._mutex.acquire)
        try:
            self._check(n)
            for _ in range(n):
                if self._waiters:
                    self._waiters.popleft().release()
                else:
                    self._value += 1
        finally:
            self._mutex.release()
        _raise(error)

    def _check(self, n: int) -> None:
        pass


class BoundedSemaphore(Semaphore):
    """threading.BoundedSemaphore: a release() too many is a ValueError."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._most = value

    def _check(self, n: int) -> None:
        if self._value + n > self._most:
            raise ValueError('released more often than acquired')


class _Queue(queue.Queue):
    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self.not_empty = Condition(self.mutex)
        self.not_full = Condition(self.mutex)
        self.all_tasks_done = Condition(self.mutex)


class Queue(_Queue):
    """queue.Queue, first in, first out: put() waits while it has maxsize items (0: never), get() while none.

        jobs = Queue(100)
        jobs.put(job)                   # Full, after a timeout
        job = jobs.get(timeout=5)       # Empty
        jobs.task_done()                # and jobs.join() waits for as many as there were put()s
    """


class LifoQueue(_Queue, queue.LifoQueue):
    """queue.LifoQueue: last in, first out."""


class PriorityQueue(_Queue, queue.PriorityQueue):
    """queue.PriorityQueue: the least item first."""
