# SPDX-License-Identifier: Apache-2.0
"""MySQLdb: connections that live, are killed, time out, and are closed in the middle of something."""
import contextlib
import hashlib
import threading

import MySQLdb
import MySQLdb.cursors

from ledger import Wrong, expect, fails_with
from world import live

LOST = 2006, 2013, 1927, 1317  # gone away, lost during the query, killed, interrupted by KILL
ROWS = 800


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class MySQL:
    def __init__(self, hands):
        self.hands = hands
        self.random = hands.random

    def connect(self, **changes):
        at = self.hands.world.mysql
        return MySQLdb.connect(**{**dict(host=at['host'], port=at['port'], user=at['user'],
                                         passwd=at['password'], db=at['db']), **changes})

    def ask(self, query, *args, cursor=MySQLdb.cursors.Cursor):
        with contextlib.closing(self.connection.cursor(cursor)) as found:
            found.execute(query, args)
            return found.fetchall()

    # Each returns True if the connection is of no more use.

    def query(self):
        for _ in range(self.random.choice((1, 1, 5, 20))):
            token, number = self.hands.token(), self.random.randrange(1 << 20)
            expect(self.ask('SELECT %s, %s * 3, MD5(%s)', token, number, token),
                   ((token, number * 3, md5(token)),))

    def sleep(self):
        token = self.hands.token()
        expect(self.ask('SELECT SLEEP(%s), %s', self.random.random() / 5, token), ((0, token),))

    def large(self):
        token = self.hands.token()
        rows = self.ask('SELECT seq, REPEAT(MD5(CONCAT(%s, seq)), 12) FROM seq_1_to_' + str(ROWS), token)
        expect(rows, tuple((i, md5(token + str(i)) * 12) for i in range(1, ROWS + 1)))

    def one_large_value(self):
        token = self.hands.token()
        expect(self.ask('SELECT REPEAT(%s, 100000)', token), ((token * 100000,),))

    def stream(self):
        """Row by row, and not to the end: the driver reads the rest away."""
        token = self.hands.token()
        with contextlib.closing(self.connection.cursor(MySQLdb.cursors.SSCursor)) as cursor:
            cursor.execute('SELECT CONCAT(%s, seq) FROM seq_1_to_5000', (token,))
            for i in range(1, self.random.randrange(2, 1000)):
                expect(cursor.fetchone(), (f'{token}{i}',))
        expect(self.ask('SELECT %s', token), ((token,),))

    def send(self):
        text = self.hands.token() * self.random.randrange(1, 30000)
        expect(self.ask('SELECT LENGTH(%s), MD5(%s)', text, text), ((len(text), md5(text)),))

    def table(self):
        numbers = [self.random.randrange(1000) for _ in range(50)]
        with contextlib.closing(self.connection.cursor()) as cursor:
            cursor.execute('CREATE TEMPORARY TABLE soak (n INT) ENGINE=MEMORY')
            cursor.executemany('INSERT INTO soak VALUES (%s)', [(n,) for n in numbers])
            cursor.execute('SELECT SUM(n), COUNT(*) FROM soak')
            expect(tuple(map(int, cursor.fetchone())), (sum(numbers), len(numbers)))
            cursor.execute('DROP TEMPORARY TABLE soak')

    def lock(self):
        place = f'soak-{self.random.randrange(3)}'
        ((granted,),) = self.ask('SELECT GET_LOCK(%s, 0.3)', place)
        if not granted:
            return
        with self.hands.alone_inside('mysql ' + place):
            self.hands.compute(2000)
            expect(self.ask('SELECT SLEEP(0.005)'), ((0,),))
        expect(self.ask('SELECT RELEASE_LOCK(%s)', place), ((1,),))

    def error(self):
        with fails_with(MySQLdb.ProgrammingError, 1146):
            self.ask('SELECT * FROM no_such_table')

    def compute(self):
        self.hands.compute()

    def timeout(self):
        """The client has waited for long enough."""
        with contextlib.closing(self.connect(read_timeout=1)) as self.connection:
            with fails_with(MySQLdb.OperationalError, 2013):
                self.ask('SELECT SLEEP(4)')
        return True

    def killed(self):
        """Another connection ends this one, which waits for an answer."""
        with self.hands.beside(self.tell, f'KILL {self.connection.thread_id()}'):
            with fails_with(MySQLdb.OperationalError, *LOST):
                self.ask('SELECT SLEEP(40)')
        return True

    def interrupted(self):
        """Another one ends the query, which fails, or answers that the sleep was interrupted; an order that
        comes before the query has begun ends nothing."""
        done = threading.Event()
        with self.hands.beside(self.tell, f'KILL QUERY {self.connection.thread_id()}', done):
            try:
                expect(self.ask('SELECT SLEEP(40)'), ((1,),))
            except MySQLdb.OperationalError as error:
                expect(error.args[0], 1317)
            finally:
                done.set()
        return True

    def tell(self, order, done=None):
        with contextlib.closing(self.connect()) as connection:
            with contextlib.closing(connection.cursor()) as cursor:
                while not done or not done.wait(0.03):
                    cursor.execute(order)
                    if not done:
                        return

    def refused(self):
        with fails_with(MySQLdb.OperationalError, 2002, 2003):
            self.connect(port=self.hands.world.refused_port)

    def denied(self):
        with fails_with(MySQLdb.OperationalError, 1045):
            self.connect(passwd='not this one')

    def mute(self):
        """A peer that takes the connection and does not speak."""
        with fails_with(MySQLdb.OperationalError, 2003, 2013):
            self.connect(port=self.hands.world.mute_port, connect_timeout=1)

    def left_open(self):
        """Closed with the rows of an answer unread, by the end of the connection alone."""
        cursor = self.connection.cursor(MySQLdb.cursors.SSCursor)
        cursor.execute('SELECT REPEAT(seq, 50) FROM seq_1_to_5000')
        expect(cursor.fetchone(), ('1' * 50,))
        cursor.close()
        return True


OPERATIONS = {MySQL.query: 30, MySQL.sleep: 12, MySQL.large: 5, MySQL.one_large_value: 4, MySQL.stream: 4,
              MySQL.send: 6, MySQL.table: 4, MySQL.lock: 8, MySQL.error: 5, MySQL.compute: 6,
              MySQL.timeout: 2, MySQL.killed: 5, MySQL.interrupted: 3, MySQL.refused: 2, MySQL.denied: 2,
              MySQL.mute: 1, MySQL.left_open: 3}


def life(hands, operations=OPERATIONS, most=15):
    client = MySQL(hands)
    with hands.operation('mysql connect'):
        client.connection = client.connect()
    try:
        live(hands, 'mysql', operations, client, most)
    finally:
        with hands.operation('mysql close'):
            close(client.connection)


def close(connection):
    """It may have been closed already, which is said so."""
    try:
        connection.close()
    except MySQLdb.Error as error:
        if error.args[0] != 2006:
            raise Wrong('close() failed') from error
