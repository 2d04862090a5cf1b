# SPDX-License-Identifier: Apache-2.0
"""The name that syncless.stackless had in 2010; it is the same module."""
import sys

from . import stackless

sys.modules[__name__] = stackless
