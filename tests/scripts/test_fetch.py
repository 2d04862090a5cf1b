#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# services: postgres
"""examples/fetch.c: libcurl, libpq and OpenSSL, unmodified, wait at once on one kernel thread.

No server answers before all the others have been asked: the pages are held
back by a gate and the queries by a lock in the database.
"""
import contextlib
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests'))
import loopback  # noqa: E402

BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
LIBRARIES = ('libcurl', 'libpq', 'libssl', 'libcrypto')
HANG = 60
EACH = 10  # of every sort
LOCK = 4711
CLOSED = 1  # a port that nobody listens on
QUERY = (f'WITH held AS MATERIALIZED (SELECT pg_advisory_lock_shared({LOCK})) '
         "SELECT 'row ', 6 * %d FROM held")


class Gate:
    """Where requests wait until they are let through."""

    def __init__(self):
        self.changed = threading.Condition()
        self.waiting, self.is_open = 0, False

    def wait(self):
        with self.changed:
            self.waiting += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.is_open, HANG)

    def await_waiting(self, count):
        with self.changed:
            return self.changed.wait_for(lambda: self.waiting >= count, HANG)

    def open(self):
        with self.changed:
            self.is_open = True
            self.changed.notify_all()


def gated(gate):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            gate.wait()
            page = f'page {self.path}\nand more\n'.encode()
            self.send_response_only(200)
            self.send_header('Content-Length', len(page))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    return Handler


def count_threads(pid):
    """How many kernel threads remain: libcurl looks each name up on one, which ends."""
    until = time.monotonic() + HANG
    while True:
        count = len(os.listdir(f'/proc/{pid}/task'))
        if count == 1 or time.monotonic() > until:
            return count
        time.sleep(0.01)


class Holder:
    """A session of psql that holds the lock."""

    def __init__(self, url):
        self.process = subprocess.Popen(['psql', '-XAtq', url], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, query):
        self.process.stdin.write(query + ';\n')
        return self.process.stdout.readline().strip()

    def hold(self):
        return self.ask(f"SELECT 'held' || pg_advisory_lock({LOCK})")

    def waiting(self):
        return int(self.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    def close(self):
        """Which lets go of the lock."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(HANG)


class Fetch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.resources = contextlib.ExitStack()
        cls.folder = cls.resources.enter_context(tempfile.TemporaryDirectory())
        cls.program = os.path.join(cls.folder, 'fetch')
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', *LIBRARIES], check=True,
                               stdout=subprocess.PIPE, text=True).stdout.split()
        subprocess.run(['gcc', '-Wall', '-Wextra', '-Werror', '-o', cls.program,
                        os.path.join(ROOT, 'examples', 'fetch.c'), '-I', os.path.join(ROOT, 'shim'),
                        os.path.join(BUILD, 'libsyncless.so'), '-Wl,-rpath,' + BUILD, *flags], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.resources.close()

    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.gate = Gate()
        self.port = stack.enter_context(loopback.web(handler=gated(self.gate)))
        self.tls_port = stack.enter_context(loopback.web(self.folder, gated(self.gate)))
        stack.callback(self.gate.open)
        self.env = {name: value for name, value in os.environ.items()
                    if name != 'LD_PRELOAD' and not name.startswith('SYNCLESS')}
        self.env['SSL_CERT_FILE'] = os.path.join(self.folder, 'cert.pem')
        self.holder = None
        if 'SYNCLESS_PG_PORT' in os.environ and shutil.which('psql'):
            self.database = ('postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{DB}'.format_map(
                {name[12:]: value for name, value in os.environ.items() if name.startswith('SYNCLESS_PG_')}))
            self.holder = Holder(self.database)
            stack.callback(self.holder.close)
        else:
            print('skipped: no PostgreSQL')

    def questions(self):
        """[(URL, the beginning of the answer)], the sorts in turn."""
        for i in range(EACH):
            yield f'http://127.0.0.1:{self.port}/plain/{i}', f'23 bytes: page /plain/{i}'
            yield f'https://localhost:{self.tls_port}/safe/{i}', f'22 bytes: page /safe/{i}'
            yield f'tls://localhost:{self.tls_port}/raw/{i}', ' HTTP/1.0 200 OK'
            if self.holder:
                yield f'{self.database}#{QUERY % i}', f'{len(str(6 * i)) + 6} bytes: row \t{6 * i}'

    def await_all(self):
        self.assertTrue(self.gate.await_waiting(3 * EACH), 'not all pages were asked for')
        while self.holder and self.holder.waiting() < EACH:
            pass  # a question to the server each time

    def test_all_at_once(self):
        questions = list(self.questions())
        if self.holder:
            self.assertEqual(self.holder.hold(), 'held')
        with subprocess.Popen([self.program, *(url for url, _ in questions)], env=self.env, text=True,
                              stdout=subprocess.PIPE) as process:
            try:
                self.await_all()
                self.assertEqual(self.gate.waiting, 3 * EACH)
                threads = count_threads(process.pid)
            finally:
                self.gate.open()
                if self.holder:
                    self.holder.close()
            answers = process.stdout.read().splitlines()
        self.assertEqual(process.returncode, 0, answers)
        self.assertEqual(threads, 1)
        self.assertEqual(len(answers), len(questions))
        for (url, expected), answer in zip(questions, answers):
            self.assertIn(expected, answer, url)

    def test_errors_are_told_apart(self):
        """Each of OpenSSL's errors reaches the one that made it, and none any other."""
        self.gate.open()
        stranger, closed = f'127.0.0.1:{self.tls_port}/', f'127.0.0.1:{CLOSED}/'
        known = f'localhost:{self.tls_port}/a'
        sorts = [('tls://' + stranger, 'certificate verify failed'),
                 ('tls://' + closed, 'Connection refused'),
                 ('tls://' + known, 'HTTP/1.0 200 OK'),
                 ('https://' + stranger, 'failed: SSL'),
                 ('https://' + known, '17 bytes: page /a'),
                 ('http://' + closed, 'failed: ')]
        done = subprocess.run([self.program, *(url for _ in range(EACH) for url, _ in sorts)], env=self.env,
                              stdout=subprocess.PIPE, text=True, timeout=HANG)
        self.assertEqual(done.returncode, 1)
        answers = done.stdout.splitlines()
        self.assertEqual(len(answers), EACH * len(sorts))
        for i, answer in enumerate(answers):
            url, expected = sorts[i % len(sorts)]
            self.assertIn(expected, answer, url)


def missing():
    if not shutil.which('pkg-config'):
        return 'no pkg-config'
    for library in LIBRARIES:
        if subprocess.run(['pkg-config', '--exists', library]).returncode:
            return f'no {library} to compile with'
    return None


if __name__ == '__main__':
    if missing():
        print('SKIP:', missing())
        sys.exit(77)
    unittest.main()
