# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""python -m syncless.console at a pseudo-terminal: the user types, and the others run meanwhile.

Where a test says that something goes on while a line is being typed, the line
is unfinished, and the test has seen what went on before it types the rest.
"""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import support
from terminal import Terminal

PACKAGE = os.path.join(support.ROOT, 'pyglue')
BUILD = os.path.dirname(support.PRELOAD.split(':')[0])
PROMPT = r'>>> $'


def environment(**extra):
    return support.same_env(PYTHONPATH=PACKAGE, TERM='xterm', PAGER='cat', PYTHON_COLORS='0', **extra)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Console(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.history = os.path.join(self.folder, 'history')

    def open(self, **extra):
        env = environment(PYTHON_HISTORY=self.history, **extra)
        self.console = Terminal([sys.executable, '-m', 'syncless.console'], env)
        self.console.expect(r'with Syncless .*\n')
        self.console.expect(PROMPT)

    def say(self, line, answer=None):
        """Types a line; answer: what is seen before the next prompt."""
        self.console.type(line + '\n')
        if answer is not None:
            self.console.expect(answer)
        self.console.expect(PROMPT)

    def leave(self, code=0):
        self.console.type('\x04')
        self.assertEqual(self.console.end(), code)

    def mailbox(self):
        """A way to make something happen: the coroutine `wait_for()` in the console ends when this sends."""
        here = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(here.close)
        self.say('import socket')
        self.say(f'box = socket.create_connection(("127.0.0.1", {here.getsockname()[1]}))')
        there, _ = here.accept()
        self.addCleanup(there.close)
        return there

    def test_others_run_while_one_types(self):
        self.open()
        box = self.mailbox()
        self.say('reading = coio.spawn(lambda: print("got", box.recv(9)))')
        self.console.type('6 *')
        self.console.expect(r'6 \*')
        box.sendall(b'this')
        self.console.expect_on_screen(r"\ngot b'this'\n>>> 6 \*$")
        self.console.type(' 7\n')
        self.console.expect(r'42\n')
        self.console.expect(PROMPT)
        self.leave()

    def test_green_threads_run_too(self):
        self.open()
        box = self.mailbox()
        self.say('import threading')
        self.say('threading.Thread(target=lambda: print("thread got", box.recv(9))).start()')
        self.console.type('"half')
        self.console.expect('"half')
        box.sendall(b'it')
        self.console.expect_on_screen(r"\nthread got b'it'\n>>> \"half$")
        self.console.type('"\n')
        self.console.expect(r"'half'\n")
        self.console.expect(PROMPT)
        self.leave()

    def test_a_traceback_does_not_break_the_line(self):
        self.open()
        box = self.mailbox()
        self.say('failing = coio.spawn(lambda: 1 / len(box.recv(9)[1:]))')
        self.console.type('[1,')
        self.console.expect(r'\[1,')
        box.sendall(b'x')
        self.console.expect_on_screen(r'\nTraceback(.|\n)*\nZeroDivisionError: division by zero\n>>> \[1,$')
        self.console.type(' 2]\n')
        self.console.expect(r'\[1, 2\]\n')
        self.console.expect(PROMPT)
        self.leave()

    def test_ticker(self):
        self.open()
        self.say('+ticker')
        self.say('+ticker')
        self.console.expect_on_screen(r'\n\.\.\.+\n>>> $')
        self.console.type('"some')
        self.console.expect_on_screen(r'\n\.\.\.+\n>>> "some$')
        self.console.type('thing"\n')
        self.console.expect_on_screen(r"\n'something'\n")
        self.say('-ticker')
        self.say('-ticker')
        self.say('ticker._ticking is None', 'True')
        self.leave()

    def test_wrap_tasklet(self):
        self.open()
        self.console.type('t = wrap_tasklet(lambda a, b: a / b)(1, 0)\n')
        self.console.expect_on_screen(r'ZeroDivisionError: division by zero\n>>> $')
        self.console.type('def leave(): raise TaskletExit\n\n')
        self.console.expect(PROMPT)
        self.say('t = wrap_tasklet(leave)()')
        self.say('coio.sleep(); t.alive', 'False')
        self.leave()

    def test_a_tasklet_that_fails_at_the_prompt_ends_the_console(self):
        self.open()
        box = self.mailbox()
        self.say('t = stackless.tasklet(lambda: 1 / len(box.recv(9)[1:]))()')
        self.console.type('half')
        self.console.expect('half')
        box.sendall(b'x')
        self.console.expect(r'ZeroDivisionError: division by zero\n')
        self.assertEqual(self.console.end(), 1)

    def test_a_tasklet_that_fails_aborts_the_command(self):
        self.open()
        self.say('t = stackless.tasklet(lambda: 1 / 0)(); coio.sleep(60)', 'ZeroDivisionError: division by zero\n')
        self.say('1 + 1', '2\n')
        self.leave()

    def test_await(self):
        self.open()
        self.say('await asyncio.sleep(0, "done")', r"'done'\n")
        self.say('_', r"'done'\n")
        self.say('x = [n async for n in (i async for i in aio_range(3))]', 'NameError')
        self.say('await coio_is_no_coroutine', 'NameError')
        self.say('gate = asyncio.Event()')
        self.console.type('async def show(): await gate.wait(); print("through the gate")\n\n')
        self.console.expect(PROMPT)
        self.say('task = asyncio.create_task(show())')
        self.say('late = coio.spawn_later(0.1, lambda: asyncio.get_running_loop().call_soon_threadsafe(gate.set))')
        self.console.type('"typ')
        self.console.expect_on_screen('\nthrough the gate\n>>> "typ$')  # the loop lives on
        self.console.type('ing"\n')
        self.console.expect(r"'typing'\n")
        self.console.expect(PROMPT)
        self.leave()

    def test_interrupt(self):
        self.open()
        self.console.type('coio.sleep(60)\n')
        self.console.expect(r'sleep\(60\)\n')
        self.console.until_it_sleeps()
        self.console.type('\x03')
        self.console.expect('KeyboardInterrupt\n')
        self.console.expect(PROMPT)
        self.console.type('half a li')
        self.console.expect('half a li')
        self.console.until_it_sleeps()
        self.console.type('\x03')
        self.console.expect('KeyboardInterrupt\n')
        self.console.expect(PROMPT)
        self.say('3 + 4', '7\n')
        self.leave()

    def test_history_and_completion(self):
        self.open()
        self.say('remembered = 1234')
        self.console.type('remem\t')
        self.console.expect('remembered')
        self.console.type(' + 1\n')
        self.console.expect('\n1235\n')
        self.console.expect(PROMPT)
        self.leave()
        self.open()
        self.console.type('\x1b[A\x1b[A')
        self.console.expect_on_screen('>>> remembered = 1234$')
        self.console.type('\n')
        self.console.expect(PROMPT)
        self.say('remembered', '1234\n')
        self.leave()

    def test_names(self):
        self.open()
        self.say('import __console__; __console__.coio is coio', 'True\n')
        self.say('[module.__name__ for module in (patch, wsgi, stackless, aio)]', r"'syncless\.wsgi'")
        self.say('help', 'Console examples:')
        self.say('help(coio.sleep)', 'Waits so many seconds')
        self.leave()

    def test_input_that_is_no_terminal(self):
        lines = 'a = coio.spawn(lambda: 5)\nfor i in range(2):\n    print("line", i)\n\na.get()\n1/0\nprint("last")\n'
        run = support.run_python('-m', 'syncless.console', env=environment(), input=lines)
        self.assertEqual(run.returncode, 0, run.stderr)
        for text in 'line 0\nline 1\n', '5\n', 'last\n':
            self.assertIn(text, run.stdout)
        self.assertIn('ZeroDivisionError', run.stderr)

    def test_it_restarts_itself_under_the_preload(self):
        package = os.path.join(self.folder, 'syncless')  # as it is installed
        shutil.copytree(os.path.join(PACKAGE, 'syncless'), package)
        for name, there in ('launcher', 'syncless'), ('_syncless.abi3.so', '_syncless.abi3.so'):
            with contextlib.suppress(FileExistsError):
                os.symlink(os.path.join(BUILD, there), os.path.join(package, name))
        run = subprocess.run([sys.executable, '-m', 'syncless.console'], input='coio.spawn(lambda: 7).get()\n',
                             env=support.plain_env(PYTHONPATH=self.folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, timeout=support.HANG)
        self.assertEqual((run.returncode, '7\n' in run.stdout), (0, True), run)

    def test_it_takes_no_words(self):
        run = support.run_python('-m', 'syncless.console', 'word', env=environment())
        self.assertEqual(run.returncode, 2)
        self.assertIn('usage:', run.stderr)


if __name__ == '__main__':
    unittest.main()
