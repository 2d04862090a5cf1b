# SPDX-License-Identifier: Apache-2.0
"""Qt 5, with a window on a display.

Its loop would be GLib's default one, which GTK's thread has.

Not in a coroutine, nor in a thread that has some: other threads of Qt (the one
for D-Bus) write to the stack of one that waits for them, where greenlets lie
over each other.
"""
import os

os.environ['QT_NO_GLIB'] = '1'
from PyQt5 import QtCore, QtWidgets, sip  # noqa: E402

NAME, MODULE, ONE, NEEDS_DISPLAY, NO_COROUTINE = 'Qt 5', 'PyQt5', 'one application a process', True, \
    'no: other threads of Qt write to the stack of one that waits'


def run(sock, answer, tick, seconds):
    application = QtWidgets.QApplication(['matrix'])
    label = QtWidgets.QLabel('no tick yet')
    label.show()

    def on_tick():
        tick()
        label.setText('tick')

    def on_data(*_):
        reply = answer(sock.recv(100))
        if reply is None:
            notifier.setEnabled(False)
            sock.close()
            application.quit()
        else:
            sock.sendall(reply)
    timer = QtCore.QTimer()
    timer.timeout.connect(on_tick)
    timer.start(int(seconds * 1000))
    notifier = QtCore.QSocketNotifier(sock.fileno(), QtCore.QSocketNotifier.Read)
    notifier.activated.connect(on_data)
    application.exec_()
    label.close()
    label.deleteLater()
    sip.delete(application)  # here, for Python would do it at the end in another thread
