# SPDX-License-Identifier: Apache-2.0
"""Work for kernel threads, its results and its exceptions: syncless run demo_thread_pool_work.py"""
import hashlib
import traceback

from syncless import coio


def work(n):
    if n == 3:
        raise ValueError('three is not for me')
    return hashlib.pbkdf2_hmac('sha256', b'password %d' % n, b'salt', 20000).hex()[:8]


def report(n):
    try:
        print(n, pool(work, n), flush=True)
    except ValueError as error:
        where = traceback.extract_tb(error.__traceback__)[-1].name
        print(n, f'{error}, says {where}()', flush=True)


pool = coio.thread_pool(2)
coio.joinall([coio.spawn(report, n) for n in range(5)], raise_error=True)  # three wait for a free worker
future = pool.submit(work, 9)
print('later:', future.result(), 'by one of', pool.size)
