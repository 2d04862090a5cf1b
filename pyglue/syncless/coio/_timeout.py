# SPDX-License-Identifier: Apache-2.0
"""Timeout: a limit to all waits of a block.

Each task has a list of those that are armed, and one limit, the earliest
deadline of them.  When it has passed, a wait of the task ends and the scheduler
asks expired() what to raise.  So nothing runs to watch the time, and a Timeout
that has been cancelled cannot be raised: it is in no list.

A driver in C returns an error of its own first.  What is due then is told to
the end of each block (leave()) before it is raised anywhere else, see
pyglue/_syncless/block.c.
"""
from __future__ import annotations

import time
from typing import Any, Optional, Type, Union

from .. import _glue
from ._coroutine import FOREVER, NS


class Timeout(_glue.Block, BaseException):
    """Ends the waits in a with-block, after so many seconds in all, by raising itself.

        try:
            with Timeout(5):
                connection.cursor().execute(query)      # any call that waits, in Python or in C
        except Timeout:
            print('no answer in 5 seconds')

    seconds     from the block's begin; 0 and less: its first wait ends at once; None: no limit
    exc         an exception or its class, which is raised instead
    silent      the block swallows what it has raised, and the program goes on behind it

    Blocks nest, in each other and in coroutines: each swallows its own alone.
    When several are due, the earliest is raised, the others by later waits of
    theirs.  A computation is not interrupted, nor is one late by its end.
    Works in coroutines and in green threads, main included; RuntimeError
    elsewhere.  It is no Exception, so that code which catches those lets it
    pass.

    Without a with statement: start() and cancel(), always both.
    """

    def __init__(self, seconds: Optional[float] = None,
                 exc: Union[BaseException, Type[BaseException], None] = None, silent: bool = False) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.exc = exc
        self.silent = silent
        self._task: Optional[_glue.Task] = None  # whom it is armed for
        self._deadline = 0  # with _task
        self._owner: Optional[_glue.Task] = None  # who has started it, until the block ends
        self._raised: Optional[BaseException] = None

    @property
    def pending(self) -> bool:
        """Is it armed, and has it not been raised?"""
        return self._task is not None and not self._task.ended

    def start(self) -> Timeout:
        """Arms it for the caller.  RuntimeError: it is pending, or there are no coroutines here."""
        if self.pending:
            raise RuntimeError('this Timeout has been started before')
        self._raised = None
        self._owner = _glue.current()
        self._arm()
        return self

    def _arm(self) -> None:
        task = self._owner
        if self.seconds is not None and self.seconds < FOREVER:
            self._deadline = time.monotonic_ns() + int(self.seconds * NS)
            self._task = task
            task.timeouts.append(self)
            _set_limit(task)

    def change(self, seconds: Optional[float]) -> None:
        """Another limit, which counts from now; None: no limit.

        Also after it has been raised or cancelled in its block.  Before the
        block it is as if the object had been made with it.  A wait that goes on
        while another coroutine calls this is not ended earlier than it would
        have been; the next one is.
        """
        self.cancel()
        self.seconds = seconds
        if self._owner is not None and not self._owner.ended:
            self._arm()

    def cancel(self) -> None:
        """It will not be raised any more."""
        task = self._task
        if task is not None:
            self._task = None
            task.timeouts.remove(self)
            _set_limit(task)

    def __enter__(self) -> Timeout:
        return self if self.pending else self.start()

    def leave(self, value: Optional[BaseException], due: Optional[BaseException]) -> bool:
        """Block's hook, not for programs."""
        self.cancel()
        self._owner = None
        if self.silent and self._raised is not None and self._raised is (value if due is None else due):
            return True
        if due is not None:
            raise due from value
        return False

    def _fire(self) -> BaseException:
        self.cancel()
        self._raised = self._due()
        return self._raised.with_traceback(None)

    def _due(self) -> BaseException:
        exc = self if self.exc is None else self.exc
        return exc() if isinstance(exc, type) else exc

    def __str__(self) -> str:
        return f'{self.seconds} s have passed'


def _set_limit(task: _glue.Task) -> None:
    task.set_limit(min((timeout._deadline for timeout in task.timeouts), default=None))


def expired(task: _glue.Task) -> Optional[BaseException]:
    """What to raise in task, whose limit has passed."""
    first = min(task.timeouts, key=lambda timeout: timeout._deadline, default=None)
    if first is None or first._deadline > time.monotonic_ns():
        _set_limit(task)
        return None
    return first._fire()


_glue.set_expired(expired)


def receive_with_timeout(timeout: Optional[float], channel: Any, default_value: Any = None) -> Any:
    """channel.receive(), or default_value if nothing comes in so many seconds.

    timeout     None: any time; 0 and less: it does not wait
    channel     a stackless.channel; what is sent as an exception is raised, whatever it is
    """
    if timeout is None or channel.balance > 0:
        return channel.receive()
    if timeout > 0:
        with Timeout(timeout, silent=True):
            return channel.receive()
    return default_value
