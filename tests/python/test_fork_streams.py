# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# modes: preload
"""After a fork both processes have coroutines that talk to each other, with and without coio.reinit()."""
import os
import socket

import support
from coroutines import Coio, coio

LINES = 1001


def talk(sock):
    """Two coroutines: one writes lines that grow, the other reads as many; what is wrong, or None."""
    def write():
        for n in range(LINES):
            file.write(b'%d' % n * (n // 100 + 1) + b'\n')
            file.flush()

    def read():
        return [line for line in map(file.readline, [-1] * LINES)]

    file = coio.nbfile(sock.fileno(), sock.fileno())
    writer, reader = coio.spawn(write), coio.spawn(read)
    writer.get(support.HANG)
    lines = reader.get(support.HANG)
    return [n for n, line in enumerate(lines) if line != b'%d' % n * (n // 100 + 1) + b'\n']


class ForkStreams(Coio):
    def fork_and_talk(self, after):
        coio.spawn(int).join()  # there is a scheduler before the fork
        other = coio.spawn(coio.sleep, 1000)
        coio.sleep()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            pid = os.fork()
            if not pid:
                code = 1
                try:
                    after()
                    code = 2 if talk(theirs) else 0
                finally:
                    os._exit(code)
            self.assertEqual(talk(ours), [])
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertFalse(other.ended)
        other.kill()

    def test_by_itself(self):
        self.fork_and_talk(lambda: None)

    def test_with_reinit(self):
        self.fork_and_talk(coio.reinit)
        self.fork_and_talk(lambda: coio.reinit(do_recreate=1))


if __name__ == '__main__':
    support.main()
