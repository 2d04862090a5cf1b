# SPDX-License-Identifier: Apache-2.0
"""The side of gevent in syncless.across.  Private.

A started async watcher is what keeps a hub from saying that it would wait for
ever, and its send() is what another thread may do to a loop.
"""
import gevent
from gevent.hub import Waiter


def wait(claim, timeout):
    if claim.serve_now():
        return claim.finish()
    hub = gevent.get_hub()
    waiter, watcher = Waiter(hub), hub.loop.async_()
    watcher.start(waiter.switch, None)
    try:
        if not claim.enter(watcher.send):
            try:
                with gevent.Timeout(timeout, False):
                    waiter.get()
            except BaseException:
                claim.abandon()
                raise
        return claim.finish()
    finally:
        watcher.stop()
        watcher.close()
