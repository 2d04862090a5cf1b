# SPDX-License-Identifier: Apache-2.0
# modes: preload
# timeout: 120
"""pytest, unchanged, under `syncless run`: tests with threads, fixtures, captured output, failures and what a thread
raises come out as they do without the preload."""
import re
import subprocess

import tools_case
from app_case import MOST_THREADS
from tools_case import LAUNCHER, PYTHON, support

COUNT = 50
TESTS = f'''
import concurrent.futures, os, socket, threading
import pytest
import support

@pytest.fixture
def pairs():
    pairs = [socket.socketpair() for _ in range({COUNT})]
    yield pairs
    for pair in pairs:
        for sock in pair:
            sock.close()

def test_overlap(pairs):
    arrived = threading.Barrier({COUNT} + 1, timeout=30)
    def work(number):
        arrived.wait()
        return pairs[number][0].recv(1)
    with concurrent.futures.ThreadPoolExecutor({COUNT}) as pool:
        results = [pool.submit(work, n) for n in range({COUNT})]
        arrived.wait()
        if os.environ['GREEN'] == '1':
            assert support.kernel_threads() <= {MOST_THREADS}
        for _, end in pairs:
            end.send(b'x')
        assert [result.result(30) for result in results] == [b'x'] * {COUNT}

@pytest.mark.parametrize('number', range(3))
def test_captured(number, capfd):
    threads = [threading.Thread(target=os.write, args=(1, b'%d' % number)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capfd.readouterr().out == str(number) * 3

def test_raises_in_thread():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

def test_fails(pairs):
    thread = threading.Thread(target=pairs[0][0].recv, args=(1,), daemon=True)
    thread.start()
    pairs[0][1].send(b'x')
    thread.join()
    assert thread.name == 'another'

def test_is_skipped():
    pytest.skip('on purpose')
'''


@tools_case.needs('pytest')
class Pytest(tools_case.ToolCase):
    files = {'test_them': TESTS}

    def run_pytest(self, *launcher, green):
        done = subprocess.run([*launcher, PYTHON, '-m', 'pytest', '-v', '-p', 'no:cacheprovider', '--color=no',
                               'test_them.py'], cwd=self.folder, env={**self.env, 'GREEN': green}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=support.HANG)
        return done.returncode, re.sub(r'0x[0-9a-f]+|in \d+\.\d+s', '...', done.stdout)

    def test_the_same(self):
        plain, green = self.run_pytest(green='0'), self.run_pytest(LAUNCHER, 'run', green='1')
        self.assertEqual(green, plain)
        self.assertEqual(green[0], 1)
        self.assertRegex(green[1], r'1 failed, 5 passed, 1 skipped, 1 warning ')
        self.assertIn('PytestUnhandledThreadExceptionWarning', green[1])


if __name__ == '__main__':
    support.main()
