# SPDX-License-Identifier: Apache-2.0
"""Concurrence, which ended with Python 2."""
NAME, MODULE, NEVER = 'Concurrence', 'concurrence', 'for Python 2 alone, given up in 2009'
