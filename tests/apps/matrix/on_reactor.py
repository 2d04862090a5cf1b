# SPDX-License-Identifier: Apache-2.0
"""Twisted, by the reactor of Syncless."""
import on_twisted
from on_twisted import MODULE, ONE, run  # noqa: F401
from syncless import reactor

NAME = 'Twisted, syncless.reactor'
on_twisted.install = reactor.install
