# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
"""Users and groups, asked for by many coroutines and threads at once: each gets its own answer, and a walk through
all of them is nobody else's, though its place is the process's."""
import ctypes
import grp
import os
import pwd
import threading

import support
from coroutines import Coio, coio

USERS, GROUPS = pwd.getpwall(), grp.getgrall()


def ask_for_all():
    for user in USERS:
        assert pwd.getpwnam(user.pw_name).pw_name == user.pw_name
        assert pwd.getpwuid(user.pw_uid).pw_uid == user.pw_uid
    for group in GROUPS:
        assert grp.getgrnam(group.gr_name).gr_name == group.gr_name
        assert grp.getgrgid(group.gr_gid).gr_gid == group.gr_gid
    os.getgrouplist(USERS[0].pw_name, USERS[0].pw_gid)
    return pwd.getpwall() == USERS and grp.getgrall() == GROUPS


class Names(Coio):
    def test_coroutines(self):
        asking = [coio.spawn(ask_for_all) for _ in range(10)]
        self.assertEqual([coroutine.get() for coroutine in asking], [True] * 10)

    def test_threads(self):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(ask_for_all())) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [True] * 10)

    def test_libc_by_its_handle(self):
        by_handle, by_name = ctypes.CDLL('libc.so.6'), ctypes.CDLL(None)
        for name in ('recv', 'poll', 'getpwnam', 'dlsym', 'pthread_create'):
            self.assertEqual(*(ctypes.cast(getattr(libc, name), ctypes.c_void_p).value
                               for libc in (by_handle, by_name)))


if __name__ == '__main__':
    support.main()
