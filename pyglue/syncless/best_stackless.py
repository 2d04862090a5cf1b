# SPDX-License-Identifier: Apache-2.0
"""`from syncless.best_stackless import stackless`, as programs of 2010 say."""
from . import stackless

__all__ = ['stackless']
