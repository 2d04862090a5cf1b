# SPDX-License-Identifier: Apache-2.0
"""The `websockets` library as a client, any version from 10 on, in a plain process.

    websocket_client.py URL [CERTIFICATE]

Plays each of PLAYS, and prints {name: what was seen} in JSON.  Not run by tests/run.
"""
import asyncio
import json
import ssl
import sys

import websockets

BASE = sys.argv[1]
TLS = {'ssl': ssl.create_default_context(cafile=sys.argv[2])} if len(sys.argv) > 2 else {}
MASK = bytes(4)


def connect(path, **options):
    options.update(TLS)
    options.setdefault('max_size', None)
    options.setdefault('ping_interval', None)
    return websockets.connect(BASE + path, **options)


async def how_closed(ws):
    """[code, reason] of the server's Close."""
    try:
        while True:
            await ws.recv()
    except websockets.ConnectionClosed as closed:
        return [closed.rcvd.code, closed.rcvd.reason] if closed.rcvd else [1006, '']


async def send_raw(ws, data):
    """Bytes that the library would not send."""
    ws.transport.write(data)


async def echo(ws):
    for message in ('', 'a', 'é€😀' * 1000, b'', b'\xff\0', 'x' * 125, 'x' * 126, 'x' * 65535, b'y' * 65536,
                    'z' * (1 << 20)):
        await ws.send(message)
        if await ws.recv() != message:
            return repr(message[:20])
    return 'same'


async def plain():
    async with connect('/echo', compression=None) as ws:
        return await echo(ws)


async def compressed():
    async with connect('/echo', compression='deflate') as ws:
        return [await echo(ws), [type(extension).__name__ for extension in extensions_of(ws)]]


def extensions_of(ws):
    return ws.extensions if hasattr(ws, 'extensions') else ws.protocol.extensions


async def fragments():
    async with connect('/echo') as ws:
        await ws.send(['a', 'é', '', 'b' * 70000])
        text = await ws.recv()
        await ws.send([b'a', b'\xff'])
        return [text == 'aé' + 'b' * 70000, await ws.recv() == b'a\xff']


async def pings():
    async with connect('/echo') as ws:
        for payload in b'', b'x' * 125:
            await (await ws.ping(payload))
        await ws.pong(b'nobody asked')
        await ws.send('still here')
        return await ws.recv()


async def pinged():
    async with connect('/ping') as ws:
        return await ws.recv()


async def client_closes():
    found = []
    for code, reason in (1000, ''), (1001, 'away'), (4321, 'é' * 61):
        async with connect('/echo') as ws:
            await ws.close(code, reason)
            found.append([ws.close_code, ws.close_reason])
    return found


async def server_closes():
    found = []
    for path in '/close/1000', '/close/4321', '/return', '/fail', '/idle':
        async with connect(path) as ws:
            found.append(await how_closed(ws))
    return found


async def refused_bytes():
    """UTF-8 that is none, a message that is too long, a reserved bit, a frame without a mask."""
    found = []
    for data in b'\x81\x81' + MASK + b'\xff', b'\x82\xff' + bytes(4) + b'\x10\0\0\0' + MASK + b'x', \
            b'\xa1\x80' + MASK, b'\x81\x01x':
        async with connect('/echo', compression=None) as ws:
            await send_raw(ws, data)
            found.append((await how_closed(ws))[0])
    return found


async def subprotocols():
    async with connect('/protocols', subprotocols=['a', 'b']) as ws:
        return [ws.subprotocol, await ws.recv()]


async def origins():
    found = []
    for origin in None, BASE.replace('ws', 'http', 1), 'http://elsewhere.org':
        try:
            async with connect('/echo', origin=origin) as ws:
                await ws.send('hello')
                found.append(await ws.recv())
        except websockets.InvalidHandshake as error:
            found.append(getattr(error, 'status_code', None) or error.response.status_code)
    return found


async def many():
    async def one(n):
        async with connect('/echo') as ws:
            for k in range(20):
                await ws.send(f'{n} {k}')
                if await ws.recv() != f'{n} {k}':
                    return False
        return True
    return all(await asyncio.gather(*(one(n) for n in range(50))))


async def of_2010():
    async with connect('/2010') as ws:
        await ws.send('abc')
        return await ws.recv()


PLAYS = (plain, compressed, fragments, pings, pinged, client_closes, server_closes, refused_bytes, subprotocols,
         origins, many, of_2010)


async def main():
    found = {}
    for play in PLAYS:
        try:
            found[play.__name__] = await asyncio.wait_for(play(), 30)
        except Exception as error:
            found[play.__name__] = repr(error)
    print(json.dumps(found))


asyncio.run(main())
