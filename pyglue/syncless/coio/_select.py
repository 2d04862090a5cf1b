# SPDX-License-Identifier: Apache-2.0
"""coio.select, and wakeup_info, by which a library with callbacks lives beside coroutines.

Both are poll(2), which parks its caller: descriptors of any number, no limit of
1024.
"""
from __future__ import annotations

import errno
import math
import os
import select as _select
import time
from typing import Any, List, Optional, Sequence, Tuple

from .. import _glue

READ, WRITE = 1, 2  # the bits of a mode
_CLOSED = _select.POLLERR | _select.POLLHUP | _select.POLLNVAL
_READABLE = _select.POLLIN | _select.POLLPRI | _CLOSED
_WRITABLE = _select.POLLOUT | _CLOSED

Files = Sequence[Any]


def _fileno(file: Any) -> int:
    return file if isinstance(file, int) else file.fileno()


def milliseconds(timeout: Optional[float]) -> Optional[int]:
    """For poll(), rounded up; None: any time."""
    if timeout is None:
        return None
    return min(math.ceil(max(0, timeout) * 1000), 0x7fffffff)


def _one_pass() -> None:
    """Others that are ready run once, if there can be others."""
    if _glue.is_preloaded():
        _glue.schedule()


def select(rlist: Files, wlist: Files, xlist: Files, timeout: Optional[float] = None) -> Tuple[list, list, list]:
    """Waits until one of rlist can be read or one of wlist be written, for so many seconds at most.

    rlist, wlist    ints or objects with fileno(); of two for one descriptor the later counts
    xlist           must be empty: NotImplementedError; see select_ignorexlist()
    timeout         None: any time; 0 and less: others run once, then it looks

    Returns the caller's own objects that are ready, in three lists, the third
    of which is empty.  select.select() waits as cooperatively.
    """
    if xlist:
        raise NotImplementedError('coio.select() knows no exceptional conditions: use select.select(), or '
                                  'coio.select_ignorexlist()')
    return select_ignorexlist(rlist, wlist, xlist, timeout)


def select_ignorexlist(rlist: Files, wlist: Files, xlist: Files,
                       timeout: Optional[float] = None) -> Tuple[list, list, list]:
    """select(), which is not told of exceptional conditions: nothing of xlist is looked at."""
    readers = {_fileno(file): file for file in rlist}
    writers = {_fileno(file): file for file in wlist}
    if timeout is not None and timeout <= 0:
        if not readers and not writers:
            return [], [], []
        _one_pass()
    poll = _select.poll()
    for fd in {**readers, **writers}:
        poll.register(fd, (fd in readers and _select.POLLIN) | (fd in writers and _select.POLLOUT))
    ready = poll.poll(milliseconds(timeout))
    for fd, events in ready:
        if events & _select.POLLNVAL:
            raise OSError(errno.EBADF, f'{os.strerror(errno.EBADF)}: {fd}')
    return ([readers[fd] for fd, events in ready if fd in readers and events & _READABLE],
            [writers[fd] for fd, events in ready if fd in writers and events & _WRITABLE], [])


class wakeup_info_event:  # noqa: N801
    """A descriptor that a wakeup_info watches, until delete().

    fd, mode    as create_event() was told
    """

    def __init__(self, owner: wakeup_info, fd: int, mode: int) -> None:
        self.fd = fd
        self.mode = mode
        self._owner: Optional[wakeup_info] = owner

    def delete(self) -> None:
        """It is watched no longer.  Nothing if that is so already."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner._events.remove(self)
            owner._kick()

    def __repr__(self) -> str:
        return f'<wakeup_info_event fd={self.fd} mode={self.mode}{"" if self._owner else " deleted"}>'


class wakeup_info:  # noqa: N801
    """For the loop of a library with callbacks: tells which descriptors are ready, and lets others run meanwhile.

        info = wakeup_info()
        event = info.create_event(sock.fileno(), 1)     # 1: to be read, 2: to be written, 3: either
        while True:
            for fd, mode in info.tick_and_move(5):      # seconds
                callbacks[fd](mode)

    Such a library's own poll or epoll waits as cooperatively.  Used by one flow
    at a time; create_event() and delete() may be called by others.

    pending_events  list of [fd, mode]: what is ready and has not been taken out of the list yet
    """

    def __init__(self) -> None:
        self.pending_events: List[List[int]] = []
        self._events: List[wakeup_info_event] = []
        self._ends: Optional[Tuple[int, int]] = None  # of a pipe, while tick() waits: what changes ends its wait

    def create_event(self, fd: Any, mode: int) -> wakeup_info_event:
        """Watches fd, an int or an object with fileno(), until the event is deleted.

        mode: 1 read, 2 write, 3 both; ValueError for others.
        """
        if mode not in (READ, WRITE, READ | WRITE):
            raise ValueError(f'mode must be 1, 2 or 3, not {mode!r}')
        event = wakeup_info_event(self, _fileno(fd), mode)
        self._events.append(event)
        self._kick()
        return event

    def tick(self, timeout: Optional[float]) -> List[List[int]]:
        """Lets others run until something is ready, for so many seconds at most (None: any time).

        0 and less, or with pending events: others run once.  Returns pending_events itself; the caller takes
        out what it deals with.  What is not read or written is ready again: it is appended once more.
        """
        if self.pending_events or (timeout is not None and timeout <= 0):
            _one_pass()
            timeout = 0
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            kicked = self._look(None if deadline is None else deadline - time.monotonic())
            if self.pending_events or not kicked:
                return self.pending_events

    def tick_and_move(self, timeout: Optional[float]) -> List[List[int]]:
        """tick(), but returns a copy of pending_events, which is empty then."""
        moved = list(self.tick(timeout))
        self.pending_events.clear()
        return moved

    def _look(self, timeout: Optional[float]) -> bool:
        """Once.  Has it ended because the events have changed?"""
        ends = self._ends = os.pipe()
        try:
            wanted = {ends[0]: _select.POLLIN}
            for event in self._events:
                bits = (event.mode & READ and _select.POLLIN) | (event.mode & WRITE and _select.POLLOUT)
                wanted[event.fd] = wanted.get(event.fd, 0) | bits
            poll = _select.poll()
            for fd, bits in wanted.items():
                poll.register(fd, bits)
            ready = dict(poll.poll(milliseconds(timeout)))
        finally:
            self._ends = None
            for end in ends:
                os.close(end)
        for event in self._events:
            bits = ready.get(event.fd, 0)
            mode = event.mode & ((READ if bits & _READABLE else 0) | (WRITE if bits & _WRITABLE else 0))
            if mode:
                self.pending_events.append([event.fd, mode])
        return ends[0] in ready

    def _kick(self) -> None:
        if self._ends is not None:
            os.write(self._ends[1], b'.')
