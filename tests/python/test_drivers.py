# SPDX-License-Identifier: Apache-2.0
# needs: MySQLdb psycopg2 pycurl pymysql
# services: mariadb postgres
# timeout: 180
"""200 threads in each C driver, and in all of them at once.

Every query waits in the server for a lock that one more connection holds (the
slow HTTP server keeps its answers back likewise).  That connection reads the
server's own list of what it is doing until all 200 queries are on it, which
can only be when no thread holds up another; then it lets go.  Each query
returns a value of its own, so a mixed-up answer would show.
"""
import contextlib
import io
import os
import subprocess
import sys
import threading
import unittest

import support

try:
    import MySQLdb
    import psycopg2
    import pycurl
    import pymysql
except ImportError as error:
    print('no module %s' % error.name)
    sys.exit(77)

THREADS = 200


class MySQL:
    """Queries wait on a named lock; SHOW PROCESSLIST shows them."""
    LOCK = 'syncless_gate'

    def __init__(self, module):
        self.module = module

    def connect(self):
        s = support.service('MYSQL')
        return self.module.connect(host=s['host'], port=s['port'], user=s['user'],
                                   passwd=s['password'], db=s['db'])

    def open(self):
        self.observer = self.connect()
        self.ask('SELECT GET_LOCK(%s, 10)', (self.LOCK,))

    def ask(self, query, args=()):
        cursor = self.observer.cursor()
        cursor.execute(query, args)
        return cursor.fetchall()

    def in_flight(self):
        waiting = "GET_LOCK('%s', 100)" % self.LOCK
        return sum(waiting in (row[7] or '') and row[4] == 'Query'
                   for row in self.ask('SHOW FULL PROCESSLIST'))

    def release(self):
        self.ask('SELECT RELEASE_LOCK(%s)', (self.LOCK,))

    def close(self):
        self.observer.close()

    def query(self, i):
        with contextlib.closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT GET_LOCK(%s, 100),"
                           " RELEASE_LOCK(%s), %s, CONCAT('answer-', %s)",
                           (self.LOCK, self.LOCK, i, i))
            (row,) = cursor.fetchall()
            return tuple(row[2:])


class PyMySQL(MySQL):
    """A lock of its own, or it would count and release MySQLdb's."""
    LOCK = 'syncless_gate_2'


class Postgres:
    """Queries wait on an advisory lock; pg_stat_activity shows them."""

    def connect(self):
        s = support.service('PG')
        return psycopg2.connect(host=s['host'], port=s['port'], user=s['user'],
                                password=s['password'], dbname=s['db'])

    def open(self):
        self.observer = self.connect()
        self.observer.autocommit = True
        self.ask('SELECT pg_advisory_lock(42)')

    def ask(self, query):
        with self.observer.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def in_flight(self):
        ((count,),) = self.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            " AND wait_event_type = 'Lock' AND query LIKE '%held by the gate%'")
        return count

    def release(self):
        self.ask('SELECT pg_advisory_unlock(42)')

    def close(self):
        self.observer.close()

    def query(self, i):
        with contextlib.closing(self.connect()) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock_shared(42), %s,"
                               " 'answer-' || %s /* held by the gate */", (i, i))
                (row,) = cursor.fetchall()
                return row[1:]


class Curl:
    """Fetches wait in the slow server, which counts them."""

    def open(self):
        self.server = subprocess.Popen(
            [sys.executable, os.path.join(support.HERE, 'gate_server.py')],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=support.plain_env())
        self.url = 'http://127.0.0.1:%d' % int(self.server.stdout.readline())

    def ask(self, verb):
        curl, body = pycurl.Curl(), io.BytesIO()
        curl.setopt(pycurl.URL, self.url + '/' + verb)
        curl.setopt(pycurl.WRITEDATA, body)
        curl.perform()
        curl.close()
        return body.getvalue()

    def in_flight(self):
        return int(self.ask('count'))

    def release(self):
        self.ask('open')

    def close(self):
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def query(self, i):
        body = io.BytesIO()
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, '%s/hold/answer-%d' % (self.url, i))
        curl.setopt(pycurl.WRITEDATA, body)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.perform()
        code = curl.getinfo(pycurl.RESPONSE_CODE)
        curl.close()
        return i if code == 200 else code, body.getvalue().decode()


class Drivers(unittest.TestCase):
    def run_drivers(self, *drivers):
        """THREADS queries, evenly among the drivers, all in flight at once."""
        each = THREADS // len(drivers)
        answers = {}

        def body(driver, i):
            answers[i] = driver.query(i)
        with contextlib.ExitStack() as stack:
            for driver in drivers:
                driver.open()
                stack.callback(driver.close)
            crew = support.Crew()
            for i in range(each * len(drivers)):
                crew.start(body, drivers[i % len(drivers)], i)
            for driver in drivers:
                support.wait_until(
                    lambda: crew.errors or driver.in_flight() == each,
                    '%d queries in flight' % each)
            in_flight = [driver.in_flight() for driver in drivers]
            threads = support.kernel_threads()
            for driver in drivers:
                driver.release()
            crew.join()
        self.assertEqual(in_flight, [each] * len(drivers))
        self.assertEqual(answers, {i: (i, 'answer-%d' % i)
                                   for i in range(each * len(drivers))})
        if support.GREEN:
            self.assertLessEqual(threads, 3)

    def test_mysqldb(self):
        self.run_drivers(MySQL(MySQLdb))

    def test_psycopg2(self):
        self.run_drivers(Postgres())

    def test_pycurl(self):
        self.run_drivers(Curl())

    def test_pymysql(self):
        self.run_drivers(PyMySQL(pymysql))

    def test_all_mixed(self):
        self.run_drivers(MySQL(MySQLdb), Postgres(), Curl(), PyMySQL(pymysql))

    def test_connections_reused(self):
        """One connection per thread, many short queries on each."""
        for kind in ('MYSQL', 'PG'):
            support.service(kind)
        mysql, postgres = MySQL(MySQLdb), Postgres()
        gate = threading.Barrier(40)

        def body(i):
            connection = (mysql if i % 2 else postgres).connect()
            gate.wait(support.HANG)
            with contextlib.closing(connection):
                cursor = connection.cursor()
                for k in range(25):
                    cursor.execute('SELECT %s, repeat(%s, 5000)',
                                   (i * 1000 + k, 'x%d' % (k % 10)))
                    self.assertEqual(cursor.fetchall()[0], (
                        i * 1000 + k, 'x%d' % (k % 10) * 5000))
        with support.Crew() as crew:
            crew.start_many(40, body)


if __name__ == '__main__':
    support.main()
