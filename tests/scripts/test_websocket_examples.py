#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""WebSocket's examples: the page, in a browser; the client; and the one of docs/websocket.md, by `syncless serve`."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_python_examples import BUILD, HANG, PYTHON, ROOT, Example  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ('chromium-headless-shell', 'chromium', 'google-chrome'))), None)
CLIENT = os.path.join(ROOT, 'examples', 'demo_websocket_client.py')
CHAT = '''
import asyncio, sys, websockets

async def main(url):
    async with websockets.connect(url, subprotocols=['chat']) as one, websockets.connect(url) as other:
        await one.send('hello')
        print(one.subprotocol, await one.recv(), await other.recv())

asyncio.run(main(sys.argv[1]))
'''
has_websockets = not subprocess.run([PYTHON, '-c', 'import websockets'], stderr=subprocess.DEVNULL).returncode


def run_client(*words):
    return subprocess.run([PYTHON, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True,
                          timeout=HANG).stdout.splitlines()


class Demo(unittest.TestCase):
    @unittest.skipUnless(has_websockets, 'there is no `websockets`; scripts/setup test installs it')
    def test_client(self):
        with Example('demo_websocket.py', '0') as server:
            out = run_client(CLIENT, f'ws://127.0.0.1:{server.port()}/', 'hello', 'größe', '"\\')
            self.assertEqual(out, ['hello: olleh', 'größe: eßörg', '"\\: \\"', 'closed: 1000'])
            self.assertEqual(server.line(), 'closed: 1000 ')

    @unittest.skipUnless(CHROMIUM, 'there is no Chromium; scripts/setup websocket installs it')
    def test_page(self):
        flags = ['--headless', '--disable-gpu', '--no-first-run', *(['--no-sandbox'] if os.geteuid() == 0 else [])]
        with tempfile.TemporaryDirectory() as folder, Example('demo_websocket.py', '0') as server:
            browser = subprocess.Popen([CHROMIUM, *flags, f'--user-data-dir={folder}/profile',
                                        f'http://127.0.0.1:{server.port()}/#hello'], env={**os.environ, 'HOME': folder},
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True)
            try:
                self.assertEqual(server.line(), 'closed: 1000 olleh')
            finally:
                os.killpg(browser.pid, signal.SIGKILL)
                browser.wait()


class Page(unittest.TestCase):
    @unittest.skipUnless(has_websockets, 'there is no `websockets`; scripts/setup test installs it')
    def test_docs(self):
        with open(os.path.join(ROOT, 'docs', 'websocket.md')) as file:
            code = re.search(r'```python\n(.*?)```', file.read(), re.S).group(1)
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, 'module.py'), 'w') as file:
                file.write(code)
            env = {key: value for key, value in os.environ.items() if key != 'LD_PRELOAD'}
            command = [os.path.join(BUILD, 'syncless'), 'run', PYTHON, '-m', 'syncless.serve', 'module:chat', '--bind',
                       '127.0.0.1:0']
            server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True,
                                      env={**env, 'PYTHONPATH': os.path.join(ROOT, 'pyglue')})
            with server:
                try:
                    address = re.search(r'http://(\S+)/', server.stderr.readline()).group(1)
                    self.assertEqual(run_client('-c', CHAT, f'ws://{address}/chat'), ['chat hello hello'])
                    server.send_signal(signal.SIGTERM)
                    self.assertEqual(server.wait(HANG), 0)
                finally:
                    server.kill()


if __name__ == '__main__':
    unittest.main()
