# SPDX-License-Identifier: Apache-2.0
"""An asyncio HTTP server that asks MySQL for what it answers, by a blocking C driver.

    aio_server.py aio|to_thread|loop WORKERS SECONDS

Each request is one query of SECONDS, on one of WORKERS connections that are
open from the start.  `aio` calls it by syncless.aio.run() and needs the preload,
`to_thread` by asyncio.to_thread() on as many threads, which is what asyncio
offers.  `loop` asks nobody and sleeps in the loop: what HTTP alone costs.
"""
import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import MySQLdb

HOW, WORKERS, SECONDS = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])


def connect():
    return MySQLdb.connect(**{word: os.environ['SYNCLESS_MYSQL_' + variable] for word, variable in (
        ('host', 'HOST'), ('user', 'USER'), ('password', 'PASSWORD'), ('database', 'DB'))},
        port=int(os.environ['SYNCLESS_MYSQL_PORT']))


def query():
    connection = free.pop()
    cursor = connection.cursor()
    cursor.execute(f"SELECT SLEEP({SECONDS}), 'Hello, World!'")
    row = cursor.fetchone()
    cursor.close()
    free.append(connection)
    return row[1].encode()


async def sleep_instead():
    await asyncio.sleep(SECONDS)
    return b'Hello, World!'


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.received = b''

    def data_received(self, data):
        self.received += data
        while b'\r\n\r\n' in self.received:
            _head, _, self.received = self.received.partition(b'\r\n\r\n')
            task = loop.create_task(self.answer())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def answer(self):
        body = await ask()
        self.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body))


def way_to_ask():
    if HOW == 'loop':
        return sleep_instead
    if HOW == 'to_thread':
        loop.set_default_executor(ThreadPoolExecutor(WORKERS))
        return lambda: asyncio.to_thread(query)
    sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'pyglue'))
    from syncless import aio
    return lambda: aio.run(query)


async def main():
    server = await loop.create_server(Server, '127.0.0.1', 0, backlog=4096)
    print('port', server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


loop, tasks = asyncio.new_event_loop(), set()
free = [connect() for _ in range(WORKERS if HOW != 'loop' else 0)]
ask = way_to_ask()
loop.run_until_complete(main())
