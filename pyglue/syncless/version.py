# SPDX-License-Identifier: Apache-2.0
"""VERSION: the version of Syncless (str)."""
from . import __version__ as VERSION  # noqa: N812

__all__ = ['VERSION']
