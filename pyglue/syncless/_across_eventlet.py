# SPDX-License-Identifier: Apache-2.0
"""The side of eventlet in syncless.across.  Private.

No function of a hub is for other threads; but it waits for descriptors, so each
wait has a pipe.
"""
import os

from eventlet import hubs


class _Late(Exception):
    pass


def wait(claim, timeout):
    if claim.serve_now():
        return claim.finish()
    bell, rope = os.pipe()
    try:
        if not claim.enter(lambda: os.write(rope, b'x')):
            try:
                hubs.trampoline(bell, read=True, timeout=timeout, timeout_exc=_Late)
            except _Late:
                pass
            except BaseException:
                claim.abandon()
                raise
        return claim.finish()
    finally:
        os.close(bell)
        os.close(rope)
