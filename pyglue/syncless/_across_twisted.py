# SPDX-License-Identifier: Apache-2.0
"""The side of Twisted in syncless.across: Deferreds, in the reactor's thread.  Private."""
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from .across import Later


def _later(seconds, function):
    return reactor.callLater(seconds, function).cancel


def wait(claim, timeout):
    """A Deferred.  Cancelling it gives back what it has been served."""
    def done(result, error):
        if error is None:
            deferred.callback(result)
        else:
            deferred.errback(error)
    deferred = Deferred(lambda _: under_way.cancel())
    under_way = Later(claim, timeout, done, reactor.callFromThread, _later)
    return deferred
