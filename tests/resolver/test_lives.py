#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""Look-ups in the life of a program: configuration that changes under it, fork, closed files, cancellation,
signals, and Python's calls.  Each is done with libc alone and under libsyncless.so, with the same outcome."""
import json
import os
import re
import subprocess
import sys
import unittest

import configs
import queries
import world
from dns_server import A, Message

OTHER = 'nameserver ' + configs.SECOND + '\n' + configs.ONCE


class Holder:
    """hold<n>, await<n> and release, as lives.c says."""

    def __init__(self):
        self.held, self.awaiting = {}, []

    def __call__(self, question, transport, reply):
        name = question.name[0].decode(errors='replace').lower()
        found = re.fullmatch('(hold|await|release)([0-9]*)', name)
        if not found or question.type != A:
            return False
        word, number = found[1], int(found[2] or 0)
        answer = Message(question.head())
        answer.put_record(question.name, A, bytes([192, 0, 7, number]))
        answer[7] = 1
        if word == 'hold':
            self.held[name] = (reply, bytes(answer))
        elif word == 'await':
            self.awaiting.append((number, reply, bytes(answer)))
        else:
            for send, packet in self.held.values():
                send(packet)
            self.held.clear()
            reply(bytes(answer))
        for entry in [entry for entry in self.awaiting if entry[0] <= len(self.held)]:
            self.awaiting.remove(entry)
            entry[1](entry[2])
        return True


class Talk:
    """lookup.c in a process that stays: it answers each query as it comes."""

    def __init__(self, env):
        self.process = subprocess.Popen([os.path.join(world.PROGRAMS, 'lookup'), 'each'], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        return ''.join(iter(self.process.stdout.readline, '.\n'))

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()


class World(unittest.TestCase):
    maxDiff = None
    files = {'resolv.conf': configs.RESOLV, 'nsswitch.conf': configs.NSSWITCH, 'hosts': configs.HOSTS,
             'host.conf': 'multi on\n', 'gai.conf': ''}

    @classmethod
    def setUpClass(cls):
        cls.world = world.World(cls.files, {(configs.MAIN, 53): 'zone', (configs.SECOND, 53): 'other',
                                            ('127.0.0.1', 53): 'other'}, Holder())
        cls.world.start()

    def tearDown(self):
        for name, text in self.files.items():
            self.world.write(name, text)

    @classmethod
    def tearDownClass(cls):
        cls.world.close()


class Changes(World):
    """Each change is seen by the next look-up of a running process just as libc sees it."""

    LINES = [queries.gai('whoami.x.test', family=2), queries.gai('whoami', family=2), queries.ghbn('new.hosts'),
             queries.gai('one.hosts', family=2), queries.ghba_r('10.0.0.1'), queries.gai('v6.x.test'),
             queries.ghbn('only2'), queries.gni('192.0.2.1'), queries.gai('localhost'),
             queries.gai('127.0.0.1', 'both-differ')]

    def setUp(self):
        self.plain, self.green = Talk(world.plain_env()), Talk(world.green_env())
        self.addCleanup(self.green.close)
        self.addCleanup(self.plain.close)
        self.last = self.compare()

    def compare(self):
        right = [self.plain.ask(line) for line in self.LINES]
        for line, answer in zip(self.LINES, right):
            self.assertEqual((line, self.green.ask(line)), (line, answer))
        return right

    def change(self, name, text, changes=True, in_place=False):
        """Changes a file; libc's answers must show it, or else there is nothing to compare."""
        if in_place:
            with open('/etc/' + name, 'w') as file:
                file.write(text)
        else:
            self.world.write(name, text)
        found = self.compare()
        (self.assertNotEqual if changes else self.assertEqual)(found, self.last)
        self.last = found

    def test_resolv_conf(self):
        self.change('resolv.conf', OTHER)
        self.change('resolv.conf', configs.RESOLV + 'search x.test\n')
        self.change('resolv.conf', configs.RESOLV + 'search d2.test\n')
        self.change('resolv.conf', OTHER + 'search x.test\n')
        self.change('resolv.conf', None)
        self.change('resolv.conf', configs.RESOLV + 'options no-aaaa\n')
        self.change('resolv.conf', configs.RESOLV, in_place=True)
        self.change('resolv.conf', configs.RESOLV + 'options no-reload\n', changes=False)
        # That option holds for a thread that has looked something up; a new one reads the file.
        self.change('resolv.conf', OTHER)

    def test_hosts(self):
        self.change('hosts', configs.HOSTS + '\n10.0.9.1 new.hosts\n')
        self.change('hosts', configs.HOSTS + '\n10.0.9.2 new.hosts\n')
        self.change('hosts', '10.0.9.3 one.hosts whoami.x.test\n', in_place=True)
        self.change('hosts', None)
        self.change('hosts', '10.0.9.4 one.hosts\n')
        self.change('hosts', '')

    def test_nsswitch_conf(self):
        self.change('hosts', configs.HOSTS + '\n10.0.9.1 whoami.x.test\n')
        self.change('nsswitch.conf', configs.switch('dns files'))
        self.change('nsswitch.conf', configs.switch('files'))
        self.change('nsswitch.conf', configs.switch('dns'))
        self.change('nsswitch.conf', configs.switch('files [NOTFOUND=return] dns'))
        self.change('nsswitch.conf', None)

    def test_what_is_read_once(self):
        self.change('host.conf', 'multi off\n', changes=False)
        self.change('gai.conf', configs.V4_FIRST, changes=False)

    def test_services(self):
        with open('/etc/services') as file:
            services = file.read()
        self.addCleanup(self.world.write, 'services', services)
        self.change('services', services + configs.SERVICES)
        self.change('services', services)

    def test_all_at_the_end_of_a_process(self):
        self.assertEqual((self.plain.close(), self.green.close()), (0, 0))


class Lives(World):
    """lives.c, a test for each of its lives."""

    def run_life(self, name):
        told = []
        for env in (world.plain_env(), world.green_env()):
            done = subprocess.run([os.path.join(world.PROGRAMS, 'lives'), name], env=env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, timeout=world.HANG)
            side = 'green' if 'LD_PRELOAD' in env else 'plain'
            self.assertEqual(done.returncode, 0, f'{side}: {done.stdout}')
            told.append(done.stdout)
        self.assertEqual(told[1], told[0])

    def setUp(self):
        # What is held must not run into a timeout, however slow the machine.
        self.world.write('resolv.conf', configs.RESOLV.replace('timeout:15', 'timeout:30'))


def life(name):
    return lambda self: self.run_life(name)


for each in ('fork_while_held', 'fork_then_both', 'close_each', 'close_by_range', 'close_and_reuse', 'cancel',
             'cancel_disabled', 'signals', 'no_files'):
    setattr(Lives, 'test_' + each, life(each))


class Python(World):
    def test_socket_module(self):
        script = os.path.join(world.HERE, 'python_calls.py')
        told = [subprocess.run([*launcher, sys.executable, script], env=world.plain_env(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, timeout=world.HANG)
                for launcher in ([], [os.path.join(world.BUILD, 'syncless'), 'run'])]
        for done in told:
            self.assertEqual((done.returncode, done.stderr), (0, ''))
        plain, green = (json.loads(done.stdout) for done in told)
        self.assertIn('192.0.2.1', str(plain))
        for answer, right in zip(green, plain):
            self.assertEqual(answer, right)


if __name__ == '__main__':
    world.enter(os.path.abspath(__file__))
    unittest.main()
