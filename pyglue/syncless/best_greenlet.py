# SPDX-License-Identifier: Apache-2.0
"""`from syncless.best_greenlet import greenlet`, as programs of 2010 say: always the package greenlet."""
import greenlet as greenlet_package
from greenlet import greenlet

__all__ = ['gevent_hub_main', 'greenlet']

GreenletExit = greenlet_package.GreenletExit
getcurrent = greenlet_package.getcurrent


def gevent_hub_main():
    """Runs gevent's hub in the calling coroutine, until nothing of gevent's is left to do.

    gevent's own loop waits as every blocking call does here, so nothing needs
    to be patched, and other coroutines go on.  ImportError: without gevent.
    """
    import gevent
    gevent.wait()
