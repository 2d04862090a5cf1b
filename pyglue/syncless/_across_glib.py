# SPDX-License-Identifier: Apache-2.0
"""The side of GLib's default loop, which is GTK's, in syncless.across.  Private."""
from gi.repository import GLib

from .across import Later


def _once(function):
    def call():
        function()
        return GLib.SOURCE_REMOVE
    return call


def _post(function):
    GLib.idle_add(_once(function), priority=GLib.PRIORITY_DEFAULT)


def _later(seconds, function):
    source = GLib.timeout_add(min(int(seconds * 1000 + 0.999), GLib.MAXUINT), _once(function))
    return lambda: GLib.source_remove(source)


def wait(claim, timeout, callback):
    """Returns what cancels it."""
    return Later(claim, timeout, callback, _post, _later).cancel
