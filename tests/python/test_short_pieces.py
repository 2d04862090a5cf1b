# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""A thread that lets go of the GIL in short pieces lets the others run between them.

It never waits, and computes for no longer than a piece.  Counted in pieces per round trip of the others, not
timed: about 50 of some microseconds each, and a thousand where only the monitor makes it give way.
"""
import hashlib
import os
import socket
import statistics
import sys
import threading
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
from syncless import _glue  # noqa: E402

PIECE = bytes(4096)  # hashlib lets go of the GIL for 2048 bytes and more
ROUND_TRIPS = 200
MOST = 300


class ShortPieces(unittest.TestCase):
    def setUp(self):
        self.pieces = 0
        self.done = threading.Event()

    def hash_on(self):
        while not self.done.is_set():
            hashlib.sha256(PIECE).digest()
            self.pieces += 1

    def assert_lively(self, round_trip):
        """Half of the round trips at least take few pieces."""
        counts = []
        for _ in range(ROUND_TRIPS):
            before = self.pieces
            round_trip()
            counts.append(self.pieces - before)
        self.done.set()
        self.assertLess(statistics.median(counts), MOST)
        self.assertGreater(self.pieces, 0)

    def echo_to(self, right):
        while right.send(right.recv(100)):
            pass

    def ping(self, left):
        left.send(b'ping')
        self.assertEqual(left.recv(100), b'ping')

    def test_echo_beside_one_that_hashes(self):
        left, right = socket.socketpair()
        with left, right, support.Crew() as crew:
            crew.start(self.hash_on)
            crew.start(self.echo_to, right)
            self.assert_lively(lambda: self.ping(left))
            left.shutdown(socket.SHUT_WR)

    def test_main_hashes(self):
        left, right = socket.socketpair()
        with left, right, support.Crew() as crew:
            crew.start(self.echo_to, right)

            def talk():
                self.assert_lively(lambda: self.ping(left))
                left.shutdown(socket.SHUT_WR)
            crew.start(talk)
            self.hash_on()

    def test_hashers_share(self):
        """Each of six hashes until all six have hashed a good deal."""
        counts = [0] * 6

        def work(i):
            while min(counts) < 20 * MOST:
                hashlib.sha256(PIECE).digest()
                counts[i] += 1
        with support.Crew() as crew:
            crew.start_many(6, work)

    def test_greenlets_of_one_thread(self):
        """Other threads run between its pieces; its other greenlets run when it waits, and not before."""
        left, right = socket.socketpair()
        ran = []

        def carrier():
            other = _glue.Task(ran.append, (1,))
            other.start()
            self.hash_on()
            ran.append(0)
            other.join()
        with left, right, support.Crew() as crew:
            crew.start(self.echo_to, right)
            crew.start(carrier)
            self.assert_lively(lambda: self.ping(left))
            left.shutdown(socket.SHUT_WR)
        self.assertEqual(ran, [0, 1])

    def test_in_a_forked_child(self):
        with support.Crew() as crew:
            crew.start(self.ping, self)
        pid = os.fork()
        if not pid:
            try:
                self.test_echo_beside_one_that_hashes()
                os._exit(0)
            finally:
                os._exit(1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)

    def send(self, _):
        """A peer of ping() that is always there."""

    def recv(self, _):
        return b'ping'


if __name__ == '__main__':
    support.main()
