# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# modes: plain
"""No public name of the package is without a docstring; its own methods and properties included."""
import importlib
import inspect
import os
import pkgutil
import sys
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
import syncless  # noqa: E402
from syncless._gone import Gone  # noqa: E402

PROGRAMS = {'syncless.__main__', 'syncless.doctor', 'syncless.doctor_probe'}  # nobody calls what is in them


def modules():
    yield syncless
    for found in pkgutil.walk_packages(syncless.__path__, 'syncless.'):
        if found.name not in PROGRAMS and '._' not in found.name:
            try:
                yield importlib.import_module(found.name)
            except Gone as gone:
                assert gone.__cause__ is None and 'use' in str(gone), gone


def is_ours(thing):
    return (getattr(thing, '__module__', None) or '').startswith('syncless')


def members(cls):
    """The public methods and properties that cls does not have from the standard library."""
    for base in cls.__mro__:
        for name, value in vars(base).items():
            if is_ours(base) and not name.startswith('_') and (callable(value) or isinstance(
                    value, (property, classmethod, staticmethod))):
                yield name, getattr(cls, name)


class Docstrings(unittest.TestCase):
    maxDiff = None

    def test_all(self):
        seen, bare = 0, []
        for module in modules():
            names = getattr(module, '__all__', None) or [name for name in vars(module) if not name.startswith('_')]
            things = [(module.__name__, module)]
            for name in names:
                thing = getattr(module, name)
                if (inspect.isclass(thing) or inspect.isroutine(thing)) and is_ours(thing):
                    things.append((f'{module.__name__}.{name}', thing))
                    if inspect.isclass(thing):
                        things += [(f'{module.__name__}.{name}.{member}', value) for member, value in members(thing)]
            seen += len(things)
            bare += [name for name, thing in things if not inspect.getdoc(thing)]
        self.assertEqual(bare, [])
        self.assertGreater(seen, 200)


if __name__ == '__main__':
    support.main()
