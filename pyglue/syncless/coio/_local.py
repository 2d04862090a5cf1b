# SPDX-License-Identifier: Apache-2.0
"""local: attributes of which each task has its own.

threading.local would be shared by all coroutines of a thread.  The values lie
with the task, by a weak reference to the local, so both may go first.
"""
from __future__ import annotations

import threading
import weakref
from typing import Any

from .. import _glue

_native = threading.local()  # where there are no tasks


class _Key:
    """Of one local, in each task: equality and hash are the program's."""
    __slots__ = ('args', 'kwargs', '__weakref__')

    def __init__(self, args: tuple, kwargs: dict) -> None:
        self.args = args
        self.kwargs = kwargs


def _all_attributes() -> weakref.WeakKeyDictionary:
    """{key: the attributes of its local} of the running task."""
    try:
        home = _glue.current()
    except RuntimeError:
        home = _native
    try:
        return home._locals
    except AttributeError:
        home._locals = weakref.WeakKeyDictionary()
        return home._locals


def _attributes(self: local) -> dict:
    """The dictionary of self in the running task; a new one is filled by __init__()."""
    key = object.__getattribute__(self, '_local__key')
    everything = _all_attributes()
    try:
        return everything[key]
    except KeyError:
        everything[key] = {}
        type(self).__init__(self, *key.args, **key.kwargs)
        return everything[key]


def _descriptor(self: local, name: str) -> Any:
    """What the class has of that name and does not leave to instances, or None."""
    for cls in type(self).__mro__:
        if name in cls.__dict__:
            found = cls.__dict__[name]
            return found if hasattr(type(found), '__set__') or hasattr(type(found), '__delete__') else None
    return None


class local:
    """Its attributes are those of the running task: of a coroutine, or of a thread.

        request = local()
        request.user = 'me'     # other coroutines have another request.user, or none

    A subclass with an __init__() has it called, with the arguments of the
    object's making, in each task that uses the object for the first time.
    """

    __slots__ = ('__key', '__weakref__')

    def __new__(cls, *args: Any, **kwargs: Any) -> local:
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError('a local takes arguments only if its class has an __init__()')
        self = super().__new__(cls)
        key = _Key(args, kwargs)
        object.__setattr__(self, '_local__key', key)
        _all_attributes()[key] = {}  # __init__() comes next
        return self

    def __getattribute__(self, name: str) -> Any:
        attributes = _attributes(self)
        if name == '__dict__':
            return attributes
        if name in attributes and _descriptor(self, name) is None:
            return attributes[name]
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == '__dict__':
            raise AttributeError(f"'{type(self).__name__}' object attribute '__dict__' is read-only")
        if _descriptor(self, name) is not None:
            object.__setattr__(self, name, value)
        else:
            _attributes(self)[name] = value

    def __delattr__(self, name: str) -> None:
        if name == '__dict__' or _descriptor(self, name) is not None:
            object.__delattr__(self, name)
        else:
            try:
                del _attributes(self)[name]
            except KeyError:
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'") from None
