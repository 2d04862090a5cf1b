# SPDX-License-Identifier: Apache-2.0
"""Sides for the tests of syncless.across: each runs scripts in its own manner, in a thread of its own.

A script is a generator that yields what to wait for, (view's method, queue or
event, arguments...), and is sent what came of it: so one text runs as a
coroutine, in an event loop, in a hub, by callbacks.  A side's own loop takes
its orders from a queue of the kind that is tested.
"""
import asyncio
import concurrent.futures
import os
import sys
import threading

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
from syncless import across  # noqa: E402

Cancelled = concurrent.futures.CancelledError


class Script:
    """One that runs at a side.  end: a future of what it returns; CancelledError, if it was cancelled."""

    def __init__(self, side, generator):
        self.side, self.generator = side, generator
        self.end = concurrent.futures.Future()
        self.cancel_now = None  # in the side's flow

    def cancel(self):
        self.side.orders.put(('cancel', self))

    def result(self):
        return self.end.result(support.HANG)

    def step(self, result, error):
        """What it waits for next; None: it has ended."""
        try:
            return self.generator.send(result) if error is None else self.generator.throw(error)
        except StopIteration as end:
            self.end.set_result(end.value)
        except Exception as raised:
            self.end.set_exception(raised)
        return None

    def cancelled(self, *_):
        """Also of one that has not begun, and so never will."""
        if not self.end.done():
            self.generator.close()
            self.end.set_exception(Cancelled())


class Side:
    """As a context: its thread runs.  call(operation) is for within its flow, in what run() is made of."""
    name = ''
    can_cancel = True

    def __init__(self):
        self.orders = across.Queue()
        self.scripts = {}
        self.all = []

    def start(self, generator):
        script = Script(self, generator)
        self.orders.put(('run', script))
        self.all.append(script)
        return script

    def do(self, order):
        """In the side's flow.  False: it ends."""
        what, script = order
        if what == 'run':
            self.begin(script)
        elif what == 'cancel' and not script.end.done():
            script.cancel_now()
        elif what == 'call':
            script()
        return what != 'end'

    def __enter__(self):
        self.thread = threading.Thread(target=self.main, name=self.name, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.orders.put(('end', None))
        self.thread.join(support.HANG)
        assert not self.thread.is_alive(), f'{self.name} does not end:\n{support.stacks([self.thread])}'

    def main(self):
        raise NotImplementedError

    def begin(self, script):
        raise NotImplementedError

    def view(self, thing):
        return getattr(thing, self.name)


def blocking(script, operate):
    """Runs a script by what blocks."""
    result = error = None
    try:
        while True:
            operation = script.step(result, error)
            if operation is None:
                return
            try:
                result, error = operate(*operation), None
            except Exception as raised:
                result, error = None, raised
    except BaseException:
        script.cancelled()
        raise


class Blocking(Side):
    """Its scripts block."""

    def operate(self, name, thing, *args):
        return getattr(self.view(thing), name)(*args)

    def main(self):
        while self.do(self.operate('get', self.orders)):
            pass


class Threads(Blocking):
    """Each script is a thread: a green one, or natively a kernel thread."""
    name = 'threads'
    can_cancel = False

    def view(self, thing):
        return thing

    def begin(self, script):
        threading.Thread(target=blocking, args=(script, self.operate), daemon=True).start()


class Natives(Threads):
    """Kernel threads, under the preload as well."""
    name = 'natives'

    def begin(self, script):
        with support.native_threads():
            super().begin(script)


class Coroutines(Blocking):
    name = 'coroutines'

    def view(self, thing):
        return thing

    def begin(self, script):
        from syncless import coio
        co = coio.spawn(blocking, script, self.operate)
        co.link(script.cancelled)
        script.cancel_now = lambda: co.kill(block=False)


class Gevent(Blocking):
    name = 'gevent'

    def main(self):
        import gevent
        super().main()
        gevent.get_hub().destroy(destroy_loop=True)

    def begin(self, script):
        import gevent
        one = gevent.spawn(blocking, script, self.operate)
        one.link(script.cancelled)
        script.cancel_now = lambda: one.kill(block=False)


class Eventlet(Blocking):
    name = 'eventlet'

    def begin(self, script):
        import eventlet
        one = eventlet.spawn(blocking, script, self.operate)
        one.link(script.cancelled)
        script.cancel_now = lambda: eventlet.hubs.get_hub().schedule_call_global(0, one.kill)


class Asyncio(Side):
    name = 'asyncio'

    def new_loop(self):
        return asyncio.new_event_loop()

    def view(self, thing):
        return thing.asyncio

    def main(self):
        loop = self.new_loop()
        loop.run_until_complete(self.serve())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    async def serve(self):
        self.tasks = set()
        while self.do(await self.orders.asyncio.get()):
            pass
        if self.tasks:
            await asyncio.wait(self.tasks)

    def begin(self, script):
        task = asyncio.get_running_loop().create_task(self.run(script))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(script.cancelled)
        script.cancel_now = task.cancel

    async def run(self, script):
        result = error = None
        while True:
            operation = script.step(result, error)
            if operation is None:
                return
            name, thing, *args = operation
            try:
                result, error = await getattr(self.view(thing), name)(*args), None
            except asyncio.CancelledError:
                script.cancelled()
                return
            except Exception as raised:
                result, error = None, raised


class Uvloop(Asyncio):
    name = 'uvloop'

    def new_loop(self):
        import uvloop
        return uvloop.new_event_loop()


class Callbacks(Side):
    """Told by callback(result, error)."""

    def operate(self, callback, name, thing, *args):
        """Returns what cancels it: True, if the callback will not be called."""
        return getattr(self.view(thing), name)(*args[:1 if name == 'put' else 0], callback,
                                               *args[1 if name == 'put' else 0:])

    def begin(self, script):
        def go_on(result, error):
            operation = script.step(result, error)
            if operation is not None:
                cancel = self.operate(go_on, *operation)
                script.cancel_now = lambda: cancel() and script.cancelled()
        go_on(None, None)

    def take_orders(self):
        self.operate(self.take_order, 'get', self.orders)

    def take_order(self, order, error):
        assert error is None, error
        if self.do(order):
            self.take_orders()
        else:
            self.quit()


class Twisted(Callbacks):
    name = 'twisted'

    def main(self):
        from twisted.internet import reactor
        self.quit = reactor.stop
        reactor.callWhenRunning(self.take_orders)
        reactor.run(installSignalHandlers=False)

    def operate(self, callback, name, thing, *args):
        from twisted.internet import defer

        def failed(failure):
            if not failure.check(defer.CancelledError):
                callback(None, failure.value)
        deferred = getattr(self.view(thing), name)(*args)
        deferred.addCallbacks(lambda result: callback(result, None), failed)

        def cancel():
            was_called = deferred.called
            deferred.cancel()
            return not was_called
        return cancel


class Glib(Callbacks):
    name = 'glib'

    def main(self):
        from gi.repository import GLib
        loop = GLib.MainLoop()
        self.quit = loop.quit
        self.take_orders()
        loop.run()


class Qt(Callbacks):
    name = 'qt'
    application = None

    def main(self):
        os.environ['QT_NO_GLIB'] = '1'  # its loop would be GLib's default one, which has a thread
        from PyQt5 import QtCore
        Qt.application = QtCore.QCoreApplication.instance() or QtCore.QCoreApplication(['test'])
        loop = QtCore.QEventLoop()
        self.quit = loop.quit
        self.take_orders()
        loop.exec_()
        Qt.application = None  # in its thread


MODULES = {'uvloop': 'uvloop', 'twisted': 'twisted.internet.reactor', 'gevent': 'gevent', 'eventlet': 'eventlet',
           'glib': 'gi.repository.GLib', 'qt': 'PyQt5.QtCore'}
