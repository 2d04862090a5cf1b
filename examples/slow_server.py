# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that takes its time.

    slow_server.py [--with-stdin]

GET /0.5/TEXT is answered with TEXT half a second later, however many others
wait at the same time.  It listens on a free loopback port and prints it as
`port N`.  With --with-stdin it ends when its standard input does, so that a
program that starts it through a pipe cannot leave it behind.
"""
import asyncio
import sys


async def answer(reader, writer):
    try:
        head = await reader.readuntil(b'\r\n\r\n')
        _, seconds, text = head.split()[1].split(b'/')
        await asyncio.sleep(float(seconds))
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n'
                     b'Content-Length: %d\r\n\r\n%s' % (len(text), text))
        await writer.drain()
    except (ValueError, IndexError):
        writer.write(b'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client left early
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(answer, '127.0.0.1', 0, backlog=1024)
    print('port', server.sockets[0].getsockname()[1], flush=True)
    if sys.argv[1:] == ['--with-stdin']:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    else:
        await server.serve_forever()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
