# SPDX-License-Identifier: Apache-2.0
"""sleep(), and the protocol by which a tasklet's sleep is ended early.

A tasklet that sleeps has a private token as its tempval.  Whoever inserts it
into the runnables ends the sleep, and what is its tempval then is what sleep()
returns, or raises if it is a bomb.  Who has no tasklet object yet cannot be
inserted, and sleeps in C.
"""
from __future__ import annotations

import math
import time
from typing import Any, Optional

from .. import _glue, _tasklets
from ._coroutine import deadline_in, is_native


class _Token:
    __slots__ = ('name',)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f'<{self.name}>'


event_happened_token = _Token('event_happened_token')
_asleep = _Token('asleep')


def sleep(seconds: Optional[float] = None) -> Any:
    """Waits so many seconds.  Without an argument: all others that are ready run once.

    Returns event_happened_token when they are over; None, and at once, for 0 and less (time.sleep(0) is what
    lets others run).  A signal does not end it; Timeout and kill() do, and so does insert() of its tasklet:

        t.tempval = 'wake up'       # what sleep() shall return, true in any case; a bomb is raised
        t.insert()

    ValueError: NaN.  RuntimeError: it would wait, and there is no preload.
    """
    if seconds is None:
        return _let_others_run()
    if math.isnan(seconds):
        raise ValueError('sleep() wants a number of seconds, not NaN')
    if seconds <= 0:
        return None
    try:
        tasklet = getattr(_glue.current(), 'tasklet', None)
    except RuntimeError:
        if not is_native():
            raise
        time.sleep(seconds)
        return event_happened_token
    if tasklet is not None:
        return _sleep_as_tasklet(tasklet, seconds)
    _glue.sleep(seconds)
    return event_happened_token


def _let_others_run() -> None:
    try:
        _glue.schedule()
    except RuntimeError:
        if not is_native():
            raise
        time.sleep(0)


def _sleep_as_tasklet(tasklet: _tasklets.tasklet, seconds: float) -> Any:
    deadline = deadline_in(seconds)
    tasklet.tempval = _asleep
    tasklet._is_asleep = True
    try:
        while tasklet._is_asleep and _glue.park(deadline):
            pass
        value = event_happened_token if tasklet._is_asleep else tasklet.tempval
    finally:
        tasklet._is_asleep = False
        tasklet.tempval = None
    if value.__class__ is _tasklets.bomb:
        _tasklets.explode(value)
    return value
