# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: paramiko
# timeout: 120
# services: sshd
"""One client of paramiko, in green threads: a command in each of 50 sessions of an sshd, at once."""
import concurrent.futures
import contextlib
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'python'))
import support  # noqa: E402
from app_case import MOST_THREADS  # noqa: E402

COUNT = 50
COMMAND = 'echo here; read word; echo "$word, too"; echo aside >&2; exit 3'


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Paramiko(unittest.TestCase):
    def setUp(self):
        if not os.environ.get('SYNCLESS_SSH_PORT'):
            self.skipTest('no sshd; run it by scripts/services run sshd --')
        import paramiko
        self.library = paramiko
        self.clients = contextlib.ExitStack()
        self.addCleanup(self.clients.close)

    def login(self):
        client = self.clients.enter_context(self.library.SSHClient())
        client.set_missing_host_key_policy(self.library.AutoAddPolicy())
        client.connect(os.environ['SYNCLESS_SSH_HOST'], int(os.environ['SYNCLESS_SSH_PORT']),
                       os.environ['SYNCLESS_SSH_USER'], allow_agent=False, look_for_keys=False,
                       pkey=self.library.Ed25519Key(filename=os.environ['SYNCLESS_SSH_KEY']))
        return client

    def session(self, number):
        stdin, stdout, stderr = self.login().exec_command(COMMAND, timeout=support.HANG)
        here = stdout.readline()
        self.all_wait.wait()
        stdin.write(f'{number}\n')
        stdin.flush()
        # What the account's own start-up files have to say comes before.
        return here, stdout.read(), stderr.read()[-len(b'aside\n'):], stdout.channel.recv_exit_status()

    def test_sessions_at_once(self):
        self.threads = []
        self.all_wait = threading.Barrier(COUNT, lambda: self.threads.append(support.kernel_threads()), support.HANG)
        with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
            told = list(pool.map(self.session, range(COUNT), timeout=support.HANG))
        self.assertEqual(told, [('here\n', b'%d, too\n' % n, b'aside\n', 3) for n in range(COUNT)])
        self.assertLessEqual(self.threads[0], MOST_THREADS)


if __name__ == '__main__':
    support.main()
