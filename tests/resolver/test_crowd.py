#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""A thousand look-ups at once on one kernel thread.

The DNS server holds every answer back until all of a round have been asked for: it is its view that they are in
flight together.  In that moment it counts the program's kernel threads: libc's way has one for each, ours
the host, and in Python the watchdog.
"""
import os
import subprocess
import sys
import unittest

import configs
import world
from dns_server import AAAA, PTR, Message, labels
from zone import Zone

CROWD = 1000
ROUNDS = 4
# Who waits for others gives up after four times as many seconds, and that is a failure.  Four, for what finds a
# receive buffer full is lost, as everywhere, and asked again.
PATIENCE = 4

NO_HANDOFF = {'SYNCLESS_HANDOFF_MS': '0'}  # on a crowded machine it would make kernel threads of its own

class Gate:
    """Answers the questions of a round together, when all of them are there."""

    def __init__(self):
        self.held, self.process, self.tasks, self.rounds = {}, None, [], 0
        self.most = 0  # held at once
        self.released = set()  # who lost an answer asks again

    def __call__(self, question, transport, reply):
        answer = Message(question.head())
        if question.type == AAAA:  # there is none, and who waits is known by the other question
            reply(bytes(answer))
            return True
        name = question.text()
        if question.type == PTR:
            address = [int(label) for label in reversed(question.name[:4])]
            host = f'r{address[1] - 7}-n{address[2] * 256 + address[3]}.crowd.test'
            answer.put_record(question.name, PTR, labels(host))
        else:
            n = int(name.split('.')[0].split('-n')[1])
            answer.put_record(question.name, question.type, bytes([10, 7, n // 256, n % 256]))
        answer[7] = 1
        if name in self.released:
            reply(bytes(answer))
            return True
        self.held[name] = (reply, bytes(answer))
        self.most = max(self.most, len(self.held))
        if len(self.held) == CROWD:
            self.tasks.append(len(os.listdir(f'/proc/{self.process.pid}/task')))
            self.rounds += 1
            for send, packet in self.held.values():
                send(packet)
            self.released.update(self.held)
            self.held.clear()
        return True


class Crowd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gate = Gate()
        options = f'options timeout:{PATIENCE} attempts:4\n'
        cls.world = world.World({'resolv.conf': f'nameserver {configs.MAIN}\n{options}',
                                 'nsswitch.conf': configs.NSSWITCH, 'hosts': '127.0.0.1 localhost\n'},
                                {(configs.MAIN, 53): 'zone'}, cls.gate, Zone())
        cls.world.start()
        cls.addClassCleanup(cls.world.close)

    def run_crowd(self, command, env):
        """How many kernel threads there were, a figure for each round."""
        gate = self.gate
        gate.tasks, gate.rounds, gate.most = [], 0, 0
        gate.held.clear()
        gate.released.clear()
        with subprocess.Popen([*command, str(CROWD), str(ROUNDS)], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            gate.process = process
            try:
                output, _ = process.communicate(timeout=world.HANG)
            finally:
                process.kill()
        self.assertEqual(process.returncode, 0,
                         f'{gate.most} of {CROWD} were in flight at once\n{output[-2000:]}')
        self.assertEqual(gate.rounds, ROUNDS)
        return gate.tasks

    def test_c_plain(self):
        tasks = self.run_crowd([os.path.join(world.PROGRAMS, 'crowd')], world.plain_env())
        self.assertEqual(tasks, [CROWD + 1] * ROUNDS)

    def test_c_green(self):
        tasks = self.run_crowd([os.path.join(world.PROGRAMS, 'crowd')], {**world.green_env(), **NO_HANDOFF})
        self.assertEqual(tasks, [1] * ROUNDS)

    def test_python_plain(self):
        tasks = self.run_crowd([sys.executable, os.path.join(world.HERE, 'crowd.py')], world.plain_env())
        self.assertEqual(tasks, [CROWD + 1] * ROUNDS)

    def test_python_green(self):
        tasks = self.run_crowd([os.path.join(world.BUILD, 'syncless'), 'run', sys.executable,
                                os.path.join(world.HERE, 'crowd.py')], {**world.plain_env(), **NO_HANDOFF})
        self.assertLessEqual(max(tasks), 2)


if __name__ == '__main__':
    world.enter(os.path.abspath(__file__))
    unittest.main()
