# SPDX-License-Identifier: Apache-2.0
"""The side of asyncio in syncless.across: its own loops, uvloop, Tornado's.  Private."""
import asyncio


def _wake(future):
    if not future.done():
        future.set_result(None)


async def wait(claim, timeout):
    """The place in line is that of the await."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    timer = None
    if not claim.enter(lambda: loop.call_soon_threadsafe(_wake, future)):
        try:
            if timeout is not None:
                timer = loop.call_later(timeout, _wake, future)
            await future
        except BaseException:  # what has been set in the future may be cancelled nevertheless
            claim.abandon()
            raise
        finally:
            if timer is not None:
                timer.cancel()
    return claim.finish()
