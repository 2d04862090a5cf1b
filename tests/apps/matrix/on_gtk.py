# SPDX-License-Identifier: Apache-2.0
"""GTK 3, with a window on a display."""
import gi

gi.require_version('Gtk', '3.0')
from gi.repository import GLib, Gtk  # noqa: E402

NAME, MODULE, ONE, NEEDS_DISPLAY = 'GTK 3', 'gi', 'one default loop a process', True


def run(sock, answer, tick, seconds):
    if not Gtk.init_check([])[0]:
        raise RuntimeError('no display')
    window, label = Gtk.Window(), Gtk.Label()
    window.add(label)
    window.show_all()

    def on_tick():
        tick()
        label.set_text('tick')
        return GLib.SOURCE_CONTINUE

    def on_data(*_):
        reply = answer(sock.recv(100))
        if reply is None:
            sock.close()
            Gtk.main_quit()
            return GLib.SOURCE_REMOVE
        sock.sendall(reply)
        return GLib.SOURCE_CONTINUE
    ticker = GLib.timeout_add(int(seconds * 1000), on_tick)
    GLib.io_add_watch(sock.fileno(), GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, on_data)
    Gtk.main()
    GLib.source_remove(ticker)
    window.destroy()
