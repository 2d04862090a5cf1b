# SPDX-License-Identifier: Apache-2.0
"""Ninety-nine threads that tick every 20 ms, and one in C code without the GIL.

    offender.py NAME LIBRARY quick|full

Prints as JSON the largest gap between two ticks of any thread in ms, the ticks
and the seconds while the offender was at work, and how often it, or another,
lost the scheduler.
"""
import contextlib
import ctypes
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from counted import handoffs

TICKERS = 99
PERIOD = 0.02
SECONDS = 1.0

name, library, how_long = sys.argv[1:]


def scaled(work, size, power=1):
    """The size for which the work, which took so long for this one, takes SECONDS."""
    began = time.monotonic()
    work(size)
    return int(size * (SECONDS / (time.monotonic() - began)) ** (1 / power))


# Each yields what the offender calls, once; what that needs is made before.

@contextlib.contextmanager
def pbkdf2():
    def derive(count):
        hashlib.pbkdf2_hmac('sha256', b'password', b'salt', count)
    count = scaled(derive, 20000)
    yield lambda: derive(count)


@contextlib.contextmanager
def compress():
    """What comes out is small: Python puts it together with the GIL held, which is another matter."""
    page = b''.join(b'<tr><td>%d</td><td>%d</td></tr>\n' % (i, i * i) for i in range(600))
    data = (page * ((200 << 20) // len(page) + 1))[:200 << 20]
    if how_long != 'full':
        data = data[:50 << 20]
    yield lambda: zlib.compress(data)


@contextlib.contextmanager
def product():
    import numpy

    def multiply(size):
        matrix = numpy.ones((size, size))
        return matrix @ matrix
    size = scaled(multiply, 300, 3)
    yield lambda: multiply(size)


@contextlib.contextmanager
def libc_sleep():
    """ctypes asks the handle of libc itself, which has libc's own call."""
    usleep = ctypes.CDLL('libc.so.6').usleep
    yield lambda: usleep(int(SECONDS * 1e6) - 1)


@contextlib.contextmanager
def slow_fifo():
    read = ctypes.CDLL(library).inline_read
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'fifo')
        os.mkfifo(path)
        fd = os.open(path, os.O_RDWR)
        with subprocess.Popen(['sh', '-c', f'read go; sleep {SECONDS}; echo >"$0"', path],
                              stdin=subprocess.PIPE) as writer:
            def wait():
                writer.stdin.write(b'go\n')
                writer.stdin.flush()
                assert read(fd, ctypes.create_string_buffer(1), 1) == 1
            yield wait
        os.close(fd)


@contextlib.contextmanager
def fsync_storm():
    with tempfile.TemporaryFile(dir='/var/tmp') as file:
        def storm():
            ends_at = time.monotonic() + SECONDS
            while time.monotonic() < ends_at:
                os.write(file.fileno(), bytes(4096))
                os.fsync(file.fileno())
        yield storm


def tick(ticks):
    while not over.is_set():
        ticks.append(time.monotonic())
        time.sleep(PERIOD)


def offend(work):
    """The time of its beginning and end."""
    began = time.monotonic()
    work()
    window.extend([began, time.monotonic()])


over, window = threading.Event(), []
all_ticks = [[] for _ in range(TICKERS)]
with globals()[name]() as offence:
    tickers = [threading.Thread(target=tick, args=(ticks,)) for ticks in all_ticks]
    for thread in tickers:
        thread.start()
    time.sleep(5 * PERIOD)
    before = handoffs()
    offender = threading.Thread(target=offend, args=(offence,))
    offender.start()
    offender.join()
    count = handoffs() - before
    over.set()
    for thread in tickers:
        thread.join()
began, ended = window
gap, number = 0, 0
for ticks in all_ticks:
    points = [at for at in ticks if at < ended] + [ended]
    gaps = [later - earlier for earlier, later in zip(points, points[1:]) if later > began]
    gap, number = max([gap, *gaps]), number + len(gaps)
print(json.dumps({'gap_ms': gap * 1e3, 'ticks': number, 'seconds': ended - began, 'handoffs': count}))
