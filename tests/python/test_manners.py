# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""What a program must not notice: our own thread when it forks, that main sits in input(), and
that we looked at the interpreter before it had chosen its allocators.

Each fact is one of plain CPython, so the tests pass without the preload, too.
"""
import os
import posix
import pty
import sys
import unittest

import support

FORK = '''
import os, sys, threading
for round in range(20):
    threads = [threading.Thread(target=sum, args=([],)) for _ in range(STARTED)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    sum(range(200000))  # long enough to be looked at by a watchdog
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
'''

TICKS = '''
import READLINE, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been inherited as ignored
gate = threading.Event()
def tick():
    for _ in range(5): time.sleep(0.002)
    print('ticked', flush=True)
    gate.wait()
    print('released', flush=True)
thread = threading.Thread(target=tick); thread.start()
try:
    print('read', input(), flush=True)
except KeyboardInterrupt:
    print('\\ninterrupted', flush=True)
gate.set(); thread.join()
'''


class Fork(unittest.TestCase):
    def test_no_warning_without_threads(self):
        """From 3.12 on a fork warns when the process has several kernel threads."""
        for started in (0, 3):
            run = support.run_python('-W', 'error', '-c',
                                     FORK.replace('STARTED', str(started)))
            self.assertEqual((run.returncode, run.stderr), (0, ''))


class Allocators(unittest.TestCase):
    def test_debug_hooks(self):
        """CPython aborts at its end if something of its was made before they were put in."""
        for options in (('-X', 'dev'), ('-E', '-X', 'dev')):
            run = support.run_python(*options, '-c', """
import threading
thread = threading.Thread(target=print, args=('here',)); thread.start(); thread.join()
""")
            self.assertEqual((run.returncode, run.stdout, run.stderr), (0, 'here\n', ''))


class Input(unittest.TestCase):
    @unittest.skipUnless(hasattr(posix, '_inputhook'), 'no program can call the hook')
    def test_hook_of_a_program(self):
        """The REPL of 3.13 calls it before it looks at what it has read already."""
        silent, ours = os.pipe()
        with open(silent, 'rb') as stdin, open(ours, 'wb'):
            run = support.run_python('-c', """
import posix, threading
thread = threading.Thread(target=print, args=('here',)); thread.start(); thread.join()
if posix._is_inputhook_installed():
    posix._inputhook()
""", stdin=stdin)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, 'here\n', ''))

    def converse(self, module, typed):
        """What the program prints until it has ticked, then types, then all the rest."""
        pid, ours = pty.fork()
        if not pid:
            os.execve(sys.executable,
                      [sys.executable, '-c', TICKS.replace('READLINE', module)],
                      support.same_env(TERM='dumb'))
        told = b''
        try:
            while b'ticked' not in told:
                told += os.read(ours, 1000)
            os.write(ours, typed)
            while True:
                told += os.read(ours, 1000)
        except OSError:  # EIO: it has ended
            pass
        os.close(ours)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told.decode().split()

    def test_others_run_while_main_types(self):
        for module in ('os', 'readline'):
            code, told = self.converse(module, b'words\n')
            self.assertEqual(code, 0, told)
            self.assertIn('read', told)
            self.assertIn('released', told)

    def test_ctrl_c_ends_input(self):
        for module in ('os', 'readline'):
            code, told = self.converse(module, b'\x03')
            self.assertEqual(code, 0, told)
            self.assertIn('interrupted', told)
            self.assertIn('released', told)


if __name__ == '__main__':
    support.main()
