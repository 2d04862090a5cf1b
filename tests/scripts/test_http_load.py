#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# needs: greenlet
"""A small form of `make check-http-load`: clients that misbehave, and connections that stay."""
import os
import sys

LOAD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'load', 'run')

os.execv(LOAD, [LOAD, '--misbehaved', '128', '--parts', '2', '--connections', '300', '--tls-connections', '0',
                *sys.argv[1:]])
