# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""syncless.websocket against clients that others have written: the `websockets` library, and a page in Chromium.

Each is a process of its own, and finds out by itself whether it gets what it should; here is only the server, and
what they must have seen.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import support
import test_wsgi_tls

from syncless import websocket, wsgi

CHROMIUM = next(filter(None, map(shutil.which, ('chromium-headless-shell', 'chromium', 'google-chrome'))), None)
AS_ROOT = ['--no-sandbox'] if os.geteuid() == 0 else []
FLAGS = ['--headless', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
         *AS_ROOT]
LIMIT = 16 << 20


def echo(ws):
    for message in ws:
        ws.send(message)


def fail(ws):
    raise KeyError('my secret')


def close(code):
    return lambda ws: ws.close(code, 'as you wished')


SOCKETS = {
    '/echo': (echo, {'max_message': LIMIT}),
    '/ping': (lambda ws: [ws.send('answered' if ws.ping(support.HANG) >= 0 else 'odd'), echo(ws)], {}),
    '/return': (lambda ws: None, {}),
    '/fail': (fail, {}),
    '/idle': (echo, {'idle_seconds': 0.2}),
    '/pinged': (echo, {'ping_seconds': 0.05, 'pong_seconds': support.HANG}),
    '/small': (echo, {'max_message': 1000}),
    '/protocols': (lambda ws: [ws.send(ws.subprotocol), echo(ws)], {'subprotocols': ['c', 'b']}),
    **{f'/close/{code}': (close(code), {}) for code in (1000, 1001, 3000, 4321)},
}


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Clients(test_wsgi_tls.TlsCase):
    def setUp(self):
        super().setUp()
        self.report = []
        with open(os.path.join(support.HERE, 'websocket_page.html'), 'rb') as file:
            self.page = file.read()

    def application(self, environ, start_response):
        path = environ['PATH_INFO']
        if path == '/2010':
            ws = start_response('WebSocket', [])
            for message in iter(ws.read_msg, None):
                ws.write_msg(message[::-1])
            return ()
        if path in SOCKETS:
            function, options = SOCKETS[path]
            function(websocket.accept(environ, **options))
            return websocket.done
        if path == '/report':
            self.report.append(json.load(environ['wsgi.input']))
        start_response('200 OK', [('Content-Type', 'text/html; charset=utf-8')])
        return [self.page if path == '/' else b'']

    def serve_all(self, tls=None):
        self.serve(self.application, tls=tls)
        logs = self.assertLogs('syncless.wsgi', 'ERROR')
        logged = logs.__enter__()
        self.addCleanup(lambda: self.assertEqual([line.count('KeyError: ') for line in logged.output], [1]))
        self.addCleanup(logs.__exit__, None, None, None)
        return '%s:%d' % self.address

    def play(self, *words):
        script = os.path.join(support.HERE, 'websocket_client.py')
        env = support.plain_env()
        if subprocess.run([sys.executable, '-c', 'import websockets'], env=env, stderr=subprocess.DEVNULL).returncode:
            self.skipTest('there is no `websockets`; scripts/setup test installs it')
        done = support.run_python(script, *words, env=env, timeout=100)
        self.assertEqual(done.stderr, '')
        self.maxDiff = None
        self.assertEqual(json.loads(done.stdout), {
            'plain': 'same', 'compressed': ['same', ['PerMessageDeflate']], 'fragments': [True, True],
            'pings': 'still here', 'pinged': 'answered',
            'client_closes': [[1000, ''], [1001, ''], [4321, '']],
            'server_closes': [[1000, 'as you wished'], [4321, 'as you wished'], [1000, ''],
                              [1011, 'the application has failed'], [1001, 'no message has come for too long']],
            'refused_bytes': [1007, 1009, 1002, 1002], 'subprotocols': ['b', 'b'], 'origins': ['hello', 'hello', 403],
            'many': True, 'of_2010': 'cba'})

    def test_websockets(self):
        self.play('ws://' + self.serve_all())

    def test_websockets_over_tls(self):
        self.play('wss://localhost:' + self.serve_all(wsgi.Tls(self.pem)).rpartition(':')[2], self.pem)

    @unittest.skipUnless(CHROMIUM, 'there is no Chromium; scripts/setup websocket installs it')
    def test_chromium(self):
        address = self.serve_all()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) if sys.version_info >= (3, 10) else \
                tempfile.TemporaryDirectory() as folder:
            browser = subprocess.Popen([CHROMIUM, *FLAGS, f'--user-data-dir={folder}', f'http://{address}/'],
                                       env=support.plain_env(HOME=folder), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                support.wait_until(lambda: self.report or browser.poll() is not None, 'the report of the page', 100)
            finally:
                os.killpg(browser.pid, signal.SIGKILL)
                browser.wait()
        self.maxDiff = None
        self.assertEqual(self.report, [{
            'text': 'same', 'binary': 'same', 'large': 'same', 'extensions': True,
            'many': 1000, 'pinged': 'still here', 'answered': 'answered',
            'protocol': ['b', 'b'], 'noProtocol': 'refused', 'otherOrigin': 'refused', 'noSocket': 'refused',
            'clientCloses': [[1000, '', True], [3000, '', True], [4999, '', True]],
            'serverCloses': [*([code, 'as you wished', True] for code in (1000, 1001, 3000, 4321)),
                             [1000, '', True], [1011, 'the application has failed', True]],
            'idle': [1001, 'no message has come for too long', True],
            'tooLong': [1009, 'a message is too long', True], 'of2010': 'cba'}])


if __name__ == '__main__':
    support.main()
