# SPDX-License-Identifier: Apache-2.0
"""Lines of a command, and dots while it takes its time: syncless run demo_popen.py [COMMAND]"""
import os
import sys

from syncless import coio


def draw_dots():
    while True:
        os.write(2, b'.')
        coio.sleep(0.02)


command = sys.argv[1] if len(sys.argv) > 1 else 'for n in 1 2 3; do echo line $n; sleep 0.2; done; exit 10'
dots = coio.spawn(draw_dots)
lines = os.popen(command)  # the standard library's; coio.popen gives a file of bytes
for line in lines:
    print('got', line.rstrip(), flush=True)
print(f'status {lines.close():#x}')
dots.kill()
