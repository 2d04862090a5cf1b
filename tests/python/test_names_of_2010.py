# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
"""Modules that programs of 2010 import by name; none needs the preload."""
import os
import sys
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
import syncless  # noqa: E402


class Names(unittest.TestCase):
    def test_stackless(self):
        from syncless import best_stackless, greenstackless
        self.assertIs(best_stackless.stackless, greenstackless)
        self.assertTrue(greenstackless.is_greenstackless)
        self.assertIs(sys.modules['stackless'], greenstackless)

    def test_greenlet(self):
        import greenlet
        from syncless import best_greenlet, greenlet_using_stackless
        self.assertIs(best_greenlet.greenlet, greenlet.greenlet)
        self.assertIs(greenlet_using_stackless.greenlet, greenlet.greenlet)
        self.assertIs(greenlet_using_stackless.getcurrent(), greenlet.getcurrent())
        self.assertFalse(greenlet_using_stackless.is_pts_greenlet_emulated)

    def test_version(self):
        from syncless.version import VERSION
        self.assertEqual(VERSION, syncless.__version__)

    def test_what_is_gone_names_what_to_take(self):
        with self.assertRaisesRegex(ImportError, 'import MySQLdb, or pymysql.*`syncless run PROGRAM`'):
            from syncless.fast_mysql import geventmysql  # noqa: F401
        with self.assertRaises(AttributeError):
            syncless.fast_mysql.other

    def test_gevent_hub_main(self):
        code = f'''
import sys
sys.path.insert(0, {os.path.join(support.ROOT, "pyglue")!r})
import gevent
from syncless import best_greenlet
done = []
def greenlet(n):
    gevent.sleep(0.001)
    done.append(n)
for n in range(3):
    gevent.spawn(greenlet, n)
best_greenlet.gevent_hub_main()
print(sorted(done))
'''
        if support.run_python('-c', 'import gevent').returncode:
            self.skipTest('no gevent here')
        self.assertEqual(support.run_python('-c', code).stdout, '[0, 1, 2]\n')


if __name__ == '__main__':
    unittest.main()
