# SPDX-License-Identifier: Apache-2.0
"""Signal handlers that run in the flow of the main-loop tasklet, where they may wait.

One handler of Python's own, for each signal that has handlers here, notes that
it came; it then calls the one that signal.signal() had set before.
"""
from __future__ import annotations

import signal as _signal
import sys
from typing import Any, Callable, Dict, List, Optional

from . import _mainloop

Handler = Callable[[int], Any]

_events: Dict[int, List[signal_handler_event]] = {}  # of each signal that has any, in the order of their making
_before: Dict[int, Any] = {}  # what signal.signal() had for it
_set_by_signal: Dict[int, signal_handler_event] = {}


def _heard(signum: int, frame: Any) -> None:
    for event in list(_events.get(signum, ())):
        _mainloop.main_loop.do(event._run)
    before = _before.get(signum)
    if callable(before) and before is not _signal.default_int_handler:
        before(signum, frame)


class signal_handler_event:  # noqa: N801
    """Has handler(signum) called each time the signal comes, until delete().

        event = signal_handler_event(signal.SIGUSR2, reload)
        ...
        event.delete()

    Several may exist for one signal; all are called, in the order of their
    making.  They run one after the other in the flow of the main-loop
    tasklet, so a handler may wait, but the next one waits for it.  What a
    handler raises is told on stderr in one line.  Made by the main thread.

    Works beside signal.signal(): the handler that was set before is called as
    well, and is set again once the last event is deleted.  Who sets another
    one later takes the signal away.  With a handler here, SIGINT raises no
    KeyboardInterrupt.

    TypeError: handler is not callable.  ValueError: no such signal, or not the main thread.
    """

    def __init__(self, signum: int, handler: Handler) -> None:
        if not callable(handler):
            raise TypeError(f'handler must be callable, not {handler!r}')
        self.signum = signum
        self.handler = handler
        if signum not in _events:
            before = _signal.signal(signum, _heard)
            _events[signum] = []
            _before[signum] = before
        _events[signum].append(self)

    def delete(self) -> None:
        """The handler is not called any more.  Nothing if that is so already."""
        events = _events.get(self.signum, [])
        if self not in events:
            return
        events.remove(self)
        if not events:
            del _events[self.signum]
            before = _before.pop(self.signum)
            if _signal.getsignal(self.signum) is _heard:
                _signal.signal(self.signum, _signal.SIG_DFL if before is None else before)

    def _run(self) -> None:
        if self not in _events.get(self.signum, ()):
            return  # deleted since
        try:
            self.handler(self.signum)
        except BaseException as error:
            name = _signal.Signals(self.signum).name if self.signum < 32 else str(self.signum)
            text = str(error).replace('\n', ' ')
            print(f'syncless: the handler of {name} raised {type(error).__name__}: {text}', file=sys.stderr)

    def __repr__(self) -> str:
        return f'<signal_handler_event {self.signum} {self.handler!r}>'


def signal(signum: int, handler: Optional[Handler]) -> Optional[signal_handler_event]:
    """Sets the one handler of this kind that the signal has, in place of the one before.

    Returns its signal_handler_event, see there.  None: no handler; then the
    signal does what it did before, SIGINT raises KeyboardInterrupt again, and
    None is returned.

        coio.signal(signal.SIGTERM, lambda signum: server.close())
    """
    if handler is not None and not callable(handler):
        raise TypeError(f'handler must be callable or None, not {handler!r}')
    old = _set_by_signal.pop(signum, None)
    new = None if handler is None else signal_handler_event(signum, handler)
    if new is not None:
        _set_by_signal[signum] = new
    if old is not None:
        old.delete()
    return new
