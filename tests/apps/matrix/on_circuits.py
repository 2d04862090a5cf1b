# SPDX-License-Identifier: Apache-2.0
"""circuits."""
from circuits import Component, Event, Timer, handler
from circuits.core.pollers import Poll

NAME, MODULE = 'circuits', 'circuits'


class tick_event(Event):  # noqa: N801: its name is that of the handler
    name = 'tick_event'


class Peer(Component):
    channel = 'peer'

    def init(self, sock, answer, tick, seconds):
        self.sock, self.answer, self.tell_tick = sock, answer, tick
        self.poller = Poll().register(self)
        Timer(seconds, tick_event(), 'peer', persist=True).register(self)

    def started(self, *_):
        self.poller.addReader(self, self.sock)

    @handler('_read', priority=1)
    def on_read(self, sock):
        reply = self.answer(sock.recv(100))
        if reply is None:
            self.poller.discard(sock)
            sock.close()
            self.stop()
        else:
            sock.sendall(reply)

    def tick_event(self):
        self.tell_tick()


def run(sock, answer, tick, seconds):
    Peer(sock, answer, tick, seconds).run()
