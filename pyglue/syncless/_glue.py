# SPDX-License-Identifier: Apache-2.0
"""Loads the modules in C, and makes _syncless known to the interpreter.

Private: coio, stackless and aio are written on top of what stands here.  The
objects lie beside this file, or in the source tree's build/.
"""
import contextlib
import importlib.machinery
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    """A module in C, once in a process.  ImportError: it is not there."""
    if name in sys.modules:
        return sys.modules[name]
    file = f'{name}.abi3.so'
    for folder in HERE, os.path.join(HERE, '../../build'):
        path = os.path.join(folder, file)
        if os.path.exists(path):
            break
    else:
        raise ImportError(f'syncless: no {file} in {HERE}; install the package again, or run `make` in its '
                          'source tree')
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(name, path, loader=loader))
    loader.exec_module(module)
    sys.modules[name] = module
    return module


_syncless = load('_syncless')

Task = _syncless.Task
Block = _syncless.Block
current = _syncless.current
main = _syncless.main
schedule = _syncless.schedule
park = _syncless.park
sleep = _syncless.sleep
ready_tasks = _syncless.ready_tasks
ready_count = _syncless.ready_count
set_expired = _syncless.set_expired
verify = _syncless.verify
is_preloaded = _syncless.is_preloaded


class Interrupt(BaseException):
    """Never seen: making one raises what is due for the running task.

    PyThreadState_SetAsyncExc() takes a class, and makes an instance when it
    raises it.
    """

    def __new__(cls):
        _syncless.raise_due()
        return super().__new__(cls, 'nothing was due any more')


_syncless.set_interrupt(Interrupt)


def _find_hub():
    """The loop of gevent or eventlet in the calling thread, once it has begun; or None."""
    gevents = sys.modules.get('gevent._hub_local')
    hub = gevents and gevents.get_hub_if_exists()
    if not hub:  # nobody's greenlet that has not begun, or has ended, is true
        eventlets = getattr(sys.modules.get('eventlet.hubs'), '_threadlocal', None)
        hub = getattr(getattr(eventlets, 'hub', None), 'greenlet', None)
    return hub or None


def _hold(hub):
    """gevent's hub shall not end for want of watchers; returns what lets go of it.  eventlet's does not end."""
    if not hasattr(hub, 'loop'):
        return None
    watcher = hub.loop.async_()
    watcher.start(lambda: None)

    def let_go():
        watcher.stop()
        watcher.close()
    return let_go


_syncless.set_hub_hooks(_find_hub, _hold)


def _listen():
    """CPython shall raise what is due where it looks for signals.

    A kernel thread of its own cannot say so; until another one has imported
    this, a call that is interrupted ends in OSError first.
    """
    with contextlib.suppress(RuntimeError):  # also without the preload
        _syncless.listen()


_listen()
