# SPDX-License-Identifier: Apache-2.0
"""What the rows of MariaDB's and PostgreSQL's clients share.

Each wait is a query that waits in the server for a lock, which one more
connection, the observer, holds; it asks the server how many such queries there
are, and lets the lock go.
"""
import contextlib

import case


class Database(case.Client):
    """connect(port, password) returns a connection by DB-API, which commits by itself."""
    server = ''  # the name of its variables
    SHUT = OPEN = COUNTED = HELD = HUNG = ''  # queries

    def connect(self, port=None, password=None, **more):
        raise NotImplementedError

    def ask(self, connection, query):
        cursor = connection.cursor()
        cursor.execute(query)
        return cursor.fetchall()

    def end(self, connection):
        connection.close()

    @contextlib.contextmanager
    def connected(self, **more):
        connection = self.connect(**more)
        try:
            yield connection
        finally:
            self.end(connection)

    def open(self):
        self.at = case.service(self.server, 'USER', 'PASSWORD', 'DB')
        self.refusing, self.mute = case.refusing_port(), case.mute_port()
        self.observer = self.connect()
        self.ask(self.observer, self.SHUT)

    def wait(self, number):
        with self.connected() as connection:
            return self.ask(connection, self.HELD % number)[0][-1]

    def in_flight(self):
        return int(self.ask(self.observer, self.COUNTED)[0][0])

    def release(self):
        self.ask(self.observer, self.OPEN)

    def ask_once(self, query, **more):
        with self.connected(**more) as connection:
            return self.ask(connection, query)

    def failures(self):
        return {'refused': lambda: self.connect(port=self.refusing), 'password': lambda: self.connect(password='no'),
                'query': lambda: self.ask_once('SELECT nothing FROM nowhere')}

    def hanging(self):
        connection = self.connect()
        return lambda: self.ask(connection, self.HUNG)

    def ping(self):
        assert self.ask_once('SELECT 42')[0][0] == 42


class MariaDB(Database):
    server = 'MYSQL'
    SHUT = "SELECT GET_LOCK('gate', 10)"
    OPEN = "SELECT RELEASE_LOCK('gate')"
    COUNTED = ("SELECT COUNT(*) FROM information_schema.PROCESSLIST"
               " WHERE STATE = 'User lock' AND INFO LIKE 'SELECT GET_LOCK(''gate'', 100)%'")
    HELD = "SELECT GET_LOCK('gate', 100), RELEASE_LOCK('gate'), 'answer-%d'"
    HUNG = 'SELECT SLEEP(1000)'


class PostgreSQL(Database):
    server = 'PG'
    SHUT = 'SELECT pg_advisory_lock(7)::text'
    OPEN = 'SELECT pg_advisory_unlock(7)'
    COUNTED = ("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
               " AND wait_event = 'advisory' AND query LIKE '%held by the gate%'")
    HELD = "SELECT pg_advisory_lock_shared(7)::text, 'answer-%d' /* held by the gate */"
    HUNG = 'SELECT pg_sleep(1000)::text'
