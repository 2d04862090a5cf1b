# SPDX-License-Identifier: Apache-2.0
"""Prints the addresses of the private test services, and keeps them running.

`scripts/services run NAME... -- CMD` keeps its services as long as
CMD runs; as CMD, this hands their variables out and then sleeps until its
stdin ends, so that many measured programs can use one set of servers.
"""
import json
import os
import sys

print(json.dumps({key: value for key, value in os.environ.items()
                  if key.startswith(('SYNCLESS_MYSQL_', 'SYNCLESS_PG_', 'SYNCLESS_REDIS_'))}), flush=True)
sys.stdin.read()
