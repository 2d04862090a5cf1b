# SPDX-License-Identifier: Apache-2.0
"""Talks to demo_websocket.py: python3 demo_websocket_client.py ws://127.0.0.1:16666/ TEXT...

A plain asyncio program of the library `websockets`, which needs nothing of Syncless: a WebSocket is one, whoever
speaks it.
"""
import asyncio
import json
import sys

try:
    import websockets
except ImportError:
    sys.exit('demo_websocket_client.py needs `websockets`: python3 -m pip install websockets')


async def main(url, *texts):
    async with websockets.connect(url) as ws:
        for text in texts:
            await ws.send(text)
            found = {}
            while 'answer' not in found:  # others may come and go meanwhile
                found = json.loads(await ws.recv())
            print(f'{text}: {found["answer"]}')
    print('closed:', ws.close_code)


asyncio.run(main(*sys.argv[1:]))
