# SPDX-License-Identifier: Apache-2.0
"""Names of 2010 that have no meaning any more: whoever uses one is told what to use instead.

It is an ImportError, because that is what comes unchanged out of
`from syncless.coio import NAME`.  (An AttributeError becomes an ImportError
there that does not say what was wrong.)
"""


class Gone(ImportError):
    """A name of the Syncless of 2010 that is no longer there; the text names what replaces it."""


def gone(module, name, instead):
    """The error for module.name; instead: the rest of the sentence."""
    return Gone(f'{module}.{name} of 2010 is gone: {instead}', name=module)


def look_up(module, table, name):
    """A module's __getattr__: raises Gone for the names in table, {name: what to use instead}."""
    if name in table:
        raise gone(module, name, table[name])
    raise AttributeError(f'module {module!r} has no attribute {name!r}')
