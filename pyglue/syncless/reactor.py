# SPDX-License-Identifier: Apache-2.0
"""A Twisted reactor on the loop of Syncless.

    from syncless import reactor
    reactor.install()                       # before anything imports twisted.internet.reactor

    from twisted.internet import reactor    # as ever

It waits as every blocking call does here, so coroutines, tasklets and green
threads go on beside it, in its thread as well.  Twisted's own reactors are
parked whole in the same way, and will do for most programs.  This one besides
wakes when a coroutine of its thread calls it: callLater(), addReader() and the
like need no callFromThread(); and it lets the others run once a turn
however busy it is.

Needs the package Twisted; install() needs the preload.
"""
from . import _preloaded

try:
    from twisted.internet.epollreactor import EPollReactor
    from twisted.internet.main import installReactor
except ImportError as error:
    raise ImportError('syncless.reactor needs the package Twisted: python3 -m pip install twisted') from error

__all__ = ['SynclessReactor', 'install']


class SynclessReactor(EPollReactor):
    """Twisted's epoll reactor, in one thread with coroutines that use it."""

    def __init__(self):
        _preloaded()
        from . import coio
        self._coio = coio
        self._waits_in = None  # the task that runs the reactor, while it waits
        super().__init__()

    def doIteration(self, delay):  # noqa: N802
        """Waits delay seconds at most (None: for ever) for what happens, and handles it."""
        if not delay and delay is not None:
            self._coio.sleep()
        self._waits_in = self._coio.current()
        try:
            self.doPoll(delay)
        finally:
            self._waits_in = None

    def _told_from_outside(self):
        """The wait was for other things than what the reactor has just been told."""
        if self._waits_in is not None and self._waits_in is not self._coio.current():
            self.wakeUp()

    def callLater(self, delay, callable, *args, **kw):  # noqa: N802
        """twisted.internet.interfaces.IReactorTime.callLater(); also from another coroutine of the thread."""
        call = super().callLater(delay, callable, *args, **kw)
        self._told_from_outside()
        return call

    def _moveCallLaterSooner(self, call):  # noqa: N802
        super()._moveCallLaterSooner(call)
        self._told_from_outside()

    def stop(self):
        """twisted.internet.interfaces.IReactorCore.stop(); also from another coroutine of the thread."""
        super().stop()
        self._told_from_outside()


def install():
    """Makes this the reactor of the process.

    RuntimeError: without the preload.  twisted.internet.error.ReactorAlreadyInstalledError: another was faster.
    """
    installReactor(SynclessReactor())
