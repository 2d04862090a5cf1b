# SPDX-License-Identifier: Apache-2.0
"""The name of an emulation in 2010, which nothing needs any more: it leads to the package greenlet."""
from greenlet import GreenletExit, getcurrent, greenlet

__all__ = ['GreenletExit', 'getcurrent', 'greenlet']

is_pts_greenlet_emulated = False
