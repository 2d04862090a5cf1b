# SPDX-License-Identifier: Apache-2.0
"""Finds the launcher and becomes it.  Private."""
import ctypes
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ONCE = 'SYNCLESS_RESTARTED'  # set in the process that restart() makes of this one


def find_launcher():
    """Its path: beside this file, or in the source tree.  Ends the process with a line if it is in neither place."""
    for place in os.path.join(HERE, 'launcher'), os.path.join(HERE, '../../build/syncless'):
        if os.path.exists(place):
            return place
    sys.exit(f'syncless: no launcher in {HERE}; install the package again, or run `make` in its source tree')


def become(words):
    """Executes `syncless WORD...` with this interpreter, in the place of this process."""
    for ignored in signal.SIGPIPE, signal.SIGXFSZ:  # by Python, for itself
        signal.signal(ignored, signal.SIG_DFL)
    os.environ['PYTHON'] = os.environ.get('PYTHON') or sys.executable
    os.execv('/bin/sh', ['sh', find_launcher(), *words])


def is_preloaded():
    return hasattr(ctypes.PyDLL(None), 'syncless_native_threads')


def restart(module, arguments):
    """For `python -m MODULE`: the same under the launcher, unless this is it already."""
    restarted = os.environ.pop(ONCE, None)
    if is_preloaded():
        return
    if restarted:
        sys.exit('syncless: libsyncless.so was not preloaded, though the launcher was asked to; '
                 '`syncless doctor` says why')
    os.environ[ONCE] = '1'
    become(['run', '-m', module, *arguments])
