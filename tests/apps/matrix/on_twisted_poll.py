# SPDX-License-Identifier: Apache-2.0
"""Twisted, by its poll reactor."""
import on_twisted
from on_twisted import MODULE, ONE, run  # noqa: F401
from twisted.internet import pollreactor

NAME, IN_PAIRS = 'Twisted, poll()', False
on_twisted.install = pollreactor.install
