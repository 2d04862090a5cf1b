# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The HTTP server with a green thread for each connection: what it does with coroutines, and what only threads have."""
import threading
import unittest

import support
import test_wsgi_hijack
import test_wsgi_requests
import test_wsgi_responses
import test_wsgi_stop
import test_wsgi_tls
from app_case import MOST_THREADS
from coroutines import coio
from http_case import HttpCase, request


def _cases(*modules):
    for module in modules:
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, HttpCase) and cls.__module__ == module.__name__:
                yield cls


globals().update({'Threads' + case.__name__: type('Threads' + case.__name__, (case,), {'threads': True})
                  for case in (*_cases(test_wsgi_requests, test_wsgi_stop, test_wsgi_hijack),
                               test_wsgi_responses.Answers, test_wsgi_tls.Bytes, test_wsgi_tls.Upgraders)})

globals()['ThreadsHijack'].test_killed = None  # a thread cannot be


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Threads(HttpCase):
    threads = True

    def test_requests_are_told_apart(self):
        """By all that tells threads apart; they overlap on one kernel thread all the same."""
        count = 50
        everybody, lock, kept = threading.Barrier(count), threading.RLock(), threading.local()
        seen, inside = [], []

        def application(environ, start_response):
            kept.path = environ['PATH_INFO']
            seen.append((threading.get_ident(), threading.current_thread()))
            everybody.wait(support.HANG)
            with lock:
                inside.append(kept.path)
                coio.sleep(0.001)  # others would come in if the lock took them for the same
                inside.append(kept.path)
            start_response('200 OK', [])
            return [f'{kept.path} {support.kernel_threads()}'.encode()]
        self.serve(application)
        clients = [self.connect() for _ in range(count)]
        for n, client in enumerate(clients):
            client.send(request(f'/{n}'))
        for n, client in enumerate(clients):
            path, threads = client.response().body.decode().split()
            self.assertEqual(path, f'/{n}')
            self.assertLessEqual(int(threads), MOST_THREADS)
        self.assertEqual(inside[::2], inside[1::2])
        self.assertEqual((len({ident for ident, _ in seen}), len({id(thread) for _, thread in seen})), (count, count))

    def test_one_serves_all_as_long_as_nobody_waits(self):
        def application(environ, start_response):
            start_response('200 OK', [])
            return [str(threading.get_ident()).encode()]
        self.serve(application)
        clients = [self.connect() for _ in range(20)]
        self.assertLess(len({client.ask().body for client in clients}), 5)
        while self.server.core.resting < len(clients):
            coio.sleep(0.01)
        self.assertEqual(self.server.core.active, 0)
        self.assertEqual([client.ask().status for client in clients], [200] * len(clients))

    def test_timeout_reaches_one(self):
        """The application may limit its own waits, as everywhere."""
        def application(environ, start_response):
            try:
                with coio.Timeout(0.01):
                    threading.Event().wait()
            except coio.Timeout:
                start_response('504 Late', [])
                return []
        self.serve(application)
        self.assertEqual(self.ask().status, 504)


if __name__ == '__main__':
    support.main()
