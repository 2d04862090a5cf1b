# SPDX-License-Identifier: Apache-2.0
"""asyncio, by its own loop."""
import asyncio

NAME, MODULE = 'asyncio', 'asyncio'


async def serve(sock, answer, tick, seconds):
    reader, writer = await asyncio.open_unix_connection(sock=sock)
    ticker = asyncio.create_task(go_on_ticking(tick, seconds))
    while True:
        reply = answer(await reader.read(100))
        if reply is None:
            break
        writer.write(reply)
    ticker.cancel()
    writer.close()
    await writer.wait_closed()


async def go_on_ticking(tick, seconds):
    while True:
        await asyncio.sleep(seconds)
        tick()


def run(sock, answer, tick, seconds):
    asyncio.run(serve(sock, answer, tick, seconds))
