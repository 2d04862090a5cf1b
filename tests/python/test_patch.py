# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
"""syncless.patch: each call of 2010 is taken, changes nothing, and says so where the preload is missing."""
import os
import select
import socket
import sys
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
from syncless import patch  # noqa: E402

GONE = {'patch_popen2', 'fix_popen2_close', 'patch_geventmysql', 'patch_concurrence'}  # see test_names_of_2010.py
ANYWHERE = {'fix_ssl_makefile', 'fix_ssl_init_memory_leak', 'fix_subprocess_close', 'get_close_fds', 'get_closerange',
            'fix_all_std'}
REAL = {'get_fake_create_connection': socket.create_connection, 'get_fake_coio_socket_module': socket,
        'get_fake_coio_select_module': select}


class Patch(unittest.TestCase):
    def functions(self, names):
        self.assertLessEqual(set(names), set(patch.__all__))
        return [getattr(patch, name) for name in names]

    def test_repairs(self):
        for function in self.functions(ANYWHERE):
            self.assertIsNone(function())

    def test_the_real_modules(self):
        for function, real in zip(self.functions(REAL), REAL.values()):
            if support.GREEN:
                self.assertIs(function(), real)
            else:
                self.assertRaisesRegex(RuntimeError, 'syncless run', function)

    def test_nothing_is_changed(self):
        def things():
            return {(module.__name__, name): id(value) for module in (os, select, socket, sys)
                    for name, value in vars(module).items() if callable(value) or name.startswith('std')}

        before = things()
        for name in set(patch.__all__) - GONE - ANYWHERE - set(REAL) - {'gevent_hub_main'}:
            for _ in range(2):
                if support.GREEN:
                    self.assertIsNone(getattr(patch, name)())
                else:
                    self.assertRaisesRegex(RuntimeError, f'{name}.*syncless run', getattr(patch, name))
        self.assertEqual(things(), before)

    def test_gevent(self):
        if not support.GREEN:
            self.assertRaisesRegex(RuntimeError, 'syncless run', patch.gevent_hub_main)
            self.assertRaisesRegex(RuntimeError, 'syncless run', patch.patch_gevent, True)
            return
        try:
            import gevent
        except ImportError:
            self.skipTest('no gevent')
        log = []
        patch.patch_gevent(do_emulate_greenlet=False)
        gevent.spawn(lambda: (gevent.sleep(0.01), log.append('done')))
        patch.gevent_hub_main()
        self.assertEqual(log, ['done'])


if __name__ == '__main__':
    support.main()
