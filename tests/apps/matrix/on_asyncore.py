# SPDX-License-Identifier: Apache-2.0
"""asyncore: the standard library's up to Python 3.11, and its copy of the index after that."""
import time
import warnings

warnings.simplefilter('ignore', DeprecationWarning)
import asyncore  # noqa: E402

NAME, MODULE = 'asyncore', 'asyncore'


class Peer(asyncore.dispatcher):
    def __init__(self, sock, of, answer):
        super().__init__(sock, of)
        self.answer, self.replies = answer, []

    def handle_read(self):
        data = self.recv(100)
        if data:
            self.take(data)

    def take(self, data):
        reply = self.answer(data)
        if reply is None:
            self.close()
        else:
            self.replies.append(reply)

    def writable(self):
        return bool(self.replies)

    def handle_write(self):
        self.send(self.replies.pop(0))

    def handle_close(self):
        self.answer(b'')
        self.close()


def run(sock, answer, tick, seconds):
    of = {}
    Peer(sock, of, answer)
    due = time.monotonic() + seconds
    while of:
        asyncore.loop(max(0, due - time.monotonic()), use_poll=True, map=of, count=1)
        if time.monotonic() >= due:
            tick()
            due += seconds
