# SPDX-License-Identifier: Apache-2.0
"""psycopg2: as with_mysql.py, and what only PostgreSQL has: COPY, NOTIFY, connections without blocking."""
import contextlib
import hashlib
import io
import select
import threading

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from ledger import Wrong, expect, fails_with
from world import HANG, live

SHUT_DOWN = '57P01'  # the session was told to end, and could say so
ROWS = 800


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def state_of(error):
    return error.pgcode


def wait(connection):
    """Until a connection without blocking has done what it is at."""
    while True:
        state = connection.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        reading = state == psycopg2.extensions.POLL_READ
        ready = select.select([connection] if reading else [], [] if reading else [connection], [], HANG)
        if ready == ([], [], []):
            raise Wrong('no answer')


class Postgres:
    def __init__(self, hands):
        self.hands = hands
        self.random = hands.random

    def connect(self, **changes):
        at = self.hands.world.postgres
        return psycopg2.connect(**{**dict(host=at['host'], port=at['port'], user=at['user'],
                                          password=at['password'], dbname=at['db']), **changes})

    def ask(self, query, *args):
        with self.connection.cursor() as cursor:
            cursor.execute(query, args)
            return cursor.fetchall()

    # Each returns True if the connection is of no more use.

    def query(self):
        for _ in range(self.random.choice((1, 1, 5, 20))):
            token, number = self.hands.token(), self.random.randrange(1 << 20)
            expect(self.ask('SELECT %s, %s * 3, md5(%s)', token, number, token),
                   [(token, number * 3, md5(token))])

    def sleep(self):
        token = self.hands.token()
        expect(self.ask('SELECT %s FROM pg_sleep(%s)', token, self.random.random() / 5), [(token,)])

    def large(self):
        token = self.hands.token()
        rows = self.ask('SELECT i, repeat(md5(%s || i), 12) FROM generate_series(1, %s) AS i', token, ROWS)
        expect(rows, [(i, md5(token + str(i)) * 12) for i in range(1, ROWS + 1)])

    def one_large_value(self):
        token = self.hands.token()
        expect(self.ask('SELECT repeat(%s, 100000)', token), [(token * 100000,)])

    def stream(self):
        """By a cursor in the server, and not to the end."""
        token = self.hands.token()
        self.connection.autocommit = False
        with self.connection.cursor('soak') as cursor:
            cursor.itersize = 100
            cursor.execute('SELECT %s || i FROM generate_series(1, 5000) AS i', (token,))
            last = self.random.randrange(1, 1000)
            for i, row in enumerate(cursor, 1):
                expect(row, (f'{token}{i}',))
                if i == last:
                    break
        self.connection.rollback()
        self.connection.autocommit = True

    def send(self):
        text = self.hands.token() * self.random.randrange(1, 30000)
        expect(self.ask('SELECT length(%s), md5(%s)', text, text), [(len(text), md5(text))])

    def copy(self):
        token = self.hands.token()
        lines = ''.join(f'{i}\t{token}{i}\n' for i in range(1000))
        got = io.StringIO()
        with self.connection.cursor() as cursor:
            cursor.execute('CREATE TEMPORARY TABLE soak (i int, t text)')
            cursor.copy_expert('COPY soak FROM STDIN', io.StringIO(lines))
            cursor.copy_expert('COPY soak TO STDOUT', got)
            cursor.execute('DROP TABLE soak')
        expect(got.getvalue(), lines)

    def lock(self):
        place = self.random.randrange(3)
        self.ask('SELECT pg_advisory_lock(%s)', place)
        with self.hands.alone_inside(f'postgres {place}'):
            self.hands.compute(2000)
            self.ask('SELECT pg_sleep(0.005)')
        expect(self.ask('SELECT pg_advisory_unlock(%s)', place), [(True,)])

    def error(self):
        with fails_with(psycopg2.errors.UndefinedTable):
            self.ask('SELECT * FROM no_such_table')

    def compute(self):
        self.hands.compute()

    def timeout(self):
        with self.connection.cursor() as cursor:
            cursor.execute('SET statement_timeout = 60')
            with fails_with(psycopg2.errors.QueryCanceled):
                cursor.execute('SELECT pg_sleep(40)')
            cursor.execute('SET statement_timeout = 0')

    def killed(self):
        """Another connection ends this one, which waits for an answer."""
        with self.hands.beside(self.terminate, self.connection.get_backend_pid()):
            with fails_with(psycopg2.OperationalError, SHUT_DOWN, None, code_of=state_of):
                self.ask('SELECT pg_sleep(40)')
        expect(self.connection.closed != 0, True)
        return True

    def terminate(self, pid):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute('SELECT pg_terminate_backend(%s)', (pid,))
            expect(cursor.fetchall(), [(True,)])

    def cancelled(self):
        """cancel() comes from another thread; before the query has begun it cancels nothing."""
        done = threading.Event()
        with self.hands.beside(self.cancel, self.connection, done):
            try:
                with fails_with(psycopg2.errors.QueryCanceled):
                    self.ask('SELECT pg_sleep(40)')
            finally:
                done.set()
        return True

    @staticmethod
    def cancel(connection, done):
        while not done.wait(0.03):
            connection.cancel()

    def without_blocking(self):
        token = self.hands.token()
        with contextlib.closing(self.connect(async_=1)) as connection:
            wait(connection)
            with connection.cursor() as cursor:
                for _ in range(3):
                    cursor.execute('SELECT %s FROM pg_sleep(%s)', (token, self.random.random() / 20))
                    wait(connection)
                    expect(cursor.fetchall(), [(token,)])

    def notified(self):
        """Waits for what another connection says."""
        token = self.hands.token()
        self.ask_nothing(f'LISTEN soak_{token}')
        with self.hands.beside(self.notify, f'soak_{token}', token):
            while not self.connection.notifies:
                if select.select([self.connection], [], [], HANG) == ([], [], []):
                    raise Wrong('no notification')
                self.connection.poll()
        expect([(n.channel, n.payload) for n in self.connection.notifies], [(f'soak_{token}', token)])
        del self.connection.notifies[:]
        self.ask_nothing(f'UNLISTEN soak_{token}')

    def ask_nothing(self, order):
        with self.connection.cursor() as cursor:
            cursor.execute(order)

    def notify(self, channel, payload):
        with contextlib.closing(self.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute('SELECT pg_notify(%s, %s)', (channel, payload))

    def refused(self):
        with fails_with(psycopg2.OperationalError):
            self.connect(port=self.hands.world.refused_port)

    def denied(self):
        with fails_with(psycopg2.OperationalError):
            self.connect(password='not this one')

    def mute(self):
        """A peer that takes the connection and does not speak; libpq waits for two seconds at least."""
        with fails_with(psycopg2.OperationalError):
            self.connect(port=self.hands.world.mute_port, connect_timeout=2)


OPERATIONS = {Postgres.query: 30, Postgres.sleep: 12, Postgres.large: 5, Postgres.one_large_value: 4,
              Postgres.stream: 4, Postgres.send: 6, Postgres.copy: 4, Postgres.lock: 8, Postgres.error: 5,
              Postgres.compute: 6, Postgres.timeout: 4, Postgres.killed: 5, Postgres.cancelled: 3,
              Postgres.without_blocking: 3, Postgres.notified: 3, Postgres.refused: 2, Postgres.denied: 2,
              Postgres.mute: 1}


def life(hands, operations=OPERATIONS, most=15):
    client = Postgres(hands)
    with hands.operation('postgres connect'):
        client.connection = client.connect()
        client.connection.autocommit = True
    try:
        live(hands, 'postgres', operations, client, most)
    finally:
        with hands.operation('postgres close'):
            client.connection.close()
