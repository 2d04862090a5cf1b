#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The examples in C: compiled as their heads say, linked to the object, and used."""
import os
import socket
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
CONNECTIONS = 200


class Echo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.program = os.path.join(folder.name, 'echo')
        subprocess.run(['gcc', '-Wall', '-Wextra', '-Werror', '-o', self.program,
                        os.path.join(ROOT, 'examples', 'echo.c'), '-I', os.path.join(ROOT, 'shim'),
                        os.path.join(BUILD, 'libsyncless.so'), '-Wl,-rpath,' + BUILD], check=True)

    def test_many_at_once(self):
        """All connections are open before the first one is answered; one kernel thread serves them."""
        env = {name: value for name, value in os.environ.items()
               if name != 'LD_PRELOAD' and not name.startswith('SYNCLESS')}
        with subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as server:
            port = int(server.stdout.readline().split()[1])
            clients = [socket.create_connection(('127.0.0.1', port)) for _ in range(CONNECTIONS)]
            for i, client in enumerate(clients):
                client.sendall(b'hello %d' % i)
            for i, client in enumerate(clients):
                self.assertEqual(client.recv(100), b'hello %d' % i)
            self.assertEqual(len(os.listdir(f'/proc/{server.pid}/task')), 1)
            for client in clients:
                client.close()
            server.stdin.close()
            self.assertEqual(server.wait(), 0)


if __name__ == '__main__':
    unittest.main()
