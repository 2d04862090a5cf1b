# SPDX-License-Identifier: Apache-2.0
"""What it costs to start and join a thread, and to switch between two.

    create.py THREADS ROUND_TRIPS

Prints as JSON, in µs of CPU and of wall time: one Thread().start() and join()
after another; a round trip of one byte between two threads over a socketpair
(two switches); and one between two threads over two locks.
"""
import json
import socket
import sys
import threading
import time


def timed(count, work):
    work(count // 10 + 1)
    cpu, wall = time.process_time(), time.perf_counter()
    work(count)
    return {'cpu_us': (time.process_time() - cpu) / count * 1e6,
            'wall_us': (time.perf_counter() - wall) / count * 1e6}


def nothing():
    pass


def create(count):
    for _ in range(count):
        thread = threading.Thread(target=nothing)
        thread.start()
        thread.join()


def over_sockets(count):
    ours, theirs = socket.socketpair()

    def echo():
        while data := theirs.recv(16):
            theirs.sendall(data)

    echoing = threading.Thread(target=echo)
    echoing.start()
    for _ in range(count):
        ours.sendall(b'x')
        ours.recv(16)
    ours.close()
    echoing.join()
    theirs.close()


def over_locks(count):
    ping, pong = threading.Lock(), threading.Lock()
    ping.acquire()
    pong.acquire()

    def echo():
        for _ in range(count):
            ping.acquire()
            pong.release()

    echoing = threading.Thread(target=echo)
    echoing.start()
    for _ in range(count):
        ping.release()
        pong.acquire()
    echoing.join()


threads, trips = int(sys.argv[1]), int(sys.argv[2])
print(json.dumps({'create': timed(threads, create), 'sockets': timed(trips, over_sockets),
                  'locks': timed(trips, over_locks)}))
