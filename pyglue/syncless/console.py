# SPDX-License-Identifier: Apache-2.0
"""python -m syncless.console: an interactive Python in which the others run while you type.

    >>> def ticking():
    ...     while True:
    ...         print('tick')
    ...         coio.sleep(1)
    ...
    >>> ticks = coio.spawn(ticking)
    tick
    >>> ticks.kill()
    >>> await asyncio.sleep(1, 'done')
    'done'

Coroutines, tasklets, green threads and, once something was awaited, an asyncio
loop go on at the prompt, between two keys.  What they print goes above the
line that is being typed.  An exception that ends a coroutine is printed so as well; one
that ends a tasklet is raised in the main tasklet, which is the console: at the
prompt it ends it.  wrap_tasklet() makes tasklets that only print theirs.

The command restarts itself under the preload if it has none.
"""
import ast
import builtins
import code
import functools
import inspect
import sys
import traceback
import types

from . import _launch
from ._gone import look_up

__all__ = ['Console', 'main', 'ticker', 'wrap_tasklet']

_GONE = dict.fromkeys(('NewReadLine', 'BlockingWriteAll', 'GetPromptWidth', 'WritePromptToNextLine'),
                      'it was an inner part; use input() and print(), which let others run')

HELP = '''
Console examples:
  +ticker                                   # a coroutine that writes a dot ten times a second
  -ticker                                   # and stops
  coio.spawn(lambda: print(coio.sleep(2)))  # goes on while you type
  wrap_tasklet(function)(argument)          # a tasklet whose exception is printed
  await asyncio.sleep(1)                    # in an asyncio loop, which lives on'''


def __getattr__(name):
    """Names of 2010 that have gone: Gone, an ImportError that says what to use."""
    return look_up(__name__, _GONE, name)


class _Help:
    """The name help at the prompt: the usual text with examples, and the usual function."""

    def __repr__(self):
        return f'{_builtin_help!r}\n{HELP}'

    def __call__(self, *args, **kwargs):
        return _builtin_help(*args, **kwargs)


class _Ticker:
    """+ticker starts a coroutine that writes '.' to stdout every 0.1 s, -ticker stops it.  Both may be repeated."""

    def __init__(self):
        self._ticking = None

    def __repr__(self):
        return '<+ticker starts the dots, -ticker stops them>'

    def __pos__(self):
        from . import coio
        if self._ticking is None or self._ticking.ended:
            self._ticking = coio.spawn(self._tick)

    def __neg__(self):
        if self._ticking is not None:
            self._ticking.kill()
            self._ticking = None

    @staticmethod
    def _tick():
        from . import coio
        while True:
            sys.stdout.write('.')
            sys.stdout.flush()
            coio.sleep(0.1)


ticker = _Ticker()


def wrap_tasklet(function):
    """stackless.tasklet(function), but an exception that ends it is printed and harms nobody.

    Returns the tasklet, which a call with function's arguments starts.  TaskletExit
    ends it silently.
    """
    from . import stackless

    @functools.wraps(function)
    def guarded(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except stackless.TaskletExit:
            raise
        except BaseException:
            sys.excepthook(*sys.exc_info())
    return stackless.tasklet(guarded)


class Awaiting:
    """Runs what is awaited at a prompt, in an asyncio loop that is made with the first such line and lives on.

    The loop is a coroutine of the calling thread, so it turns whenever that thread waits.
    """

    def __init__(self):
        self._loop = None

    def run(self, awaitable):
        """What it returns; its exceptions come out here."""
        import asyncio
        from . import aio, coio
        if self._loop is None:
            started = coio.Event()
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
            begin = self._loop.create_task(aio.run(started.set))
            coio.spawn(self._loop.run_forever)
            started.wait()
            aio.wait(begin)
        return aio.wait(awaitable)

    def wake(self):
        """After a command, which may have given the loop something to do without waking it."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(int)


class LineRunner(code.InteractiveConsole):
    """What this console and the remote one share: `await` outside of functions.

    shown   what is printed of what a line raises; all else comes out of push(), and SystemExit does
    """

    shown = BaseException

    def __init__(self, namespace, filename):
        super().__init__(namespace, filename)
        self.locals.setdefault('__builtins__', builtins)  # as exec() does; without it 3.9 has no import
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._awaiting = Awaiting()

    def runcode(self, code):
        """Runs a line; what it awaits, in the loop."""
        try:
            result = types.FunctionType(code, self.locals)()
            if inspect.iscoroutine(result):
                self._awaiting.run(result)
        except SystemExit:
            raise
        except self.shown:
            self.showtraceback()
        finally:
            self._awaiting.wake()


class Console(LineRunner):
    """The prompt.  namespace: a dict, in which the lines run.  Wants stdin and stdout; a terminal is not needed."""

    def __init__(self, namespace):
        from . import _prompt
        super().__init__(namespace, '<console>')
        self._streams = sys.stdout, sys.stderr
        self._prompt = _prompt.Prompt(sys.stdout)

    def raw_input(self, prompt=''):
        """A line, while others run."""
        sys.stdout.flush()
        return self._prompt.ask(prompt)

    def show_exception(self, kind, error, trace):
        """sys.excepthook: prints it in one piece."""
        self.write(''.join(traceback.format_exception(kind, error, trace)))

    def run(self, banner):
        """Until the end of the input, or exit()."""
        from . import _prompt
        hook = sys.excepthook
        sys.stdout, sys.stderr = (_prompt.Above(self._prompt, stream) for stream in self._streams)
        sys.excepthook = self.show_exception
        save = _prompt.use_readline(self.locals) if self._streams[0].isatty() else lambda: None
        try:
            self.interact(banner, '')
        finally:
            sys.stdout, sys.stderr = self._streams
            sys.excepthook = hook
            save()


def make_namespace():
    """The dict of the new module __console__, with what one has at the prompt."""
    import asyncio
    from . import aio, coio, stackless
    module = types.ModuleType('__console__', 'The names of the console.')
    sys.modules['__console__'] = module
    vars(module).update(aio=aio, asyncio=asyncio, coio=coio, stackless=stackless, help=_Help(), ticker=ticker,
                        wrap_tasklet=wrap_tasklet)
    for name in 'patch', 'wsgi':
        try:
            vars(module)[name] = __import__('syncless.' + name, fromlist=[name])
        except ImportError:
            pass
    return vars(module)


def main(argv=None):
    """The command.  argv: its words, without the program's; there are no options.  Returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words:
        print('usage: python -m syncless.console', file=sys.stderr)
        return 2
    _launch.restart('syncless.console', words)
    from . import __version__
    banner = (f'Python {sys.version.split()[0]} with Syncless {__version__}.  Others run while you type; '
              'see help.')
    Console(make_namespace()).run(banner)
    return 0


_builtin_help = help

if __name__ == '__main__':
    sys.exit(main())
