#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# services: mariadb postgres redis
# timeout: 180
"""The soak passes for a moment, and sees what is wrong: a lost operation, a wrong answer, a hang."""
import contextlib
import http.server
import io
import os
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOAK = os.path.join(ROOT, 'scripts', 'soak')
LOAD = os.path.join(ROOT, 'tests', 'soak')
HANG = 120

sys.path.insert(0, LOAD)
from ledger import Ledger, Wrong, expect, fails_with  # noqa: E402


def run(*command, **env):
    done = subprocess.run(command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=HANG)
    return done.returncode, done.stdout


class Books(unittest.TestCase):
    def faults_of(self, *deeds):
        ledger = Ledger()
        with contextlib.redirect_stdout(io.StringIO()):
            for deed in deeds:
                deed(ledger)
        return ledger.faults

    def test_all_is_well(self):
        def deed(ledger):
            for _ in range(2):
                account = ledger.open_account('one')
                for _ in range(3):
                    with account.operation('ask'):
                        pass
                ledger.settle(account)
            self.assertEqual(ledger.sum_of('ended'), {'ask': 6})
        self.assertEqual(self.faults_of(deed, Ledger.close), [])

    def test_lost_operation(self):
        begun = []

        def deed(ledger):
            begun.append(ledger.open_account('one').operation('ask'))
            begun[0].__enter__()
        self.assertEqual(self.faults_of(deed, Ledger.close), ['ask: 1 begun, 0 ended'])

    def test_stuck_operation(self):
        told = []

        def deed(ledger):
            account = ledger.open_account('one')
            with account.operation('ask'):
                ledger.look_for_stuck(HANG)
                ledger.look_for_stuck(-1)
                ledger.look_for_stuck(-1)
            told.extend(ledger.faults)
        self.faults_of(deed)
        self.assertEqual(len(told), 1)
        self.assertIn('one: ask goes on for more than', told[0])
        self.assertIn('in test_stuck_operation', told[0])

    def test_wrong_answers(self):
        for deed in (lambda: expect(1, 2), self.fail_with_other_code, self.no_error):
            with self.assertRaises(Wrong):
                deed()
        with fails_with(OSError, 5, 7):
            raise OSError(7)

    def fail_with_other_code(self):
        with fails_with(OSError, 5):
            raise OSError(7)

    def no_error(self):
        with fails_with(OSError):
            pass


class Liar(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'something else')

    def log_message(self, *_):
        pass


class Soak(unittest.TestCase):
    def test_short_soak(self):
        status, output = run(SOAK, '--seconds', '4', '--threads', '6', '--seed', 'a seed')
        self.assertEqual(status, 0, output)
        lines = output.splitlines()
        self.assertRegex(lines[0], r'^soak: 4 s under the preload, 6 threads, seed a seed')
        self.assertEqual(lines[-1], 'all was right', output)
        self.assertIn(' 0 faults', lines[-2])

    def test_wrong_answer(self):
        """Without a preload and databases; what the server says to the first that asks is wrong."""
        with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Liar) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            port = server.server_address[1]
            status, output = run(os.environ.get('PYTHON', 'python3'), os.path.join(LOAD, 'load.py'),
                                 '1', '1', '1', SOAK_PORTS=f'{port} {port}', SYNCLESS_MYSQL_PORT='',
                                 SYNCLESS_PG_PORT='', SYNCLESS_REDIS_PORT='')
            server.shutdown()
        self.assertEqual(status, 1, output)
        self.assertIn('ledger.Wrong', output)

    def test_says_what_is_missing(self):
        with tempfile.TemporaryDirectory() as build:
            status, output = run(SOAK, BUILD=build)
        self.assertEqual(status, 1)
        self.assertIn('syncless is missing; `make` builds it', output)


if __name__ == '__main__':
    unittest.main()
