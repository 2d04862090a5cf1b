#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""Many threads that wait in res_query(), getaddrinfo_a(), getpwnam_r(), syslog() and their kin: waits.c, plainly and
under libsyncless.so, where all of them are one kernel thread's and nothing is handed off."""
import os
import subprocess
import unittest

import configs
import world
from test_lives import Holder

FAKE_USERS = configs.NSSWITCH + 'passwd: files fake\ngroup: files fake\ninitgroups: fake\n'

# A thread that is cancelled in a module, or that others fork beside, leaves a lock of libc's behind, for ever.
NOT_PLAINLY = ('users_cancelled', 'log_fork')


class Waits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        files = {'resolv.conf': configs.RESOLV, 'nsswitch.conf': FAKE_USERS,
                 'hosts': configs.HOSTS, 'host.conf': 'multi on\n', 'gai.conf': ''}
        cls.world = world.World(files, {(configs.MAIN, 53): 'zone'}, Holder())
        cls.world.start()
        cls.addClassCleanup(cls.world.close)
        make_dev()

    def setUp(self):
        self.addCleanup(remove_log)

    def run_way(self, name):
        plain = world.plain_env(LD_LIBRARY_PATH=self.world.folder)
        green = world.green_env(LD_LIBRARY_PATH=self.world.folder, SYNCLESS_HANDOFF_MS='0')
        for env in (green,) if name in NOT_PLAINLY else (plain, green):
            remove_log()
            done = subprocess.run([os.path.join(world.PROGRAMS, 'waits'), name], env=env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, timeout=world.HANG)
            side = 'green' if 'LD_PRELOAD' in env else 'plain'
            self.assertEqual((side, done.returncode, done.stdout), (side, 0, f'{name} done\n'))


def remove_log():
    if os.path.exists('/dev/log'):
        os.unlink('/dev/log')


def make_dev():
    """A /dev of our own, for /dev/log: with the usual devices, which are the machine's."""
    os.mkdir('/mnt/dev')
    for name in ('null', 'zero', 'urandom', 'random', 'full', 'tty'):
        with open('/mnt/dev/' + name, 'w'):
            pass
        world.run(['mount', '--bind', '/dev/' + name, '/mnt/dev/' + name])
    os.mkdir('/mnt/dev/shm')
    world.run(['mount', '--rbind', '/mnt/dev', '/dev'])


def way(name):
    return lambda self: self.run_way(name)


for each in ('res_queries', 'res_cancel', 'requests', 'requests_awaited', 'users', 'users_cancelled', 'log_daemon',
             'log_fork'):
    setattr(Waits, 'test_' + each, way(each))


if __name__ == '__main__':
    world.enter(os.path.abspath(__file__))
    unittest.main()
