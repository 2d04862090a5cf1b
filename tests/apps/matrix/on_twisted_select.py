# SPDX-License-Identifier: Apache-2.0
"""Twisted, by its select reactor."""
import on_twisted
from on_twisted import MODULE, ONE, run  # noqa: F401
from twisted.internet import selectreactor

NAME, IN_PAIRS = 'Twisted, select()', False
on_twisted.install = selectreactor.install
