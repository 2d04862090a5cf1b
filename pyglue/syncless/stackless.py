# SPDX-License-Identifier: Apache-2.0
"""The API of Stackless Python: tasklets and channels, on the scheduler of Syncless.

    from syncless import stackless      # or: import stackless, afterwards

    def echo(channel):
        for text in channel:
            print(text)

    channel = stackless.channel()
    stackless.tasklet(echo)(channel)
    channel.send('hello')
    stackless.run()

A tasklet is a task of the scheduler, so all that waits in it, be it a socket, a
lock or a C driver, lets the others run, and Timeout and kill() end the wait.
Each thread has tasklets, a main tasklet and runnables of its own; a channel may
be used from several threads.

Where this differs from Stackless: switching is by greenlets, so there is no
pickling and no preemption by counted instructions.  A tasklet that waits for
I/O or sleeps is neither scheduled nor blocked, and whoever looks for a deadlock
knows that it will be back.

Importing needs no preload; what needs the scheduler raises RuntimeError without one.
"""
import builtins
import importlib.util
import sys

from ._channels import channel
from ._gone import look_up
from ._tasklets import (TaskletExit, bomb, getcurrent, getmain, getruncount, run, schedule, schedule_remove,
                        tasklet)

__all__ = ['TaskletExit', 'bomb', 'channel', 'getcurrent', 'getmain', 'getruncount', 'is_greenstackless',
           'run', 'schedule', 'schedule_remove', 'tasklet']

is_greenstackless = True  # the marker of the module of 2010

_GONE = dict.fromkeys(('ImportTooLateError', 'NewTooLateError'),
                      'modules may be imported in any order; use a plain import, nothing of the kind is raised')


def __getattr__(name):
    """The live attributes: current, main, runcount.  Names of 2010 that have gone: Gone, which says what to use."""
    live = {'current': getcurrent, 'main': getmain, 'runcount': getruncount}
    if name in live:
        return live[name]()
    return look_up(__name__, _GONE, name)


# The module is also a top-level one, as in Stackless, unless there is a real one.

builtins.TaskletExit = TaskletExit
if 'stackless' not in sys.modules and importlib.util.find_spec('stackless') is None:
    sys.modules['stackless'] = sys.modules[__name__]
