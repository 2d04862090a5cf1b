# SPDX-License-Identifier: Apache-2.0
"""asyncpg: a thread has an asyncio loop, and the others wait for what they have it do."""
import asyncio
import threading

import case
import dbapi

try:
    import asyncpg
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Asyncpg(dbapi.PostgreSQL):
    packages = ('asyncpg',)
    # It has none of its own for what the loop says.
    own = (asyncpg.PostgresError, asyncio.TimeoutError, OSError)

    def open(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        super().open()

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def connect(self, port=None, password=None, **more):
        return self.do(asyncpg.connect(host=self.at['host'], port=port or self.at['port'], user=self.at['user'],
                                       password=password or self.at['password'], database=self.at['db'], **more))

    def ask(self, connection, query):
        return self.do(connection.fetch(query))

    def end(self, connection):
        self.do(connection.close())

    def timeouts(self):
        return {'connect': lambda: self.connect(port=self.mute, timeout=case.SOON),
                'command': lambda: self.ask_once(self.HUNG, command_timeout=case.SOON)}


if __name__ == '__main__':
    case.main(Asyncpg)
