# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that takes its time: GET /SECONDS/TEXT answers TEXT, later.

The far side of the pycurl bench, and always outside the preload.  Prints its
port; ends when its stdin does.
"""
import asyncio
import sys


async def serve(reader, writer):
    head = await reader.readuntil(b'\r\n\r\n')
    _, seconds, text = head.split()[1].split(b'/')
    await asyncio.sleep(float(seconds))
    writer.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s'
                 % (len(text), text))
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, '127.0.0.1', 0, backlog=1024)
    print('port', server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
