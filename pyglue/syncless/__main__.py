# SPDX-License-Identifier: Apache-2.0
"""`python -m syncless run ...` is `syncless run ...` with this interpreter.

The launcher takes the place of this process, so pid, terminal and signals stay
the program's own.
"""
import sys

from ._launch import become

if __name__ == '__main__':
    become(sys.argv[1:])
