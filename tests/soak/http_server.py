# SPDX-License-Identifier: Apache-2.0
"""The HTTP server of the soak: right answers, slow ones, and broken ones.

    GET  /echo/TEXT            TEXT
    GET  /slow/SECONDS/TEXT    TEXT, later
    GET  /large/BYTES/TEXT     TEXT over and over, so many bytes
    GET  /chunks/COUNT/TEXT    TEXT so many times, each as a chunk of its own
    POST /digest, PUT /digest  the MD5 of the body
    GET  /cut/BYTES/TEXT       says that so many bytes come, sends half of them, and closes
    GET  /gone                 closes without a word
    GET  /stall                never answers

It prints the port of this and that of a mute peer, which takes connections and never says
anything.  Always outside the preload; ends when its stdin does.
"""
import asyncio
import hashlib
import os
import sys


async def read_request(reader, writer):
    """(path, body)"""
    head = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1').split('\r\n')
    headers = dict(line.lower().split(': ', 1) for line in head[1:] if line)
    if headers.get('expect') == '100-continue':
        writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
    if headers.get('transfer-encoding') == 'chunked':
        return head[0].split()[1], await read_chunks(reader)
    return head[0].split()[1], await reader.readexactly(int(headers.get('content-length', 0)))


async def read_chunks(reader):
    body = b''
    while True:
        size = int(await reader.readline(), 16)
        body += (await reader.readexactly(size + 2))[:size]
        if not size:
            return body


def send(writer, body, length=None):
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s'
                 % (len(body) if length is None else length, body))


def repeated(text, size):
    return (text * (size // len(text) + 1))[:size]


async def answer(path, body, reader, writer):
    """False: the connection ends."""
    _, verb, *rest = path.split('/')
    text = rest[-1].encode() if rest else b''
    if verb == 'gone':
        return False
    if verb == 'stall':
        return bool(await reader.read(1))  # when the client has gone
    elif verb == 'slow':
        await asyncio.sleep(float(rest[0]))
        send(writer, text)
    elif verb == 'large':
        send(writer, repeated(text, int(rest[0])))
    elif verb == 'cut':
        size = int(rest[0])
        send(writer, repeated(text, size // 2), size)
        await writer.drain()
        return False
    elif verb == 'chunks':
        writer.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        for _ in range(int(rest[0])):
            writer.write(b'%x\r\n%s\r\n' % (len(text), text))
            await writer.drain()
        writer.write(b'0\r\n\r\n')
    else:
        send(writer, hashlib.md5(body).hexdigest().encode() if verb == 'digest' else text)
    await writer.drain()
    return True


async def converse(reader, writer):
    try:
        while await answer(*await read_request(reader, writer), reader, writer):
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client left
    finally:
        writer.close()


async def say_nothing(reader, writer):
    try:
        while await reader.read(65536):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main():
    servers = [await asyncio.start_server(serve, '127.0.0.1', 0, backlog=1024)
               for serve in (converse, say_nothing)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # whoever is still being served is of no interest


asyncio.run(main())
