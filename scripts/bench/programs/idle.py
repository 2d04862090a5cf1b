# SPDX-License-Identifier: Apache-2.0
"""Parks N threads and prints what they cost, as JSON.

    idle.py N recv|event

"recv": each thread sits in recv() on a socket of its own, as a keep-alive
connection does; "event": all wait for one threading.Event.  The cost is the
growth of VmRSS and of the page tables (VmPTE, which RSS does not contain but
which a memory limit charges), and of the machine's kernel stacks, which only
/proc/meminfo tells and which belong to no process's RSS.
"""
import json
import re
import socket
import sys
import threading
import time


def field(path, name):
    with open(path, encoding='ascii') as file:
        return int(re.search(rf'^{name}:\s*(\d+)', file.read(), re.M).group(1))


def snapshot():
    kb = {name: field('/proc/self/status', name) for name in ('VmRSS', 'VmPTE')}
    return {**kb, 'KernelStack': field('/proc/meminfo', 'KernelStack')}


def in_recv(sock):
    parked.release()
    sock.recv(4096)


def in_event():
    parked.release()
    over.wait()


count, where = int(sys.argv[1]), sys.argv[2]
parked, over = threading.Semaphore(0), threading.Event()
pairs = [socket.socketpair() for _ in range(count)] if where == 'recv' else []
before = snapshot()
threads = [threading.Thread(target=in_recv, args=(pairs[i][0],)) if pairs
           else threading.Thread(target=in_event) for i in range(count)]
for thread in threads:
    thread.start()
for _ in threads:
    parked.acquire()
# A thread says "parked" just before it parks; the last ones need a moment.
time.sleep(0.2)
after = snapshot()
kernel_threads = field('/proc/self/status', 'Threads')
over.set()
for _, other in pairs:
    other.close()
for thread in threads:
    thread.join()
print(json.dumps({**{name: (after[name] - before[name]) / count for name in after},
                  'threads': kernel_threads}))
