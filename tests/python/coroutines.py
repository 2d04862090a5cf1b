# SPDX-License-Identifier: Apache-2.0
"""What the tests of coio share: the package of this tree, and a case that looks at what is printed and left."""
import os
import sys
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
from syncless import _glue, coio  # noqa: E402


class Raised(Exception):
    pass


def forever():
    coio.Event().wait()


def until(co):
    """Runs others until co waits or has ended."""
    coio.sleep()
    while co.is_ready:
        coio.sleep()
    return co


class Coio(unittest.TestCase):
    def setUp(self):
        if not support.GREEN:
            self.skipTest('needs the preload')
        self.printed = []
        self.old_hook = sys.excepthook
        sys.excepthook = lambda kind, value, trace: self.printed.append(value)

    def tearDown(self):
        sys.excepthook = self.old_hook
        _glue.verify()
