# SPDX-License-Identifier: Apache-2.0
"""asyncio, by uvloop, which is libuv."""
import uvloop
from on_asyncio import serve

NAME, MODULE = 'uvloop', 'uvloop'


def run(sock, answer, tick, seconds):
    loop = uvloop.new_event_loop()
    loop.run_until_complete(serve(sock, answer, tick, seconds))
    loop.close()
