# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
"""Coroutines of one thread that import the same module: to the interpreter they are one, so none may meet a module that
another is in the midst of."""
import os
import sys
import tempfile
import unittest

from coroutines import coio

MODULES = 40
READS = 200  # more than a turn has
SLOW = '''
import time
for _ in range({reads}):
    with open(__file__, 'rb') as file:
        file.read(1)
end = time.monotonic() + 0.02            # longer than a turn of greenlets
while time.monotonic() < end:
    pass
with open(__file__, 'rb') as file:
    for _ in range({reads}):
        file.seek(0)
        file.read()
value = {n}
'''


class Imports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for n in range(MODULES):
            with open(os.path.join(folder.name, f'slow_module_{n}.py'), 'w') as file:
                file.write(SLOW.format(reads=READS, n=n))
        sys.path.insert(0, folder.name)
        self.addCleanup(sys.path.remove, folder.name)

    def test_none_is_half_there(self):
        def use():
            return [__import__(f'slow_module_{n}').value for n in range(MODULES)]
        for coroutine in [coio.spawn(use) for _ in range(3)]:
            self.assertEqual(coroutine.get(), list(range(MODULES)))


if __name__ == '__main__':
    unittest.main()
