# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""A program's own monkey patching is harmless: gevent's and eventlet's, with threads and with tasklets.

Each program is a process of its own, since there is no way back from being
patched.  Without the preload it shows what the patched library makes of it.
"""
import importlib.util
import os
import re
import select
import socket
import subprocess
import sys
import time
import unittest

import support

sys.path[:0] = [os.path.join(support.ROOT, 'pyglue')]

PATCHES = {'gevent': 'from gevent import monkey; monkey.patch_all(KEYWORDS)',
           'eventlet': 'import warnings; warnings.simplefilter("ignore")\n'
                       'import eventlet; eventlet.monkey_patch(KEYWORDS)'}
KEEPS_THREADS = {'gevent': 'thread=False', 'eventlet': 'os=True, select=True, socket=True, time=True'}

# An echo server and its clients; EACH runs a function with 0 to 19, all at once, to their ends.  No socket is
# used by two threads: gevent's belong to the hub of the thread that has made them.
PROGRAM = '''
import sys
sys.path.insert(0, LIBRARY)
PATCH
import queue, select, socket, subprocess, threading, time

def each_in_a_thread(function):
    threads = [threading.Thread(target=function, args=(number,)) for number in range(20)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

def each_in_a_tasklet(function):
    from syncless import stackless
    for number in range(20): stackless.tasklet(function)(number)
    stackless.run()

def echo(fd):
    connection = socket.socket(fileno=fd)
    while data := connection.recv(100):
        connection.sendall(data)
    connection.close()

def serve():
    listener = socket.create_server(('127.0.0.1', 0), backlog=50)
    addresses.put(listener.getsockname())
    for _ in range(20):
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection.detach(),), daemon=True).start()

def ask(number):
    connection = socket.create_connection(address)
    for turn in range(5):
        text = b'%d.%d' % (number, turn)
        connection.sendall(text)
        time.sleep(0.001)
        assert select.select([connection], [], [], 20)[0] == [connection]
        assert connection.recv(100) == text
        lock.acquire()
        time.sleep(0)
        lock.release()
    connection.close()
    answers.put(number)

lock, answers, addresses = threading.Lock(), queue.Queue(), queue.Queue()
server = threading.Thread(target=serve)
server.start()
address = addresses.get()
EACH(ask)
server.join()
assert sorted(answers.get() for _ in range(20)) == list(range(20))
assert subprocess.run([sys.executable, '-S', '-c', 'print(1)'], stdout=subprocess.PIPE).stdout == b'1\\n'
print('well')
'''


class Monkey(unittest.TestCase):
    def check(self, name, each, keywords=''):
        if not importlib.util.find_spec(name):
            self.skipTest(f'no module {name}')
        program = PROGRAM.replace('LIBRARY', repr(os.path.join(support.ROOT, 'pyglue'))) \
            .replace('PATCH', PATCHES[name].replace('KEYWORDS', keywords)).replace('EACH', each)
        try:
            run = support.run_python('-c', program, timeout=15)
        except subprocess.TimeoutExpired as hang:
            self.fail(f'no end: {hang.stderr}')
        self.assertEqual((run.returncode, run.stdout), (0, 'well\n'), run.stderr)

    def test_gevent_and_threads(self):
        self.check('gevent', 'each_in_a_thread')

    def test_gevent_and_green_threads(self):
        self.check('gevent', 'each_in_a_thread', KEEPS_THREADS['gevent'])

    @unittest.skipUnless(support.GREEN, 'tasklets need the preload')
    def test_gevent_and_tasklets(self):
        self.check('gevent', 'each_in_a_tasklet')

    def test_eventlet_and_threads(self):
        self.check('eventlet', 'each_in_a_thread')

    def test_eventlet_and_green_threads(self):
        self.check('eventlet', 'each_in_a_thread', KEEPS_THREADS['eventlet'])

    @unittest.skipUnless(support.GREEN, 'tasklets need the preload')
    def test_eventlet_and_tasklets(self):
        self.check('eventlet', 'each_in_a_tasklet')


@unittest.skipUnless(support.GREEN, 'a waiting greenlet can only be switched to under the preload')
class Hub(unittest.TestCase):
    """Switched to by others, a hub comes back from its wait and sees what they have given it."""

    def check(self, wait):
        import greenlet
        from syncless import stackless
        told, timers = [], []

        def run_hub():
            while True:
                told.append('waits')
                wait()
                if timers:
                    timers.pop().switch()
        hub = greenlet.greenlet(run_hub)
        one = stackless.tasklet(hub.switch)()
        stackless.schedule()
        timers.append(greenlet.getcurrent())
        hub.switch()
        self.assertEqual(told, ['waits'])
        one.kill()  # which is due now, but the hub has it
        self.assertTrue(one.alive)

    def test_all_waits(self):
        ours, theirs = os.pipe()
        poll, epoll = select.poll(), select.epoll()
        poll.register(ours, select.POLLIN)
        for wait in (poll.poll, lambda: poll.poll(support.HANG * 1000), epoll.poll,
                     lambda: epoll.poll(support.HANG), lambda: select.select([ours], [], []),
                     lambda: time.sleep(support.HANG)):
            self.check(wait)
        epoll.close()
        os.close(ours)
        os.close(theirs)

    def test_ours_wait_on(self):
        """A tasklet is no hub: in the poll() of a socket with a timeout that would be the timeout."""
        import greenlet
        from syncless import stackless
        ours, theirs = socket.socketpair()
        ours.settimeout(support.HANG)
        told, waiting = [], []

        def receive():
            waiting.append(greenlet.getcurrent())
            told.append(ours.recv(10))

        def send():
            time.sleep(0.01)
            theirs.sendall(b'words')
        stackless.tasklet(receive)()
        stackless.tasklet(send)()
        stackless.schedule()
        waiting.pop().switch()
        self.assertEqual(told, [b'words'])
        ours.close()
        theirs.close()


class Table(unittest.TestCase):
    """docs/migrate.md has each public name of both."""
    MODULES = {
        'gevent': ('', 'event', 'queue', 'pool', 'lock', 'local', 'monkey', 'threadpool', 'server', 'pywsgi',
                   'timeout', 'hub', 'baseserver', 'fileobject', 'backdoor', 'util', 'os', 'greenlet'),
        'eventlet': ('event', 'queue', 'greenpool', 'pools', 'tpool', 'wsgi', 'websocket', 'debug', 'hubs',
                     'corolocal', 'greenthread', 'patcher')}

    def check(self, library):
        if not importlib.util.find_spec(library):
            self.skipTest(f'no module {library}')
        with open(os.path.join(support.ROOT, 'docs', 'migrate.md'), encoding='utf-8') as file:
            text = file.read().split('\n## ')
        (table,) = (part for part in text if part.startswith(library))
        told = set(re.findall(r'\w+', table))
        names = 'import importlib, sys\nfor name in sys.argv[2:]:\n' \
                '    module = importlib.import_module((sys.argv[1] + "." + name).rstrip("."))\n' \
                '    print(*getattr(module, "__all__", ()))'
        run = support.run_python('-W', 'ignore', '-c', names, library, *self.MODULES[library],
                                 env=support.plain_env())
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertGreater(len(run.stdout.split()), 30)
        self.assertEqual(set(run.stdout.split()) - told, set())

    def test_gevent(self):
        self.check('gevent')

    def test_eventlet(self):
        self.check('eventlet')

    def test_ours(self):
        """What the tables name of ours is there."""
        from syncless import coio
        with open(os.path.join(support.ROOT, 'docs', 'migrate.md'), encoding='utf-8') as file:
            for name in re.findall(r'coio\.(\w+)', file.read()):
                self.assertTrue(hasattr(coio, name), name)


if __name__ == '__main__':
    support.main()
