# SPDX-License-Identifier: Apache-2.0
# modes: preload
# timeout: 120
"""A Jupyter kernel, unchanged, under `syncless run`, as its kernelspec says: threads of a cell that wait overlap in one
kernel thread, a cell that waits is interrupted, and the kernel ends when it is told to."""
import json
import os
import signal
import subprocess

import tools_case
from tools_case import LAUNCHER, PYTHON, support

COUNT = 50
# The client, not preloaded.  A line for each answer.
CLIENT = '''
import json, os, sys
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

specs = KernelSpecManager(kernel_dirs=[os.path.abspath('kernels')])
manager = KernelManager(kernel_name='green', kernel_spec_manager=specs)
manager.start_kernel()
try:
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    def run(code):
        """What its last line or its output is."""
        told = []
        def take(message):
            content = message['content']
            told.append(content.get('text') or content.get('data', {}).get('text/plain') or content.get('ename'))
        status = client.execute_interactive(code, timeout=60, output_hook=take)['content']['status']
        print(json.dumps([status, [text for text in told if text]]), flush=True)
    for code in json.load(open('cells.json')):
        run(code)
    client.execute('import socket; pair = socket.socketpair(); print("waits", flush=True); pair[0].recv(1)')
    while client.get_iopub_msg(timeout=60)['msg_type'] != 'stream':
        pass
    manager.interrupt_kernel()
    print(json.dumps(client.get_shell_msg(timeout=60)['content']['ename']), flush=True)
    run('40 + 2')
    client.shutdown()
    manager.provisioner.process.wait(60)
    print(json.dumps(manager.provisioner.process.returncode), flush=True)
finally:
    manager.shutdown_kernel(now=True)
'''
THREADS = f'''
import os, socket, threading
import support
pairs, told = [socket.socketpair() for _ in range({COUNT})], []
threads = [threading.Thread(target=lambda pair=pair: told.append(pair[0].recv(1))) for pair in pairs]
for thread in threads: thread.start()
waiting = sum(thread.is_alive() for thread in threads) - len(told)
names = [name for name in support._kernel_threads() if not name.startswith(('ZMQbg', 'syncless'))]
for pair in pairs: pair[1].send(b'x')
for thread in threads: thread.join()
print(waiting, len(told), len(names), flush=True)
'''


@tools_case.needs('ipykernel', 'jupyter_client')
class Jupyter(tools_case.ToolCase):
    files = {'client': CLIENT}

    def test_kernel(self):
        os.makedirs(f'{self.folder}/kernels/green')
        with open(f'{self.folder}/kernels/green/kernel.json', 'w') as file:
            json.dump({'argv': [LAUNCHER, 'run', PYTHON, '-m', 'ipykernel_launcher', '-f', '{connection_file}'],
                       'display_name': 'green', 'language': 'python'}, file)
        with open(f'{self.folder}/cells.json', 'w') as file:
            json.dump(['6 * 7', THREADS, '1 / 0'], file)
        self.env.update(HOME=self.folder, IPYTHONDIR=f'{self.folder}/ipython', JUPYTER_RUNTIME_DIR=self.folder)
        process = subprocess.Popen([PYTHON, 'client.py'], cwd=self.folder, env=self.env, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
                                   start_new_session=True)
        self.addCleanup(self.end, process)
        out, err = process.communicate(timeout=support.HANG)
        self.assertEqual([json.loads(line) for line in out.splitlines()],
                         [['ok', ['42']], ['ok', [f'{COUNT} {COUNT} 1\n']], ['error', ['ZeroDivisionError']],
                          'KeyboardInterrupt', ['ok', ['42']], 0], err)


if __name__ == '__main__':
    support.main()
