# SPDX-License-Identifier: Apache-2.0
"""Channels: where tasklets hand over values, and wait for each other."""
import collections

from . import _glue
from ._tasklets import bomb, check_bomb, exception_from, explode, getcurrent

_yield = _glue.schedule
_park = _glue.park

_DEADLOCK = 'Deadlock: the last runnable tasklet cannot be blocked.'


class channel:  # noqa: N801
    """Hands values from tasklet to tasklet; whoever has no partner waits, first come, first served.

    preference  -1: a receiver runs at once; 1 or 0: a sender goes on and the receiver becomes the last
                of the runnables, a receiver that finds a sender runs that at once
    schedule_all  whoever finds a partner gives way to all others

    Several threads may use it: a partner in another thread is woken there.  The
    two lines are only changed by single operations that the GIL makes whole: who
    takes a partner out of one alone serves it.
    """
    __slots__ = ('preference', 'schedule_all', '_senders', '_receivers', '_is_closing', '__weakref__')

    def __init__(self):
        self.preference = -1
        self.schedule_all = self._is_closing = False
        self._senders, self._receivers = collections.deque(), collections.deque()

    @property
    def balance(self):
        """How many senders wait; negative: how many receivers."""
        return len(self._senders) or -len(self._receivers)

    @property
    def queue(self):
        """The tasklet that has waited longest; its next leads on.  None: nobody waits."""
        for line in self._senders, self._receivers:
            if line:
                return line[0]
        return None

    def close(self):
        """Nobody may wait here any more; those that do are served."""
        self._is_closing = True

    def open(self):
        """Undoes close()."""
        self._is_closing = False

    @property
    def closing(self):
        """Has close() been called?"""
        return self._is_closing

    @property
    def closed(self):
        """And is nobody waiting?"""
        return self._is_closing and not self.balance

    def send(self, value):
        """Gives a value to a receiver; waits for one.  ValueError if the channel is closed."""
        while True:
            try:
                partner = self._receivers.popleft()
            except IndexError:
                if self._wait(self._senders, self._receivers, value):
                    return
                continue
            partner.tempval = value
            self._let_run(partner, self.preference < 0)
            return

    def receive(self):
        """The next value, which it raises if that is a bomb; waits for a sender.  ValueError: as for send()."""
        while True:
            try:
                partner = self._senders.popleft()
            except IndexError:
                if self._wait(self._receivers, self._senders, None):
                    value = self._take(getcurrent())
                    break
                continue
            value = self._take(partner)
            self._let_run(partner, self.preference >= 0)
            break
        if value.__class__ is bomb:
            explode(value)
        return value

    def send_exception(self, exc, *args):
        """Raises exc(*args) in the receiver."""
        self.send(bomb(exc, exc(*args)))

    def send_throw(self, exc, val=None, tb=None):
        """send_exception() in the terms of the raise statement."""
        error = exception_from(exc, val, tb)
        self.send(bomb(type(error), error, error.__traceback__))

    def send_sequence(self, iterable):
        """Sends one value after the other."""
        for value in iterable:
            self.send(value)

    def __iter__(self):
        return self

    def __next__(self):
        """Receives; the iteration ends with the channel closed and empty, or with a StopIteration sent."""
        if self.closed:
            raise StopIteration
        return self.receive()

    @staticmethod
    def _take(partner):
        value, partner.tempval = partner.tempval, None
        return value

    def _let_run(self, partner, at_once):
        """The partner has been served, and is in no line any more."""
        partner._channel = None
        task = partner._task
        try:
            if at_once:
                task.insert_next()
            else:
                task.insert()
        except RuntimeError:  # of another thread
            task.unpark()
            return
        if at_once or self.schedule_all:
            _yield()
            check_bomb(getcurrent())

    def _wait(self, line, partners, value):
        """Waits in a line.  False: the caller is to try again, for a partner of another thread has come."""
        me = getcurrent()
        if self._is_closing:
            raise ValueError('Send/receive operation on a closed channel')
        me.tempval = value
        me._is_sending = line is self._senders
        me._channel = self
        line.append(me)
        if partners and self.withdraw(me):
            return False
        home, counts = me._home, me.is_counted()
        home.idle += counts
        try:
            if home.is_over() and not home.last_blocks():
                raise RuntimeError(_DEADLOCK)
            while me._channel is not None:
                _park()
        except BaseException:
            self.withdraw(me)
            me.tempval = None
            raise
        finally:
            home.idle -= counts
        if me._is_sending:
            check_bomb(me)
        return True

    def line_of(self, one):
        """The queue in which a tasklet waits here.  Not for programs."""
        return self._senders if one._is_sending else self._receivers

    def withdraw(self, one):
        """Takes it out of its line; False: it has been served."""
        try:
            self.line_of(one).remove(one)
        except ValueError:
            return False
        one._channel = None
        return True
