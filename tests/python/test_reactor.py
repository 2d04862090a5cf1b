# SPDX-License-Identifier: Apache-2.0
# needs: greenlet twisted
# timeout: 120
"""Twisted in one process with coroutines: on our reactor, and on Twisted's own, which are parked whole.

A process has one reactor, once; so each test is a process.
"""
import os
import signal
import subprocess
import sys
import unittest

import support

BEGIN = '''
import os, signal, socket, sys, threading
sys.path.insert(0, {package!r})
from syncless import coio
{install}
from twisted.internet import defer, error, protocol, reactor, task
ticks = []
def tick():
    while len(ticks) < 5:
        ticks.append(1)
        coio.sleep(0.001)
'''
OURS = 'from syncless import reactor; reactor.install()'
STOCK = ['from twisted.internet import epollreactor; epollreactor.install()',
         'from twisted.internet import pollreactor; pollreactor.install()',
         'from twisted.internet import selectreactor; selectreactor.install()',
         'from twisted.internet import asyncioreactor; asyncioreactor.install()']
BESIDE = '''
coio.spawn(tick)
calls = []
def count():
    calls.append(1)
    if len(calls) >= 5 and len(ticks) >= 5:
        reactor.stop()
task.LoopingCall(count).start(0.001)
reactor.run()
print('both')
'''
ECHO = '''
class Echo(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())
factory = protocol.Factory()
factory.protocol = Echo
port = reactor.listenTCP(0, factory, interface='127.0.0.1').getHost().port
def client(n):
    with socket.create_connection(('127.0.0.1', port)) as sock:
        for i in range(20):
            sock.sendall(b'hello %d' % i)
            assert sock.recv(100) == b'HELLO %d' % i
def all_clients():
    coio.joinall([coio.spawn(client, n) for n in range(20)], raise_error=True)
    reactor.callFromThread(reactor.stop)
coio.spawn(all_clients)
reactor.run()
print('echoed')
'''


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Reactor(unittest.TestCase):
    def run_code(self, code, install=OURS):
        run = support.run_python('-c', BEGIN.format(package=os.path.join(support.ROOT, 'pyglue'), install=install) + code)
        self.assertEqual((run.returncode, run.stderr), (0, ''))
        return run.stdout

    def test_both_go_on(self):
        for install in [OURS, *STOCK]:
            with self.subTest(install):
                self.assertEqual(self.run_code(BESIDE, install), 'both\n')

    def test_its_server_and_blocking_clients_in_one_thread(self):
        for install in [OURS, *STOCK]:
            with self.subTest(install):
                self.assertEqual(self.run_code(ECHO, install), 'echoed\n')

    def test_a_coroutine_may_call_it(self):
        """The reactor waits for nothing: only what the coroutine tells it can wake it."""
        self.assertEqual(self.run_code('''
seen = []
def other():
    coio.sleep(0.01)
    reactor.callLater(0, seen.append, 'later')
    while not seen:
        coio.sleep(0.001)
    call = reactor.callLater(3600, seen.append, 'sooner')
    coio.sleep(0.01)
    call.reset(0)
    while len(seen) < 2:
        coio.sleep(0.001)
    reactor.stop()
coio.spawn(other)
reactor.run()
print(seen)
'''), "['later', 'sooner']\n")

    def test_a_reactor_that_never_waits(self):
        self.assertEqual(self.run_code('''
def again():
    if len(ticks) < 5:
        reactor.callLater(0, again)
    else:
        reactor.stop()
coio.spawn(tick)
reactor.callWhenRunning(again)
reactor.run()
print(len(ticks))
'''), '5\n')

    def test_threads(self):
        self.assertEqual(self.run_code('''
from twisted.internet import threads
def done(value):
    print(value)
    reactor.stop()
reactor.callWhenRunning(lambda: threads.deferToThread(lambda: coio.sleep(0.01) and 7).addCallback(done))
reactor.run()
'''), '7\n')

    def test_child_process(self):
        self.assertEqual(self.run_code('''
class Child(protocol.ProcessProtocol):
    out = b''
    def outReceived(self, data):
        self.out += data
    def processEnded(self, reason):
        print(self.out, reason.value.exitCode)
        reactor.stop()
reactor.callWhenRunning(reactor.spawnProcess, Child(), '/bin/sh', ['sh', '-c', 'echo from the child; exit 3'], None)
reactor.run()
'''), "b'from the child\\n' 3\n")

    def test_interrupt(self):
        code = BEGIN.format(package=os.path.join(support.ROOT, 'pyglue'), install=OURS) + '''
coio.spawn(tick)
reactor.callWhenRunning(print, 'running', flush=True)
reactor.run()
print('ended', len(ticks))
'''
        for number in signal.SIGINT, signal.SIGTERM:
            with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True) as process:
                self.assertEqual(process.stdout.readline(), 'running\n')
                process.send_signal(number)
                self.assertIn('ended', process.stdout.read())
            self.assertIn(process.returncode, (0, -number))


class Plainly(unittest.TestCase):
    def test_install_needs_the_preload(self):
        code = f'import sys; sys.path.insert(0, {os.path.join(support.ROOT, "pyglue")!r})\n{OURS}'
        run = subprocess.run([sys.executable, '-c', code], env=support.plain_env(), stderr=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn('RuntimeError: libsyncless.so is not preloaded', run.stderr)


if __name__ == '__main__':
    unittest.main()
