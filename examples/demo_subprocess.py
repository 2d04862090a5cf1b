# SPDX-License-Identifier: Apache-2.0
"""Lines of a child, and dots while it takes its time: syncless run demo_subprocess.py [COMMAND]"""
import os
import subprocess
import sys

from syncless import coio


def draw_dots():
    while True:
        os.write(2, b'.')
        coio.sleep(0.02)


command = sys.argv[1] if len(sys.argv) > 1 else 'for n in 1 2 3; do echo line $n; sleep 0.2; done; exit 10'
dots = coio.spawn(draw_dots)
with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, close_fds=True, text=True) as child:
    for line in child.stdout:
        print('got', line.rstrip(), flush=True)
print('exit code', child.returncode)
dots.kill()
