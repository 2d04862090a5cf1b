# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: gunicorn greenlet
# timeout: 120
"""gunicorn's own workers, unchanged, under `syncless run`."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'python'))
import support  # noqa: E402
from app_case import MOST_THREADS  # noqa: E402
from test_gunicorn import Gunicorn  # noqa: E402


class OwnWorkers(Gunicorn):
    def test_gthread(self):
        """Each of the pool's threads waits in a request; there is one kernel thread."""
        process = self.gunicorn('--threads', '40', kind='gthread')
        seen = self.check_overlap(40)
        self.assertEqual(len({pid for pid, _ in seen}), 1)
        self.assertLessEqual(max(threads for _, threads in seen), MOST_THREADS)
        client = self.connect()
        for _ in range(3):
            self.assertEqual(client.ask('/').body, b'first')
        self.assertEqual(client.ask('/body', method='POST', body=b'word' * 50000).body, b'WORD' * 50000)
        self.assertEqual(self.get('/crash')[0], 500)
        self.check_end(process)

    def test_gthread_lets_requests_end(self):
        process = self.gunicorn('--threads', '4', '--preload', '-w', '2', kind='gthread')
        inside = self.connect()
        inside.send(b'GET /gate HTTP/1.1\r\nHost: x\r\n\r\n')
        self.gate.arrive(1)
        self.await_workers(process, 2)
        process.terminate()
        self.await_line(process, 'Handling signal: term')
        self.gate.open()
        self.assertEqual(inside.response().status, 200)
        self.assertEqual(process.wait(support.HANG), 0)

    def test_gthread_is_reloaded(self):
        process = self.gunicorn('--threads', '4', kind='gthread')
        before = self.get('/pid')[1]
        process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: self.get('/pid')[1] != before, 'another worker')
        self.check_end(process)

    def test_sync(self):
        process = self.gunicorn('-w', '2', kind='sync')
        seen = self.check_overlap(2)
        self.assertEqual(len({pid for pid, _ in seen}), 2)
        for _ in range(50):
            self.assertEqual(self.get('/'), (200, 'first'))
        self.assertEqual(self.get('/crash')[0], 500)
        self.check_end(process)


if __name__ == '__main__':
    support.main()
