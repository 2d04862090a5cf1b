# SPDX-License-Identifier: Apache-2.0
"""sqlite3: each thread waits for a database that another connection has locked, which SQLite does by sleeping.

There is no server; a statement counts as waiting when SQLite has begun it and
before it has ended.
"""
import contextlib
import os
import sqlite3
import tempfile

import case


class Sqlite3(case.Client):
    own = (sqlite3.Error,)

    def version(self):
        return sqlite3.sqlite_version

    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, 'database')
        self.waiting = set()
        self.holder = self.connect()
        self.holder.execute('CREATE TABLE numbers (number INTEGER PRIMARY KEY)')
        self.holder.execute('BEGIN IMMEDIATE')

    def connect(self, seconds=1000.0):
        return sqlite3.connect(self.path, seconds, isolation_level=None, check_same_thread=False)

    def insert(self, number, seconds=1000.0, began=None):
        with contextlib.closing(self.connect(seconds)) as connection:
            connection.set_trace_callback(began)
            return connection.execute(f"INSERT INTO numbers VALUES ({number}) RETURNING 'answer-' || number").fetchone()

    def wait(self, number):
        try:
            return self.insert(number, began=lambda _: self.waiting.add(number))[0]
        finally:
            self.waiting.discard(number)

    def in_flight(self):
        return len(self.waiting)

    def release(self):
        self.holder.execute('COMMIT')

    def execute(self, statement):
        with contextlib.closing(self.connect()) as connection:
            return connection.execute(statement).fetchall()

    def failures(self):
        return {'table': lambda: self.execute('SELECT * FROM nothing'), 'syntax': lambda: self.execute('SELEKT'),
                'file': lambda: sqlite3.connect('/nonexistent/database').execute('SELECT 1')}

    def timeouts(self):
        return {'locked': lambda: self.insert(1, case.SOON)}

    def hanging(self):
        return lambda: self.insert(1)

    def ping(self):
        assert self.execute('SELECT 42') == [(42,)]


if __name__ == '__main__':
    case.main(Sqlite3)
