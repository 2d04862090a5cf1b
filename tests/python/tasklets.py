# SPDX-License-Identifier: Apache-2.0
"""What the tests of tasklets and of channels share."""
import os
import sys
import unittest

import support

sys.path[:0] = [os.path.join(support.ROOT, 'pyglue')]
from syncless import stackless  # noqa: E402


class Case(unittest.TestCase):
    """Every test leaves nothing but the main tasklet behind."""

    def setUp(self):
        self.log = []
        self.assertEqual(stackless.getruncount(), 1)

    def tearDown(self):
        left = stackless.getruncount()
        while stackless.getruncount() > 1:
            stackless.getcurrent().next.kill()
        self.assertEqual(left, 1)
        self.assertIs(stackless.getcurrent(), stackless.getmain())

    def teller(self, name, turns=1):
        """A started tasklet that tells its name once a turn."""
        def tell():
            for turn in range(turns):
                if turn:
                    stackless.schedule(None)
                self.log.append(name)
        return stackless.tasklet(tell)()

    def receiver(self, channel, name=''):
        def receive():
            self.log.append((name, channel.receive()))
        return stackless.tasklet(receive)()

    def sender(self, channel, value):
        def send():
            channel.send(value)
            self.log.append(('sent', value))
        return stackless.tasklet(send)()
