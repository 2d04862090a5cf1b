# SPDX-License-Identifier: Apache-2.0
"""What of 2010's main-loop tasklet and event library programs can still ask for.

There is no loop that somebody must run: whoever has nothing else to do drives
it.  The main-loop tasklet of that time was always runnable, so programs count
on a runcount of two and on finding it.  Ours is a stand-in: it has no turns,
but it is counted once coio is imported (see stackless.getruncount()), and
coio.signal()'s handlers run in its flow.
"""
from __future__ import annotations

import ctypes
import fcntl
import os
import sys
from typing import Any, Callable, List, Optional, Sequence, Tuple

from .. import _glue, _tasklets

max_nonblocking_pipe_write_size = 65536


class _Flow(_glue.Task):
    """The stand-in's, while there is something to do in it."""
    __slots__ = ('tasklet',)


class _MainLoop(_tasklets.tasklet):
    """The stand-in: runnable for ever; it cannot be ended, and to run it is to let all others run once."""

    __slots__ = ('_jobs',)

    def __init__(self) -> None:
        super().__init__()
        self._jobs: List[Tuple[Callable[..., Any], tuple]] = []

    def do(self, function: Callable[..., Any], *args: Any) -> None:
        """Calls function(*args) in the flow of the stand-in, after what it has to do before.  Main thread only."""
        self._jobs.append((function, args))
        if self._task is None:
            self._home = _tasklets.getmain()._home
            self._task = flow = _Flow(self._do_all)
            flow.tasklet = self
            flow.start()

    def _do_all(self) -> None:
        while self._jobs:
            function, args = self._jobs.pop(0)
            try:
                function(*args)
            except BaseException:
                sys.excepthook(*sys.exc_info())
        self._task = None

    @property
    def alive(self) -> bool:
        return True

    @property
    def scheduled(self) -> bool:
        return True

    def insert(self) -> _MainLoop:
        """Nothing: it is among the runnables.  Returns it."""
        return self

    remove = insert

    def run(self) -> None:
        """All others that are ready run once."""
        _glue.schedule()

    switch = run

    def _raise(self, error: BaseException, pending: bool = False) -> None:
        raise RuntimeError('the main-loop tasklet cannot be ended')


main_loop = _MainLoop()
_tasklets.main_loop = main_loop


def get_main_loop_tasklet() -> _tasklets.tasklet:
    """The stand-in for 2010's main-loop tasklet.

    It is always runnable and counted by stackless.getruncount(); its run() lets
    all others that are ready run once; coio.signal()'s handlers run in it.
    """
    return main_loop


def insert_after_current(tasklet: _tasklets.tasklet) -> None:
    """Makes tasklet the next one to run; the others keep their order.

    Nothing if it has ended, is blocked on a channel, or is the current one.
    """
    if tasklet.alive and not tasklet.blocked and not tasklet.is_current and tasklet is not main_loop:
        tasklet.insert()
        tasklet._task.remove()
        tasklet._task.insert_next()


def SendExceptionAndScheduleNext(tasklet: _tasklets.tasklet, exc_info: Sequence[Any]) -> None:  # noqa: N802
    """Raises an exception in tasklet, whatever it waits for, and makes it the next to run.

    exc_info    a list or tuple: type, value, traceback, the latter two if wanted

    The current tasklet raises it at once.  Nobody else is concerned, also if it
    waits at a channel.  TypeError: not one to three items; ValueError: none.
    """
    if not isinstance(exc_info, (list, tuple)) or len(exc_info) > 3:
        raise TypeError('exc_info must be a list or tuple of one to three items')
    if not exc_info:
        raise ValueError('exc_info is empty')
    error = _tasklets.exception_from(*exc_info)
    if tasklet.is_current:
        raise error
    tasklet.throw(error, pending=True)
    task = tasklet._task
    if task is not None and task.is_ready and tasklet._home is _tasklets.getcurrent()._home:
        task.remove()
        task.insert_next()


def SigIntHandler() -> None:  # noqa: N802
    """Raises KeyboardInterrupt in the main tasklet, which is the next to run."""
    SendExceptionAndScheduleNext(_tasklets.getmain(), (KeyboardInterrupt,))


def cancel_main_loop_wait() -> None:
    """Nothing to do: whatever another thread does for a coroutine wakes the loop by itself."""


def nonblocking_loop_for_tests() -> int:
    """Others that are ready run once, and what has happened is looked at.  0: as libev, it cannot tell the end."""
    _glue.schedule()
    return 0


def has_feature_may_loop_return_1() -> bool:
    """False: the loop never tells that nothing is left to wait for."""
    return False


def has_feature_multiple_events_on_same_fd() -> bool:
    """True: any number of coroutines may wait for one descriptor."""
    return True


def version() -> str:
    """The version of libev, for example '4.33'.  RuntimeError without the preload."""
    return _reported('libev')


def method() -> str:
    """How libev waits: 'epoll', 'poll', 'select' or 'iouring'.  RuntimeError without the preload."""
    return _reported('backend')


def _reported(name: str) -> str:
    if not _glue.is_preloaded():
        _glue.current()  # says so
    with os.fdopen(os.memfd_create('report'), 'r+') as report:
        ctypes.PyDLL(None).syncless_report(report.fileno())
        report.seek(0)
        return dict(line.rstrip('\n').partition('=')[::2] for line in report)[name]


def reinit(do_recreate: int = 0) -> None:
    """Nothing to do: a forked child's loop is new by itself.  Stays for programs that call it there."""


def set_fd_blocking(fd: Any, is_blocking: Any) -> Optional[bool]:
    """Sets or clears O_NONBLOCK of an open file, that is, for all descriptors and processes that share it.

    fd      an int or an object with fileno()

    Returns whether it was blocking before; None: there is no such descriptor.
    Nothing here needs it: a coroutine waits on descriptors that block.
    """
    try:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        wanted = flags & ~os.O_NONBLOCK if is_blocking else flags | os.O_NONBLOCK
        if wanted != flags:
            fcntl.fcntl(fd, fcntl.F_SETFL, wanted)
    except OSError:
        return None
    return not flags & os.O_NONBLOCK
