# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""The standard library's clients, fifty at once on one kernel thread: a server answers them together or not at all."""
import ftplib
import http.client
import imaplib
import os
import poplib
import smtplib
import subprocess
import sys
import unittest
import xmlrpc.client

import support
from coroutines import coio

COUNT = 50


def by_smtplib(port):
    with smtplib.SMTP('127.0.0.1', port, 'localhost') as client:
        client.ehlo()
        return client.noop()[1]


def by_ftplib(port):
    with ftplib.FTP() as client:
        client.connect('127.0.0.1', port)
        return client.voidcmd('NOOP').encode().partition(b' ')[2]


def by_imaplib(port):
    client = imaplib.IMAP4('127.0.0.1', port)
    answer = client.noop()[0]
    client.logout()
    return b'answer' if answer == 'OK' else answer


def by_poplib(port):
    client = poplib.POP3('127.0.0.1', port)
    answer = client.noop()
    client.quit()
    return answer.partition(b' ')[2]


def by_http_client(port):
    client = http.client.HTTPConnection('127.0.0.1', port)
    client.request('GET', '/')
    answer = client.getresponse().read()
    client.close()
    return answer


def by_xmlrpc_client(port):
    with xmlrpc.client.ServerProxy(f'http://127.0.0.1:{port}/') as client:
        return client.ask().encode()


CLIENTS = {by_smtplib: 'smtp', by_ftplib: 'ftp', by_imaplib: 'imap', by_poplib: 'pop', by_http_client: 'http',
           by_xmlrpc_client: 'http'}


class Protocols(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        program = os.path.join(support.HERE, 'protocol_gate.py')
        cls.process = subprocess.Popen([sys.executable, program, str(COUNT)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env=support.plain_env(), text=True)
        cls.addClassCleanup(cls.process.__exit__, None, None, None)
        cls.ports = {}
        while len(cls.ports) < len(set(CLIENTS.values())):
            name, port = cls.process.stdout.readline().split()
            cls.ports[name] = int(port)

    def check(self, run_all):
        """run_all(function): calls it COUNT times at once; the results."""
        for client, protocol in CLIENTS.items():
            threads = set()

            def call():
                answer = client(self.ports[protocol])
                threads.add(support.workers())
                return answer

            before = support.workers()
            self.assertEqual(run_all(call), [b'answer'] * COUNT, client.__name__)
            if support.GREEN and 'SYNCLESS_CHAOS' not in os.environ:  # hand-off has kernel threads of its own
                self.assertEqual(threads, {before}, client.__name__)

    def test_threads(self):
        def run_all(call):
            found = []
            with support.Crew() as crew:
                crew.start_many(COUNT, lambda _: found.append(call()))
            return found

        self.check(run_all)

    @unittest.skipUnless(support.GREEN, 'needs the preload')
    def test_coroutines(self):
        def run_all(call):
            cos = [coio.spawn(call) for _ in range(COUNT)]
            return [co.get(support.HANG) for co in cos]

        self.check(run_all)


if __name__ == '__main__':
    support.main()
