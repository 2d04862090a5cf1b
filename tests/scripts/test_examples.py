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


def compile_example(case, name, *more):
    """The program, in a folder that goes with the test case."""
    folder = tempfile.TemporaryDirectory()
    case.addCleanup(folder.cleanup)
    program = os.path.join(folder.name, name)
    subprocess.run(['gcc', '-Wall', '-Wextra', '-Werror', '-o', program,
                    os.path.join(ROOT, 'examples', name + '.c'), *more], check=True)
    return program


class EchoTest(unittest.TestCase):
    def use(self, *command):
        """All connections are open before the first one is answered.  Returns how many kernel threads do it."""
        env = {name: value for name, value in os.environ.items()
               if name != 'LD_PRELOAD' and not name.startswith('SYNCLESS')}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as server:
            port = int(server.stdout.readline().split()[1])
            clients = [socket.create_connection(('127.0.0.1', port)) for _ in range(CONNECTIONS)]
            for i, client in enumerate(clients):
                client.sendall(b'hello %d' % i)
            for i, client in enumerate(clients):
                self.assertEqual(client.recv(100), b'hello %d' % i)
            threads = len(os.listdir(f'/proc/{server.pid}/task'))
            for client in clients:
                client.close()
            server.stdin.close()
            self.assertEqual(server.wait(), 0)
        return threads

    def test_coroutines(self):
        program = compile_example(self, 'echo', '-I', os.path.join(ROOT, 'shim'),
                                  os.path.join(BUILD, 'libsyncless.so'), '-Wl,-rpath,' + BUILD)
        self.assertEqual(self.use(program), 1)

    def test_threads(self):
        """A plain pthread server keeps a kernel thread for each client; under us one serves them all, beside which
        hand-off has its monitor."""
        program = compile_example(self, 'threaded_echo', '-pthread')
        self.assertEqual(self.use(program), CONNECTIONS + 2)
        self.assertEqual(self.use('env', 'SYNCLESS_HANDOFF_MS=0', os.path.join(BUILD, 'syncless'), 'run', '--threads', 'all',
                                  program), 1)


if __name__ == '__main__':
    unittest.main()
