# SPDX-License-Identifier: Apache-2.0
"""The side of Qt in syncless.across, by whichever binding the program has imported.  Private.

An object belongs to the thread that has made it, and a queued signal is
delivered by that thread's loop.
"""
import sys

from .across import Later

QtCore = next(sys.modules[name + '.QtCore'] for name in ('PySide6', 'PyQt6', 'PyQt5', 'PySide2')
              if name + '.QtCore' in sys.modules)
_Signal = getattr(QtCore, 'pyqtSignal', None) or QtCore.Signal
_MOST_MS = 2**31 - 1


class _Bell(QtCore.QObject):
    """Calls, in the thread that has made it, what is posted from any."""
    posted = _Signal(object)

    def __init__(self):
        super().__init__()
        self.posted.connect(self.call, QtCore.Qt.ConnectionType.QueuedConnection)
        self.timer = QtCore.QTimer(self)
        self.timer.setSingleShot(True)

    def call(self, function):
        function()

    def later(self, seconds, function):
        self.timer.timeout.connect(function)
        self.timer.start(min(int(seconds * 1000 + 0.999), _MOST_MS))
        return self.timer.stop


def wait(claim, timeout, callback):
    """Returns what cancels it."""
    bell = _Bell()

    def done(result, error):
        bell.deleteLater()
        callback(result, error)

    def cancel():
        is_cancelled = under_way.cancel()
        if is_cancelled:
            bell.deleteLater()
        return is_cancelled
    under_way = Later(claim, timeout, done, bell.posted.emit, bell.later)
    return cancel
