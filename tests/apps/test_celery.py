# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet celery
# timeout: 120
# services: redis
"""celery worker -P threads, unchanged, under `syncless run`: tasks that wait overlap in one kernel thread."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'python'))
import support  # noqa: E402
from app_case import MOST_THREADS, AppCase  # noqa: E402

COUNT = 30
TASKS = '''
import os
from celery import Celery
from pass_gate import pass_gate
app = Celery('tasks', broker=os.environ['BROKER'], backend=os.environ['RESULTS'])
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True,
                worker_prefetch_multiplier=100)
if os.environ['BROKER'] == 'filesystem://':
    app.conf.broker_transport_options = {'data_folder_in': 'messages', 'data_folder_out': 'messages',
                                         'control_folder': 'control'}

@app.task
def square(n):
    return n * n
@app.task
def gate(n):
    return [n, int(pass_gate())]
@app.task
def fail():
    raise ValueError('on purpose')
'''
CLIENT = '''
import json, sys, tasks
count = int(sys.argv[1])
waiting = [tasks.gate.delay(n) for n in range(count)]
print(json.dumps([result.get(timeout=60) for result in waiting]))
print(json.dumps([tasks.square.delay(7).get(timeout=60)]))
try:
    tasks.fail.delay().get(timeout=60)
except ValueError as error:
    print(json.dumps([str(error)]))
'''


class Celery(AppCase):
    files = {'tasks': TASKS, 'client': CLIENT}

    def check(self):
        worker = self.start(sys.executable, '-m', 'celery', '-A', 'tasks', 'worker', '-P', 'threads', '-c', str(COUNT),
                            '-l', 'info', '--without-mingle', '--without-gossip')
        self.await_line(worker, ' ready.')
        client = subprocess.Popen([sys.executable, 'client.py', str(COUNT)], cwd=self.folder, env=self.env, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        seen = self.gate.arrive(COUNT)
        self.assertEqual({pid for pid, _ in seen}, {worker.pid})
        self.assertLessEqual(max(threads for _, threads in seen), MOST_THREADS)
        self.gate.open()
        told = [json.loads(line) for line in client.communicate(timeout=support.HANG)[0].splitlines()]
        self.assertEqual(told, [[[n, worker.pid] for n in range(COUNT)], [49], ['on purpose']])
        worker.terminate()
        self.assertEqual(worker.wait(support.HANG), 0, self.read(worker.log))

    def test_files(self):
        for name in 'messages', 'control', 'results':
            os.mkdir(f'{self.folder}/{name}')
        self.env.update(BROKER='filesystem://', RESULTS=f'file://{self.folder}/results')
        self.check()

    def test_redis(self):
        server = support.service('REDIS')
        url = 'redis://{host}:{port}/9'.format(**server)
        self.env.update(BROKER=url, RESULTS=url)
        self.check()


if __name__ == '__main__':
    support.main()
