# SPDX-License-Identifier: Apache-2.0
"""A parent and its child, each with a ticker and a wait of its own: syncless run demo_fork_reinit.py [LINES]

In 2010 a child had to call coio.reinit(), or the two stole each other's events.
Now the call does nothing, for fork() has seen to it; the coroutines of the
parent are not in the child, as its threads would not be.
"""
import os
import socket
import sys

from syncless import coio


def stream(who, sock):
    """Sends a line for each one that it gets."""
    with sock.makefile('r') as file:
        for n in range(lines):
            sock.sendall(f'{who} {n}\n'.encode())
            if file.readline() != f'{"parent" if who == "child" else "child"} {n}\n':
                raise ValueError('a line is lost')


def count():
    global ticks
    while True:
        ticks += 1
        coio.sleep(0.0001)


def run(who, sock):
    ticker = coio.spawn(count)
    coio.spawn(stream, who, sock).get()
    ticker.kill()
    return f'{who}: {lines} lines, and there were ticks: {ticks > 0}'


lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100
ticks = 0
ours, theirs = socket.socketpair()
coio.sleep(0.001)
pid = os.fork()
if pid:
    theirs.close()
    told = run('parent', ours)
    print('status', os.waitpid(pid, 0)[1])
    print(told)
else:
    ours.close()
    coio.reinit()
    print(run('child', theirs))
