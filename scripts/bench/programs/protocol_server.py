# SPDX-License-Identifier: Apache-2.0
"""asyncio at its cheapest, a Protocol, on uvloop's loop or on its own.

    protocol_server.py uvloop|asyncio

Streams and async/await would cost more; a peer is measured at its best.
"""
import asyncio
import sys

REPLY = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!'


class Hello(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, _):
        self.transport.write(REPLY)


async def main():
    server = await asyncio.get_running_loop().create_server(Hello, '127.0.0.1', 0, backlog=4096)
    print('port', server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if sys.argv[1] == 'uvloop':
    import uvloop
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
