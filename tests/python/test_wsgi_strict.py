# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 300
"""The HTTP server: ten thousand connections with what is no request, or not one that all servers understand alike.

What the server takes for requests is compared with what a second reader does
(http_reader.py).  Behind each comes a marked request, which must not be
answered unless it is one.
"""
import random
import re
import unittest

import http_attacks
import http_reader
import support
from http_case import HttpCase

ALL = 10000
# What http-parser refuses though it is right: a tab behind a length; a name that only begins like one that it knows.
STRICTER = re.compile(rb'(?i)\r\ncontent-length:[ \t]*[0-9]+ *\t|\r\ntransfer-encoding[^:\r\n]+:')


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Strict(HttpCase):
    def application(self, environ, start_response):
        method, target = (environ[name].encode('latin-1') for name in ('REQUEST_METHOD', 'REQUEST_URI'))
        body = None
        try:
            if self.reads:
                body = environ['wsgi.input'].read()
        finally:
            self.seen.append((method, target, body))
        start_response('200 OK', [('Content-Length', '2')])
        return [b'ok']

    def exchange(self, data):
        """Statuses of all answers."""
        client = self.connect()
        try:
            client.send(data)
            client.sock.shutdown(1)
        except OSError:  # it has seen enough
            pass
        answers = client.rest()
        client.close()
        self.assertEqual(answers.count(b'\r\nConnection: close\r\n') > 1, False)
        return [int(status) for status in re.findall(rb'HTTP/1\.1 (\d{3}) ', answers) if status != b'100']

    def check(self, data, reads):
        self.seen, self.reads = [], reads
        data += http_attacks.MARK
        statuses = self.exchange(data)
        requests, is_bad = http_reader.read_all(data)
        if STRICTER.search(data) and len(self.seen) < len(requests):
            requests, is_bad = requests[:len(self.seen)], True
        self.assertEqual(self.seen, [(request.method, request.target, request.body if reads else None)
                                     for request in requests])
        good = len(requests) - (reads and bool(requests) and requests[-1].body is None)
        self.assertEqual(statuses[:good], [200] * good)
        if is_bad and not data.startswith((b'\x16', b'\x80')):  # TLS, which no answer of ours would mean anything to
            self.assertEqual(len(statuses), good + 1)
        self.assertLessEqual(len(statuses), good + 1)
        self.assertTrue(all(400 <= status < 600 for status in statuses[good:]), statuses)

    def check_all(self, attacks):
        failures, rng = [], random.Random(8)
        self.serve(self.application)
        for data in attacks:
            try:
                self.check(data, rng.random() < 0.5)
            except AssertionError as error:
                failures.append(f'{data[:600]!r}: {error}')
        if failures:
            self.fail(f'{len(failures)} of {len(attacks)}; the first: ' + '\n'.join(failures[:5]))

    def test_table(self):
        self.check_all(list(http_attacks.table()))

    def test_generated(self):
        self.check_all(http_attacks.generated(ALL - sum(1 for _ in http_attacks.table()), 8))


if __name__ == '__main__':
    unittest.main()
