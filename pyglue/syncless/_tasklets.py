# SPDX-License-Identifier: Apache-2.0
"""Tasklets: the part of stackless.py that is not channels.

A tasklet is an object beside its task, the scheduler's own, so that it can be
bound again when that has ended, and so that main greenlets and the coroutines
of others can have one.  Whoever is to run next is decided by the order of the
scheduler's run queue and by nothing else: the ring of the runnables is that
queue with the current tasklet in front of it.
"""
import os
import sys
import _thread
import threading

from . import _glue  # before greenlet: it says what to do where that is missing

from greenlet import GreenletExit

_current = _glue.current
_yield = _glue.schedule
_park = _glue.park
_ready_count = _glue.ready_count

main_loop = None  # coio's stand-in for the main-loop tasklet of 2010, which is always runnable

_ITSELF = object()  # schedule() without an argument: the tasklet is the value
_ALONE = {True: 'the main tasklet is sending without a receiver available.',
          False: 'the main tasklet is receiving without a sender available.'}


class TaskletExit(SystemExit):
    """Ends the tasklet that it is raised in, silently: what kill() raises.  Also a builtin."""


class bomb:  # noqa: N801
    """An exception on its way: raised where a tasklet finds it as its tempval, or receives it.

        bomb(type, value, traceback)    or    bomb((type, value, traceback))
    """
    __slots__ = ('type', 'value', 'traceback')

    def __init__(self, type=None, value=None, traceback=None):
        if isinstance(type, tuple):
            type, value, traceback = (type + (None, None, None))[:3]
        self.type, self.value, self.traceback = type, value, traceback

    def __repr__(self):
        return f'bomb({self.type!r}, {self.value!r}, {self.traceback!r})'


def exception_from(kind, value=None, traceback=None):
    """The instance that `raise kind, value, traceback` meant."""
    if isinstance(kind, BaseException):
        error = kind
    elif not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise TypeError(f'exceptions must be classes or instances of BaseException, not {kind!r}')
    elif isinstance(value, kind):
        error = value
    else:
        error = kind() if value is None else kind(*value) if isinstance(value, tuple) else kind(value)
    return error if traceback is None else error.with_traceback(traceback)


def explode(value):
    raise exception_from(value.type, value.value, value.traceback)


# --- What a thread knows of its tasklets.

class _Home:
    """Counts, by which a deadlock is told from a wait.

    alive   tasklets started here that have not ended; the main one is not counted
    idle    those of them that only another tasklet can wake: blocked on a channel, or removed

    A tasklet that was woken counts as idle until it runs; it is in the run queue
    then, and nobody looks at the counts while there is somebody in it.
    """
    __slots__ = ('main', 'alive', 'idle', 'in_run', 'ident')

    def __init__(self):
        self.alive = self.idle = 0
        self.in_run = False
        self.ident = _thread.get_ident()
        self.main = _tasklet_of(_glue.main(), self)

    def is_over(self):
        """Is there no tasklet left that runs or will, but the one that asks, which is leaving?"""
        return self.idle >= self.alive and not _ready_count()

    def is_stuck(self):
        """Once that is so: is there nothing else, either, that could wake one?  What coio has spawned could."""
        return not _thread._count() and 'syncless.coio' not in sys.modules

    def last_has_left(self, error=None):
        """The last tasklet has ended or been removed: main's turn.  False: it waits for something else.

        error: what the tasklet has ended by.  It is lost to a main tasklet that
        waits at a channel, but as the context of what that gets instead.
        """
        main = self.main
        if main._channel is not None and self.is_stuck():
            alone = StopIteration(_ALONE[main._is_sending])
            alone.__context__ = error
            main._channel.withdraw(main)
            main.tempval = bomb(StopIteration, alone)
            main._task.insert()
            return True
        if error is None and main._is_removed and (self.in_run or self.is_stuck()):
            main.insert()
        return False

    def last_blocks(self):
        """The last tasklet is about to wait at a channel.  False: that would be for ever."""
        main = self.main
        if main._is_removed and (self.in_run or self.is_stuck()):
            main.insert()
            return True
        return main._channel is None or not self.is_stuck()

    def forget_others(self):
        """In a forked child, where the caller alone lives on."""
        self.alive = int(self.main._task is not _current())
        self.idle = 0


class _Local(threading.local):
    home = None


_local = _Local()


def _my_home():
    home = _local.home
    if home is None:
        home = _local.home = _Home()
    return home


def _after_fork():
    if _local.home is not None:
        _local.home.forget_others()


os.register_at_fork(after_in_child=_after_fork)


class _Task(_glue.Task):
    """The task of a tasklet.  Its end is told to the tasklet, whatever it is."""
    __slots__ = ('tasklet',)
    silent = (BaseException,)


def _tasklet_of(task, home=None):
    """Any task has a tasklet: those of main greenlets, of coio and of others get one here."""
    home = home or _my_home()
    try:
        return task.tasklet
    except AttributeError:
        found = task.tasklet = tasklet()
    found._task, found._home = task, home
    return found


def _ended(task):
    """The hook for the end of a task: here what nobody has caught goes to the main tasklet."""
    self, error = task.tasklet, task.exception
    home = self._home
    self._set_removed(False)
    home.alive -= 1
    self._task = self._func = self._channel = self.tempval = None  # bind() may give it another life
    if isinstance(error, (TaskletExit, GreenletExit)):
        error = None
    if home.is_over() and home.last_has_left(error):
        return
    if error is not None:
        _raise_in_main(home.main, error)


def _raise_in_main(main, error):
    """Whatever main waits for, it is the next to run, and raises the error."""
    main._leave_queues()
    main._task.throw(error)
    if main._task.is_ready:
        main._task.remove()
    main._task.insert_next()


# --- Tasklets.

class tasklet:  # noqa: N801
    """A coroutine: tasklet(function)(*args, **kwargs) puts it at the end of the runnables.

    tempval     what schedule() and receive() return, and raise if it is a bomb, when the tasklet goes on
    """
    __slots__ = ('tempval', '_task', '_home', '_func', '_bound', '_channel', '_is_sending', '_is_removed',
                 '_is_asleep', '__weakref__', '__dict__')

    def __init__(self, func=None, args=None, kwargs=None):
        self.tempval = self._task = self._home = self._channel = self._bound = None
        self._is_removed = self._is_sending = self._is_asleep = False
        self._func = None
        if func is not None or args is not None or kwargs is not None:
            self.bind(func, args, kwargs)

    def bind(self, func=None, args=None, kwargs=None):
        """Sets what it will call; with args or kwargs insert() starts it.  RuntimeError while it is alive."""
        if self.alive:
            raise RuntimeError('tasklet is already alive')
        if func is not None and not callable(func):
            raise TypeError('tasklet function must be a callable')
        self._func = self._func if func is None and self._func and args is not None else func
        if args is None and kwargs is None:
            self._bound = None
        else:
            self._bound = tuple(args or ()), dict(kwargs or {})
        return self

    def __call__(self, *args, **kwargs):
        """Starts it, as the last of the runnables.  TypeError if it is alive or has no function."""
        if self._func is None or self.alive:
            raise TypeError('tasklet has no function to call' if self._func is None
                            else 'tasklet has been started before')
        return self._start(args, kwargs)

    setup = __call__

    def _start(self, args, kwargs):
        task = _Task(self._func, args, kwargs)
        task.tasklet = self
        task.on_end = _ended
        home = _my_home()
        task.start()
        home.alive += 1
        self._home = home
        self._task = task
        self._bound = None
        return self

    def _leave_queues(self):
        """No channel and no remove() keeps it waiting any longer."""
        if self._channel is not None:
            self._channel.withdraw(self)
        self._set_removed(False)

    def _set_removed(self, is_removed):
        """_is_removed is None from another thread's insert() on until the tasklet runs."""
        if self._is_removed != is_removed:
            self._is_removed = is_removed
            self._home.idle += self.is_counted() * (1 if is_removed else -1)

    def is_counted(self):
        """Was it made by tasklet(), and is no thread's main or somebody else's coroutine?  Not for programs."""
        return self._task.__class__ is _Task

    def _check_runnable(self):
        if self._channel is not None:
            raise RuntimeError('You cannot run a blocked tasklet')
        if self._task is None:
            if self._func is None or self._bound is None:
                raise RuntimeError('You cannot run an unbound(dead) tasklet')
            self._start(*self._bound)
        elif self._task.ended:
            raise RuntimeError('You cannot run an unbound(dead) tasklet')

    def insert(self):
        """Puts it at the end of the runnables, if it is not among them.  Returns it.

        Those of its own thread, whichever calls.  One that waits for I/O or sleeps
        wakes early.  RuntimeError if it is dead, unbound or blocked on a channel.
        """
        self._check_runnable()
        self._is_asleep = False  # coio.sleep() looks at it
        if self._home is _local.home:  # None in a kernel thread
            self._set_removed(False)
            self._task.insert()
        else:
            if self._is_removed:
                self._is_removed = None  # its own thread keeps the counts
            self._task.unpark()
        return self

    def remove(self):
        """Takes it out of the runnables until insert() or run().  Returns it.

        RuntimeError for the current tasklet (see schedule_remove) and for a blocked one.
        """
        if self._channel is not None:
            raise RuntimeError('You cannot remove a blocked tasklet.')
        if self.is_current:
            raise RuntimeError('The current tasklet cannot be removed, use schedule_remove()')
        if self._task is not None and self._task.is_ready:
            self._set_removed(True)
            self._task.remove()
        return self

    def run(self):
        """Runs it now.  The round of the runnables goes on behind it; those that stood before it come after the
        caller.  RuntimeError as for insert().
        """
        caller = getcurrent()
        if self is caller:
            return
        self.insert()
        if self._home is caller._home:
            _jump(self._task)
            check_bomb(caller)

    def switch(self):
        """Runs it now, while the caller leaves the runnables."""
        caller = getcurrent()
        if self is caller:
            return
        self.insert()
        caller._set_removed(True)
        if self._home is caller._home:
            _turn_to_front(self._task, _ready())
        _wait_for_insert(caller)
        check_bomb(caller)

    def kill(self, pending=False):
        """raise_exception(TaskletExit)."""
        self._raise(TaskletExit(), pending)

    def raise_exception(self, exc_class, *args):
        """Raises it in the tasklet, wherever that waits, and runs the tasklet now.

        When that ends or waits, those behind it come next, not the caller;
        t.remove().kill() is what returns directly.  Nothing if it is dead.  In the
        current tasklet it just raises.
        """
        if not (isinstance(exc_class, type) and issubclass(exc_class, BaseException)):
            raise TypeError(f'exc_class must be a subclass of BaseException, not {exc_class!r}')
        self._raise(exc_class(*args))

    def throw(self, exc, val=None, tb=None, pending=False):
        """raise_exception() in the terms of the raise statement.  pending: it runs when it is its turn."""
        self._raise(exception_from(exc, val, tb), pending)

    def _raise(self, error, pending=False):
        task = self._task
        if task is None or task.ended:
            return
        caller = getcurrent()
        if self is caller:
            raise error
        was_ready = task.is_ready
        self._leave_queues()
        if not task.begun and caller._home is self._home:
            task.fn, task.args, task.kwargs = _raise_it, (error,), None
        else:
            task.throw(error)
        if caller._home is not self._home:
            return
        if not was_ready:
            if task.is_ready:
                task.remove()
            task.insert()
        if not pending and task.is_ready:  # or it has switched to another library's hub: it raises later
            _jump(task)
            check_bomb(caller)

    @property
    def alive(self):
        """Started, or bound with arguments, and not ended."""
        return not self._task.ended if self._task is not None else self._bound is not None

    @property
    def blocked(self):
        """Does it wait at a channel?"""
        return self._channel is not None

    @property
    def scheduled(self):
        """Is it among the runnables, or waits at a channel?  Not: waits for I/O, or sleeps."""
        return self._channel is not None or self.is_current or (self._task is not None and self._task.is_ready)

    @property
    def paused(self):
        """Alive, and not scheduled."""
        return self.alive and not self.scheduled

    @property
    def is_main(self):
        """Is it its thread's main one?"""
        return self._home is not None and self is self._home.main

    @property
    def is_current(self):
        """Does it run now?"""
        return self._task is not None and self._task is _current()

    @property
    def thread_id(self):
        """The threading.get_ident() of its thread."""
        return self._home.ident if self._home is not None else _thread.get_ident()

    @property
    def next(self):
        """The one behind it among the runnables, which are a ring, or in its channel's queue; else None."""
        return self._neighbour(1)

    @property
    def prev(self):
        """The one before it, likewise."""
        return self._neighbour(-1)

    def _neighbour(self, step):
        if self._channel is not None:
            line = list(self._channel.line_of(self))
            at = line.index(self) + step
            return line[at] if 0 <= at < len(line) else None
        ring = [_current(), *_ready()] if self._task is not None else []
        if self._task not in ring:
            return None
        return _tasklet_of(ring[(ring.index(self._task) + step) % len(ring)])


def _raise_it(error):
    raise error


def _ready():
    return _glue.ready_tasks()


def _turn_to_front(task, ready):
    """The ring of the runnables as seen from a task in it, the current one still to be put in.

    Those before the task go behind the current one, which is put there only
    when it gives way; so another task, the next to run, puts them there.
    """
    before = ready[:ready.index(task)]
    if before:
        for one in before:
            one.remove()
        _glue.Task(_insert_all, (before,)).start().insert_next()


def _insert_all(tasks):
    for one in tasks:
        one.insert()


def _jump(task):
    """Runs a task that is in the run queue; the caller has its turn when its place comes round."""
    _turn_to_front(task, _ready())
    _yield()


def check_bomb(caller):
    value = caller.tempval
    if value.__class__ is bomb:
        caller.tempval = None
        explode(value)


# --- The functions of the module.

def getcurrent():
    """The tasklet that runs."""
    task = _current()
    try:
        return task.tasklet
    except AttributeError:
        return _tasklet_of(task)


def getmain():
    """The main tasklet of the calling thread: its own flow, which was not made by tasklet()."""
    return _my_home().main


def getruncount():
    """How many tasklets of the thread are runnable, the current one included.

    Once coio is imported its get_main_loop_tasklet() is one more in the main thread.
    """
    is_one_more = (main_loop is not None and main_loop._task is None
                   and _thread.get_ident() == threading.main_thread().ident)
    return _ready_count() + 1 + is_one_more


def schedule(retval=_ITSELF):
    """The other runnables run first.

    Returns retval, without one the tasklet itself (a reference cycle for as
    long as it waits), or what was put into its tempval meanwhile, which is
    raised if it is a bomb.
    """
    task = _current()
    try:
        self = task.tasklet
    except AttributeError:
        self = _tasklet_of(task)
    self.tempval = self if retval is _ITSELF else retval
    _yield()
    value = self.tempval
    self.tempval = None
    if value.__class__ is bomb:
        explode(value)
    return value


def schedule_remove(retval=_ITSELF):
    """schedule(), but the tasklet leaves the runnables until insert() or run().

    In the main tasklet it means: serve for ever; it returns when nothing is
    left that could ever run.
    """
    self = getcurrent()
    home = self._home
    self.tempval = self if retval is _ITSELF else retval
    self._set_removed(True)
    if home.is_over():
        home.last_has_left()
    _wait_for_insert(self)
    value = self.tempval
    self.tempval = None
    if value.__class__ is bomb:
        explode(value)
    return value


def _wait_for_insert(self):
    try:
        while self._is_removed:
            _park()
    finally:
        self._set_removed(False)


def run(timeout=0, threadblock=False, soft=False, ignore_nesting=False, totaltimeout=False):
    """Runs the others until none of the thread's tasklets is left but blocked ones; for the main tasklet.

    One that waits for I/O or sleeps is waited for.  An exception that nobody
    caught comes out of here.  A timeout in instructions is not implemented.
    """
    home = _my_home()
    if timeout:
        raise NotImplementedError('run() cannot interrupt a tasklet after so many instructions')
    if getcurrent() is not home.main:
        raise RuntimeError('run() must be run from the main tasklet')
    home.in_run = True
    try:
        schedule_remove(None)
    finally:
        home.in_run = False
