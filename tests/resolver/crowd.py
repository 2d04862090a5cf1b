# SPDX-License-Identifier: Apache-2.0
"""crowd.c in Python: THREADS threads look their names up at once, ROUNDS times.  Run by test_crowd.py."""
import os
import resource
import socket
import sys
import threading

THREADS, ROUNDS = int(sys.argv[1]), int(sys.argv[2])


def look_up(n, turn):
    name = f'r{turn}-n{n}.crowd.test'
    address = f'10.{7 + turn}.{n // 256}.{n % 256}'
    try:
        if turn % 2:
            found = socket.gethostbyaddr(address)
            right = (name, [], [address])
        else:
            found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
            right = [(socket.AF_INET, socket.SOCK_STREAM, 6, '', (f'10.7.{n // 256}.{n % 256}', 80))]
    except OSError as error:
        found, right = error, None
    if found != right:
        print(f'{name}: {found!r}', flush=True)
        os._exit(1)


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
for number in range(ROUNDS):
    threads = [threading.Thread(target=look_up, args=(n, number)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
