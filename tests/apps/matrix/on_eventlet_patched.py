# SPDX-License-Identifier: Apache-2.0
"""eventlet in a program that it has patched."""
import warnings

warnings.simplefilter('ignore', DeprecationWarning)
import eventlet  # noqa: E402

eventlet.monkey_patch()
from on_blocking import run  # noqa: E402, F401

NAME, MODULE, IN_PAIRS = 'Eventlet, monkey_patch()', 'eventlet', False
