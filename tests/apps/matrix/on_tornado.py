# SPDX-License-Identifier: Apache-2.0
"""Tornado."""
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.iostream import IOStream, StreamClosedError

NAME, MODULE = 'Tornado', 'tornado'


async def serve(sock, answer, tick, seconds):
    stream, ticker = IOStream(sock), PeriodicCallback(tick, seconds * 1000)
    ticker.start()
    try:
        while True:
            reply = answer(await stream.read_bytes(100, partial=True))
            if reply is None:
                break
            await stream.write(reply)
    except StreamClosedError:
        answer(b'')
    ticker.stop()
    stream.close()


def run(sock, answer, tick, seconds):
    loop = IOLoop(make_current=False)
    loop.run_sync(lambda: serve(sock, answer, tick, seconds))
    loop.close()
