# SPDX-License-Identifier: Apache-2.0
"""gevent in a program that it has patched: sockets, sleep and threads of the standard library are its own."""
from gevent import monkey

monkey.patch_all()
from on_blocking import run  # noqa: E402, F401

NAME, MODULE, IN_PAIRS = 'gevent, patch_all()', 'gevent', False
