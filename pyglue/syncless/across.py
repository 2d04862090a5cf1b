# SPDX-License-Identifier: Apache-2.0
"""A queue and an event between everybody in a process: threads, coroutines, and the loops of other libraries.

    from syncless import across

    orders = across.Queue(100)
    orders.put(order)                           # a thread or a coroutine: blocks
    order = await orders.asyncio.get()          # asyncio, uvloop, Tornado
    orders.twisted.get().addCallback(cook)      # Twisted: a Deferred
    order = orders.gevent.get(timeout=3)        # a greenlet of gevent's
    order = orders.eventlet.get(timeout=3)      # one of eventlet's
    orders.glib.get(show)                       # GTK: show(order, None), in the loop of GLib
    orders.qt.get(show)                         # Qt: likewise

Whoever waits does so in the manner of its own side, and is woken from any
other, in whatever thread.  An item is given to one getter.  If that one is
cancelled, killed or timed out before it has the item, the next one gets it:
nothing is lost, and nothing is delivered twice.  Likewise a put() that raises
has not put anything.

A side is a loop in the thread that asks; its library must have been imported by
the program before, for nothing else is touched.  None of it needs the preload:
what blocks does so as threading.Lock does, under Syncless cooperatively.

All times are in seconds.  Not to be called by signal handlers and __del__().
"""
from __future__ import annotations

import _thread
import collections
import contextlib
import importlib
import sys
import threading
from queue import Empty, Full
from typing import Any, Callable, Deque, Optional

__all__ = ['Closed', 'Empty', 'Event', 'Full', 'Queue']


class Closed(Exception):
    """The queue has been closed: it takes nothing more, and has nothing more to give."""


def _plain_lock() -> Callable[[], Any]:
    """_thread.allocate_lock as it was before anybody's monkey patching: a lock of the thread, not of a hub."""
    gevent, eventlet = sys.modules.get('gevent.monkey'), sys.modules.get('eventlet.patcher')
    if gevent is not None:
        return gevent.get_original('_thread', 'allocate_lock')
    if eventlet is not None:
        return eventlet.original('_thread').allocate_lock
    return _thread.allocate_lock


_allocate_lock = _plain_lock()


def _checked(timeout: Optional[float]) -> Optional[float]:
    if timeout is None:
        return None
    if timeout != timeout:
        raise ValueError('timeout must be a number of seconds or None')
    return min(max(timeout, 0.0), threading.TIMEOUT_MAX)


class _Wait:
    """One caller's stake in a queue or an event.  What a side is made of is these methods:

    enter(ring)  True: it has been served.  False: it stands in line, and ring() will be called when it is
                 served, once at most, perhaps by another thread; ring() neither waits nor calls us.  If it
                 raises an Exception nobody is there any more, and the next one in line is served.
    finish()     the caller's wait is over: what it waited for, or the exception that says that it has not
                 come.  After it, and abandon(), ring() is not called.
    abandon()    the caller will not hear of it, for something has been raised: what it was served goes on.

    After enter() has returned comes one of the other two, once.  owner._lock guards everything; it is held for
    a few steps and never while waiting.
    """
    __slots__ = ('owner', 'item', 'ring', 'is_served')

    def __init__(self, owner: Any, item: Any = None) -> None:
        self.owner, self.item = owner, item
        self.ring: Optional[Callable[[], Any]] = None
        self.is_served = False

    def serve_now(self) -> bool:
        """enter() without a place in line."""
        with self.owner._lock:
            self.is_served = self._try()
        return self.is_served

    def enter(self, ring: Callable[[], Any]) -> bool:
        with self.owner._lock:
            self.is_served = self._try()
            if not self.is_served:
                self.ring = ring
                self._line().append(self)
        return self.is_served

    def finish(self) -> Any:
        try:
            self.owner._lock.acquire()
        except BaseException:
            self.abandon()
            raise
        try:
            if self.is_served:
                return self._result()
            self._leave_line()
        finally:
            self.owner._lock.release()
        return self._late()

    def abandon(self) -> None:
        raised = None
        while True:  # kill(), Ctrl-C
            try:
                self.owner._lock.acquire()
                break
            except BaseException as error:
                raised = error
        try:
            if self.is_served:
                self._pass_on()
            else:
                self._leave_line()
        finally:
            self.owner._lock.release()
        if raised is not None:
            try:
                raise raised
            finally:
                raised = None  # its traceback has this frame

    def told(self) -> bool:
        """Serves it, with the lock, for which it has left the line; False: nobody is there."""
        try:
            self.ring()
        except Exception:
            return False
        except BaseException:  # Ctrl-C: it waits on, and whoever has called us raises
            self._line().appendleft(self)
            raise
        self.is_served = True
        return True

    def _leave_line(self) -> None:
        with contextlib.suppress(ValueError):  # its ring() has failed
            self._line().remove(self)

    # What the kinds of wait differ in; all but _late() with the lock.

    def _line(self) -> Deque[_Wait]:
        raise NotImplementedError

    def _try(self) -> bool:
        raise NotImplementedError

    def _result(self) -> Any:
        raise NotImplementedError

    def _pass_on(self) -> None:
        raise NotImplementedError

    def _late(self) -> Any:
        raise NotImplementedError


_CLOSED = object()  # instead of an item


class _Get(_Wait):
    __slots__ = ()

    def _line(self) -> Deque[_Wait]:
        return self.owner._getters

    def _try(self) -> bool:
        return self.owner._take(self)

    def _result(self) -> Any:
        if self.item is _CLOSED:
            raise Closed('the queue has been closed')
        return self.item

    def _pass_on(self) -> None:
        if self.item is not _CLOSED:
            self.owner._give_back(self.item)

    def _late(self) -> Any:
        raise Empty


class _Put(_Wait):
    """It is served a place, and puts its item there when it finishes: so one that is abandoned has put nothing."""
    __slots__ = ()

    def _line(self) -> Deque[_Wait]:
        return self.owner._putters

    def _try(self) -> bool:
        if self.owner._is_closed or self.owner._has_place() and not self.owner._putters:
            self.owner._promised += 1
            return True
        return False

    def _result(self) -> None:
        self.owner._promised -= 1
        if self.owner._is_closed:
            raise Closed('the queue has been closed')
        self.owner._add(self.item)

    def _pass_on(self) -> None:
        self.owner._promised -= 1
        self.owner._give_places()

    def _late(self) -> None:
        raise Full


class _Set(_Wait):
    __slots__ = ()

    def _line(self) -> Deque[_Wait]:
        return self.owner._waits

    def _try(self) -> bool:
        return self.owner._is_set

    def _result(self) -> bool:
        return True

    def _pass_on(self) -> None:
        pass

    def _late(self) -> bool:
        return False


def _block(wait: _Wait, timeout: Optional[float]) -> Any:
    """The side of whoever may block: coroutines, green threads, kernel threads."""
    gate = _allocate_lock()
    gate.acquire()
    if not wait.enter(gate.release):
        try:
            gate.acquire(True, -1 if timeout is None else timeout)
        except BaseException:
            wait.abandon()
            raise
    return wait.finish()


class Later:
    """For sides that are told by callbacks: done(result, error) is called in the loop when a wait is over.

    post(fn)            has the loop call fn(), from any thread
    later(seconds, fn)  likewise from the loop's thread, in so many seconds; returns what undoes it

    One of result and error is None.
    """

    def __init__(self, wait: _Wait, timeout: Optional[float], done: Callable[[Any, Optional[Exception]], Any],
                 post: Callable[[Callable], Any], later: Callable[[float, Callable], Callable[[], Any]]) -> None:
        self.wait, self.done = wait, done
        self.undo_timer: Optional[Callable[[], Any]] = None
        self.is_over = False
        if wait.enter(lambda: post(self.end)):
            post(self.end)
        elif timeout is not None:
            self.undo_timer = later(timeout, self.end_late)

    def end_late(self) -> None:
        """The timer calls, which so is none any more."""
        self.undo_timer = None
        self.end()

    def end(self) -> None:
        """The wait is over, one way or the other."""
        if self.stop():
            try:
                result, error = self.wait.finish(), None
            except Exception as raised:
                result, error = None, raised
            self.done(result, error)

    def cancel(self) -> bool:
        """In the loop's thread: done() shall not be called.  False: it has been."""
        if not self.stop():
            return False
        self.wait.abandon()
        return True

    def stop(self) -> bool:
        """False: it was over before."""
        was_over, self.is_over = self.is_over, True
        if self.undo_timer is not None:
            self.undo_timer()
            self.undo_timer = None
        return not was_over


# --- Views: one thing as each side sees it.

class _QueueView:
    def __init__(self, owner: Queue, wait: Callable) -> None:
        self._owner, self._wait = owner, wait

    def get(self, timeout: Optional[float] = None) -> Any:
        return self._wait(_Get(self._owner), _checked(timeout))

    def put(self, item: Any, timeout: Optional[float] = None) -> Any:
        return self._wait(_Put(self._owner, item), _checked(timeout))


class _QueueCallbacks(_QueueView):
    def get(self, callback: Callable, timeout: Optional[float] = None) -> Callable[[], bool]:
        return self._wait(_Get(self._owner), _checked(timeout), callback)

    def put(self, item: Any, callback: Callable, timeout: Optional[float] = None) -> Callable[[], bool]:
        return self._wait(_Put(self._owner, item), _checked(timeout), callback)


class _EventView:
    def __init__(self, owner: Event, wait: Callable) -> None:
        self._owner, self._wait = owner, wait

    def wait(self, timeout: Optional[float] = None) -> Any:
        return self._wait(_Set(self._owner), _checked(timeout))


class _EventCallbacks(_EventView):
    def wait(self, callback: Callable, timeout: Optional[float] = None) -> Callable[[], bool]:
        return self._wait(_Set(self._owner), _checked(timeout), callback)


class _Side:
    """An attribute of a queue or an event: its view for a library, whose module is not loaded for our sake."""

    def __init__(self, view: type, module: str, *needs: str) -> None:
        self._view, self._module, self._needs = view, module, needs

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, thing: Any, owner: Optional[type] = None) -> Any:
        if thing is None:
            return self
        if not any(name in sys.modules for name in self._needs):
            raise RuntimeError(f'{type(thing).__name__}.{self._name} is for programs that have imported '
                               f'{" or ".join(self._needs)}')
        wait = importlib.import_module('syncless.' + self._module).wait
        return self._view(thing, wait)


_NEEDS = {'asyncio': ('_across_asyncio', 'asyncio'),
          'twisted': ('_across_twisted', 'twisted.internet.reactor'),
          'gevent': ('_across_gevent', 'gevent'),
          'eventlet': ('_across_eventlet', 'eventlet')}
_NEED_CALLBACKS = {'glib': ('_across_glib', 'gi.repository.GLib'),
                   'qt': ('_across_qt', 'PySide6.QtCore', 'PyQt6.QtCore', 'PyQt5.QtCore', 'PySide2.QtCore')}


class Queue:
    """First in, first out, between sides.

        jobs = across.Queue(100)
        jobs.put(job)                       # Full, after a timeout
        job = jobs.get(timeout=5)           # Empty
        jobs.close()                        # what it holds can be had; then Closed, for all

    maxsize     how many items it holds; put() waits for a place.  0: any number

    put() and get() block the calling thread or coroutine.  Each of the attributes
    has the same two for another side, with the same errors, which do not block:

    asyncio     for `await`, in whatever loop of asyncio's kind
    twisted     return a Deferred, for the reactor's thread
    gevent      block the calling greenlet of gevent
    eventlet    block the calling one of eventlet
    glib        get(callback, timeout=None), put(item, callback, timeout=None): in the thread of GLib's default
                loop.  callback(result, error), of which one is None, is called there when the wait is over.  They
                return a function that cancels the wait: True, unless callback has been called
    qt          likewise, in a thread with an event loop of Qt's

    RuntimeError: the library of that attribute has not been imported.
    """
    asyncio = _Side(_QueueView, *_NEEDS['asyncio'])
    twisted = _Side(_QueueView, *_NEEDS['twisted'])
    gevent = _Side(_QueueView, *_NEEDS['gevent'])
    eventlet = _Side(_QueueView, *_NEEDS['eventlet'])
    glib = _Side(_QueueCallbacks, *_NEED_CALLBACKS['glib'])
    qt = _Side(_QueueCallbacks, *_NEED_CALLBACKS['qt'])

    def __init__(self, maxsize: int = 0) -> None:
        self.maxsize = maxsize
        self._lock = _allocate_lock()
        self._items: Deque[Any] = collections.deque()
        self._getters: Deque[_Wait] = collections.deque()  # while there are any, there are no items
        self._putters: Deque[_Wait] = collections.deque()
        self._promised = 0  # places of putters that have been served and have not put yet
        self._is_closed = False

    def get(self, timeout: Optional[float] = None) -> Any:
        """Takes the first item; waits for one.  Empty after so many seconds (None: never); Closed."""
        return _block(_Get(self), _checked(timeout))

    def put(self, item: Any, timeout: Optional[float] = None) -> None:
        """Adds an item; waits for a place.  Full after so many seconds (None: never); Closed."""
        _block(_Put(self, item), _checked(timeout))

    def get_nowait(self) -> Any:
        """The first item; Empty: there is none; Closed.  Waits on no side."""
        wait = _Get(self)
        if not wait.serve_now():
            raise Empty
        return wait.finish()

    def put_nowait(self, item: Any) -> None:
        """Adds an item; Full: there is no place; Closed.  Waits on no side."""
        wait = _Put(self, item)
        if not wait.serve_now():
            raise Full
        wait.finish()

    def close(self) -> None:
        """Takes nothing more: put() raises Closed, also where it waits; get() does when nothing is left."""
        with self._lock:
            self._is_closed = True
            while self._putters:
                self._promised += self._putters.popleft().told()  # finds it closed
            while self._getters:
                wait = self._getters.popleft()
                wait.item = _CLOSED
                wait.told()

    @property
    def closed(self) -> bool:
        """Has close() been called?"""
        return self._is_closed

    def qsize(self) -> int:
        """How many items it holds now."""
        return len(self._items)

    def empty(self) -> bool:
        """Does it hold none?"""
        return not self._items

    def full(self) -> bool:
        """Is there no place?"""
        return not self._has_place()

    # With the lock.

    def _has_place(self) -> bool:
        return self.maxsize <= 0 or len(self._items) + self._promised < self.maxsize

    def _add(self, item: Any) -> None:
        if not self._hand_over(item):
            self._items.append(item)
        else:
            self._give_places()

    def _hand_over(self, item: Any) -> bool:
        """To whoever has waited longest for one."""
        while self._getters:
            wait = self._getters.popleft()
            wait.item = item
            if wait.told():
                return True
        return False

    def _give_back(self, item: Any) -> None:
        is_handed = False
        try:
            is_handed = self._hand_over(item)
        finally:
            if not is_handed:
                self._items.appendleft(item)

    def _take(self, wait: _Wait) -> bool:
        if self._items:
            wait.item = self._items.popleft()
            self._give_places()
        elif self._is_closed:
            wait.item = _CLOSED
        else:
            return False
        return True

    def _give_places(self) -> None:
        while self._putters and self._has_place():
            self._promised += self._putters.popleft().told()


class Event:
    """Is set or not, and waited for by any side.

        ready = across.Event()
        ready.wait(timeout=5)               # True: it is set; False: it was not, for so long
        await ready.asyncio.wait()          # and as the attributes of Queue do
        ready.glib.wait(callback)           # callback(result, error), of Queue's kind
        ready.set()                         # from anywhere; wakes all that wait

    A wait that set() has ended is True, though clear() may have come behind it.
    """
    asyncio = _Side(_EventView, *_NEEDS['asyncio'])
    twisted = _Side(_EventView, *_NEEDS['twisted'])
    gevent = _Side(_EventView, *_NEEDS['gevent'])
    eventlet = _Side(_EventView, *_NEEDS['eventlet'])
    glib = _Side(_EventCallbacks, *_NEED_CALLBACKS['glib'])
    qt = _Side(_EventCallbacks, *_NEED_CALLBACKS['qt'])

    def __init__(self) -> None:
        self._lock = _allocate_lock()
        self._waits: Deque[_Wait] = collections.deque()
        self._is_set = False

    def is_set(self) -> bool:
        """Is it?"""
        return self._is_set

    def set(self) -> None:
        """Wakes all that wait; nobody waits from now on."""
        with self._lock:
            self._is_set = True
            while self._waits:
                self._waits.popleft().told()

    def clear(self) -> None:
        """It is not set any more."""
        with self._lock:
            self._is_set = False

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Blocks the calling thread or coroutine until it is set, for so many seconds at most; is it?"""
        return _block(_Set(self), _checked(timeout))
