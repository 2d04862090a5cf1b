# SPDX-License-Identifier: Apache-2.0
"""Blocking functions in an asyncio program, without a thread pool.

    rows = await aio.run(query, connection, 'SELECT ...')     # as asyncio.to_thread(), on the loop's own thread

    def query(connection, text):                              # plain blocking code: a C driver, a lock
        ...
        reply = aio.wait(client.get(url), timeout=3)          # and back: blocks until an awaitable is done

The function is a task of the scheduler on the thread of the event loop.  It
runs whenever the loop waits, and where it waits itself the loop and all others
go on.  So thousands can be under way at once, and between two waits nothing
else runs: no locks are needed against the coroutines of the program.  What
computes for long in it holds up the loop, as it would in a coroutine.

With asyncio's own loops and uvloop.  Importing needs no preload; run() and
wait() raise RuntimeError without one, or without a running loop.
"""
import asyncio
import collections
import contextvars
import threading
import time

from . import _glue  # before greenlet: it says what to do where that is missing

from greenlet import GreenletExit

__all__ = ['run', 'wait']

TURN_SECONDS = 0.01  # how long a loop that never has to wait may keep our tasks from running


async def run(fn, /, *args, **kwargs):
    """Calls fn(*args, **kwargs), which may block, and returns what it returns.

    It sees the caller's contextvars, and its exceptions come out here.
    Cancelling the await raises asyncio.CancelledError in fn where it waits, and
    waits for fn's end: if fn catches it and returns, that is the result.
    """
    return await _start(fn, args, kwargs)


def wait(awaitable, timeout=None):
    """Blocks the calling task, in the loop's thread, until the awaitable is done; returns its result.

    A coroutine becomes a task of the loop, with the caller's contextvars.  After
    timeout seconds it is cancelled, and asyncio.TimeoutError raised.  Whatever
    else ends the wait, be it cancellation, coio.Timeout or kill(), cancels it as well.
    """
    try:
        bridge = _my_bridge('wait')
        me = _glue.current()
        if me is bridge.flow:
            raise RuntimeError('aio.wait() would keep the event loop from running: use await here, or call '
                               'the function by aio.run()')
    except RuntimeError:
        if asyncio.iscoroutine(awaitable):
            awaitable.close()
        raise
    deadline = None if timeout is None else time.monotonic_ns() + int(timeout * 1e9)
    waiter = _Waiter(me)
    bridge.post(contextvars.copy_context().run, waiter.begin, awaitable, bridge.loop)
    try:
        in_time = waiter.park(deadline)
    except BaseException:
        waiter.give_up(bridge)
        raise
    if not in_time:
        waiter.give_up(bridge)
        if waiter.future.cancelled():
            raise asyncio.TimeoutError
    return waiter.future.result()


class _Waiter:
    """A task that waits for a future."""

    def __init__(self, task):
        self.task = task
        self.future = None
        self.is_over = False

    def begin(self, awaitable, loop):
        """In the loop."""
        try:
            self.future = asyncio.ensure_future(awaitable, loop=loop)
        except (TypeError, ValueError) as error:  # no awaitable, or one of another loop
            self.future = loop.create_future()
            self.future.set_exception(error)
        self.future.add_done_callback(self.end)

    def end(self, future):
        if not future.cancelled():
            future.exception()  # who asks is told; who has given up does not want to know
        self.is_over = True
        self.task.unpark()

    def park(self, deadline):
        """False: the deadline has come."""
        while not self.is_over:
            if not _glue.park(deadline):
                return self.is_over
        return True

    def give_up(self, bridge):
        """Cancels, and waits for the end, as `await` does.  What is raised here meanwhile cancels once more."""
        raised = None
        bridge.post(self.cancel)
        while not self.is_over:
            try:
                _glue.park()
            except BaseException as error:
                raised = error
                bridge.post(self.cancel)
        if raised is not None:
            raise raised

    def cancel(self):
        self.future.cancel()


# --- The loop's side.

class _Bridge:
    """What a loop has to know of its tasks.

    posted      calls to be made in the loop, where a task has no business: it may be deep in its own wait.
                There is one wake-up for all that come before it runs, and none if turn() is about to.
    flow        the task in which the loop runs; until it has been seen there, taken to be the main one
    """

    def __init__(self, loop, flow):
        self.loop = loop
        self.flow = flow
        self.posted = collections.deque()
        self.under_way = 0
        self.turns_soon = False  # turn() has been put among what the loop runs next
        self.timer = None

    def post(self, fn, *args):
        self.posted.append((fn, args))
        if len(self.posted) == 1 and not self.turns_soon:
            try:
                self.loop.call_soon_threadsafe(self.make_calls)
            except RuntimeError:  # the loop is closed: there is nobody left to be told
                self.posted.clear()

    def make_calls(self):
        self.flow = _glue.current()
        try:
            while self.posted:
                fn, args = self.posted.popleft()
                fn(*args)
        finally:
            if self.posted:  # Ctrl-C
                self.loop.call_soon(self.make_calls)

    def ask_for_turn(self):
        if not self.turns_soon:
            self.turns_soon = True
            self.loop.call_soon(self.turn)

    def turn(self):
        """The tasks run, also those of a loop that is too busy to wait."""
        try:
            _glue.schedule()
        finally:
            self.turns_soon = False
            self.make_calls()
        if self.under_way and self.timer is None:
            self.timer = self.loop.call_later(TURN_SECONDS, self.turn_by_timer)

    def turn_by_timer(self):
        self.timer = None
        if self.under_way:
            self.ask_for_turn()


class _Local(threading.local):
    bridge = None


_local = _Local()


def _my_bridge(caller):
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(f'aio.{caller}() needs an event loop that runs in this thread: call it below '
                           'asyncio.run()') from None
    bridge = _local.bridge
    if bridge is None or bridge.loop is not loop:
        in_loop = asyncio.current_task(loop) is not None
        bridge = _local.bridge = _Bridge(loop, _glue.current() if in_loop else _glue.main())
    return bridge


class _Call(asyncio.Future):
    """What run() awaits.  To cancel it is the task's affair, as for an asyncio.Task it is its coroutine's."""

    def __init__(self, bridge):
        super().__init__(loop=bridge.loop)
        self.bridge = bridge

    def cancel(self, msg=None):
        if self.done() or self.task is None:
            return False
        self.task.throw(asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        return True

    def task_ended(self, task):
        self.task = None
        self.bridge.under_way -= 1
        self.bridge.post(self.finish, task.result, task.exception)

    def finish(self, result, error):
        if error is None:
            self.set_result(result)
        elif isinstance(error, (asyncio.CancelledError, GreenletExit)):
            super().cancel(*error.args[:1])
        elif isinstance(error, StopIteration):  # no future takes it
            stopped = RuntimeError('the function called by aio.run() raised StopIteration')
            stopped.__cause__ = error
            self.set_exception(stopped)
        else:
            self.set_exception(error)


class _Task(_glue.Task):
    """Its end is told to the future, whatever it is."""
    silent = (BaseException,)


def _start(fn, args, kwargs):
    bridge = _my_bridge('run')
    call = _Call(bridge)
    task = call.task = _Task(fn, args, kwargs)
    task.on_end = call.task_ended
    task.start()
    bridge.under_way += 1
    bridge.ask_for_turn()
    return call
