# SPDX-License-Identifier: Apache-2.0
"""The books of the soak: what was begun, what has ended, and what was wrong.

Each thread writes in an account of its own, so no lock is needed, and none can hide what is to be
found.  At its end the account is added to those before; that of a thread which never ends stays as it is.
The sums are right when the threads have been joined, and near enough before.
"""
import collections
import contextlib
import gc
import sys
import threading
import time
import traceback

MOST_FAULTS = 20  # more would say nothing new


class Wrong(Exception):
    """An answer that is not the right one, or none where there had to be one."""


def expect(answer, right):
    if answer != right:
        raise Wrong(f'{brief(answer)} instead of {brief(right)}')


def brief(value):
    text = repr(value)
    return text if len(text) <= 200 else f'{text[:120]} ... {text[-60:]} ({len(text)} characters)'


@contextlib.contextmanager
def fails_with(kind, *codes, code_of=lambda error: error.args[0]):
    """What is done inside must raise this error, with one of these codes if there are any."""
    try:
        yield
    except kind as error:
        if codes and code_of(error) not in codes:
            raise Wrong(f'error {code_of(error)!r} instead of {codes}') from error
    else:
        raise Wrong(f'no {kind.__name__}')


class Account:
    KINDS = 'begun', 'ended', 'tallies'

    def __init__(self, owner):
        self.owner = owner
        self.begun = collections.Counter()
        self.ended = collections.Counter()
        self.tallies = collections.Counter()  # what the thread did to things that all share
        self.doing = None
        self.last = 'nothing yet'

    @contextlib.contextmanager
    def operation(self, name):
        self.begun[name] += 1
        self.last = name
        self.doing = name, time.monotonic(), threading.get_ident()
        try:
            yield
        finally:
            self.doing = None
            self.ended[name] += 1


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()  # of the accounts, not of what is in those that are open
        self.past = Account('those that have ended')
        self.accounts = {self.past}
        self.faults = []

    def open_account(self, owner):
        account = Account(owner)
        with self.lock:
            self.accounts.add(account)
        return account

    def settle(self, account):
        """Its thread ends."""
        with self.lock:
            self.accounts.remove(account)
            for kind in Account.KINDS:
                getattr(self.past, kind).update(getattr(account, kind))

    def fault(self, text):
        if len(self.faults) < MOST_FAULTS:
            print(f'FAULT: {text}', flush=True)
        self.faults.append(text)

    def fault_now(self, what):
        """The exception that is being handled is a fault."""
        self.fault(f'{what}: {traceback.format_exc()}')

    def sum_of(self, kind):
        total = collections.Counter()
        with self.lock:
            for account in self.accounts:
                total.update(dict(getattr(account, kind)))  # the copy is made under the GIL
        return total

    def close(self):
        """All threads have been joined: what was begun has ended."""
        begun, ended = self.sum_of('begun'), self.sum_of('ended')
        for name in begun.keys() | ended.keys():
            if begun[name] != ended[name]:
                self.fault(f'{name}: {begun[name]} begun, {ended[name]} ended')

    def look_for_stuck(self, limit):
        """Faults for operations that go on for longer than so many seconds; each is told once."""
        with self.lock:
            accounts = list(self.accounts)
        for account in accounts:
            doing = account.doing
            if doing and time.monotonic() - doing[1] > limit:
                account.doing = None
                self.fault(f'{account.owner}: {doing[0]} goes on for more than {limit} s\n{stack_of(doing[2])}')


def stack_of(ident):
    """The end of a thread's Python stack.  A collection inside _current_frames() might wait for ever up to
    CPython 3.11.4 (gh-106883)."""
    gc.disable()
    try:
        frame = sys._current_frames().get(ident)
    finally:
        gc.enable()
    return ''.join(traceback.format_stack(frame)[-8:]) if frame else '(no frame)'
