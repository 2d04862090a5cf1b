# SPDX-License-Identifier: Apache-2.0
"""An echo server that says something when nothing else is said: syncless run demo_heartbeat.py [PORT [SECONDS]]

Each client has three coroutines: one reads lines, one writes what is in the
queue, one puts a heartbeat into it after SECONDS (3) of silence.  Whichever ends
first takes the others with it.  Try it with `telnet localhost 1337`.
"""
import sys

from syncless import coio


def read(file, answers, last):
    for line in file:
        last.set()
        answers.put(b'echo: ' + line)


def write(sock, answers):
    while True:
        sock.sendall(answers.get())


def beat(answers, last, seconds):
    while True:
        last.clear()
        if not last.wait(seconds):
            answers.put(b'heartbeat\n')


def talk(sock, address):
    answers, last = coio.Queue(), coio.Event()
    print('connected:', *address[:1], flush=True)
    with sock.makefile('rb') as file:
        three = [coio.spawn(read, file, answers, last), coio.spawn(write, sock, answers),
                 coio.spawn(beat, answers, last, silence)]
        try:
            coio.wait(three, count=1)
        finally:
            coio.killall(three)
    print('gone:', *address[:1], flush=True)


port = int(sys.argv[1]) if len(sys.argv) > 1 else 1337
silence = float(sys.argv[2]) if len(sys.argv) > 2 else 3
with coio.serve(('127.0.0.1', port), talk) as server:
    print('listening on', server.address[1], flush=True)
    try:
        server.join()
    except KeyboardInterrupt:
        server.kill()
        print('over', flush=True)
