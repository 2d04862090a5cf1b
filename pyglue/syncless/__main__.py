# SPDX-License-Identifier: Apache-2.0
"""`python -m syncless run ...` is `syncless run ...` with this interpreter.

The launcher takes the place of this process, so pid, terminal and signals stay
the program's own.  It lies beside this file, or in the source tree.
"""
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def find_launcher():
    for place in os.path.join(HERE, 'launcher'), os.path.join(HERE, '../../build/syncless'):
        if os.path.exists(place):
            return place
    sys.exit(f'syncless: no launcher in {HERE}; install the package again, or run `make` in its source tree')


if __name__ == '__main__':
    for ignored in signal.SIGPIPE, signal.SIGXFSZ:  # by Python, for itself
        signal.signal(ignored, signal.SIG_DFL)
    os.environ['PYTHON'] = os.environ.get('PYTHON') or sys.executable
    os.execv('/bin/sh', ['sh', find_launcher(), *sys.argv[1:]])
