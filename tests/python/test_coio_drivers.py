# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet MySQLdb psycopg2 pymysql
# services: mariadb postgres
# timeout: 120
"""Timeout and kill reach queries in C drivers, and in one in Python.

A C driver tries again after EINTR and ends with an error of its own, which runs
through the program's except and finally like any other; then the Timeout is
raised from it, or the coroutine ends as killed.  The queries would last for a
quarter of an hour.
"""
import contextlib
import sys
import threading
import unittest

import support

try:
    import MySQLdb
    import psycopg2
    import pymysql
except ImportError as error:
    print('no module %s' % error.name)
    sys.exit(77)

from coroutines import _glue, coio, until

SOON = 0.02


class Driver:
    def __init__(self, module, query, from_error):
        self.module = module
        self.query = query
        self.from_error = from_error  # Timeout has a driver's error as its cause

    def connect(self):
        if self.module is psycopg2:
            s = support.service('PG')
            connection = psycopg2.connect(host=s['host'], port=s['port'], user=s['user'],
                                          password=s['password'], dbname=s['db'])
            connection.autocommit = True  # or its first wait would be for BEGIN
            return connection
        s = support.service('MYSQL')
        return self.module.connect(host=s['host'], port=s['port'], user=s['user'], passwd=s['password'],
                                   db=s['db'])

    def ask(self, connection, query):
        cursor = connection.cursor()
        cursor.execute(query)
        return cursor.fetchone()[0]

    def wait(self, connection):
        self.ask(connection, self.query)


DRIVERS = (Driver(MySQLdb, 'SELECT SLEEP(1000)', True), Driver(psycopg2, 'SELECT pg_sleep(1000)', True),
           Driver(pymysql, 'SELECT SLEEP(1000)', False))


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Drivers(unittest.TestCase):
    def run(self, result=None):
        """Each test for each driver in main, and in a coroutine of a green thread."""
        if not support.GREEN:
            return super().run(result)
        for self.driver in DRIVERS:
            super().run(result)
            thread = threading.Thread(target=lambda: coio.spawn(super(Drivers, self).run, result).get())
            thread.start()
            thread.join()
        return result

    def setUp(self):
        self.connection = self.driver.connect()
        self.addCleanup(self.close, self.connection)

    def close(self, connection):
        with contextlib.suppress(self.driver.module.Error):
            connection.close()

    def tearDown(self):
        self.assertEqual(coio.current().timeouts, [])
        coio.sleep(SOON)  # raises what has been left behind
        _glue.verify()

    def assertUnusable(self):
        """In the way that the driver says: those of MySQL have closed it, libpq still waits for the answer."""
        if self.driver.module is psycopg2:
            with self.assertRaises(coio.Timeout), coio.Timeout(SOON):
                self.driver.ask(self.connection, 'SELECT 1')
        else:
            with self.assertRaises(self.driver.module.Error):
                self.driver.ask(self.connection, 'SELECT 1')
        with contextlib.closing(self.driver.connect()) as another:
            self.assertEqual(self.driver.ask(another, 'SELECT 1'), 1)

    def test_timeout(self):
        with self.assertRaises(coio.Timeout) as caught, coio.Timeout(SOON) as timeout:
            self.driver.wait(self.connection)
        self.assertIs(caught.exception, timeout)
        if self.driver.from_error:
            self.assertIsInstance(timeout.__cause__, self.driver.module.Error)
        self.assertUnusable()

    def test_silent_timeout(self):
        with coio.Timeout(SOON, silent=True):
            self.driver.wait(self.connection)
        self.assertUnusable()

    def test_outer_timeout(self):
        with self.assertRaises(coio.Timeout) as caught, coio.Timeout(SOON) as outer:
            with coio.Timeout(1000, silent=True) as inner:
                self.driver.wait(self.connection)
        self.assertIs(caught.exception, outer)
        self.assertFalse(inner.pending)

    def test_inner_timeout(self):
        with coio.Timeout(1000) as outer:
            with coio.Timeout(SOON, silent=True):
                self.driver.wait(self.connection)
            self.assertTrue(outer.pending)
            self.assertUnusable()

    def test_timeout_of_a_handled_error(self):
        """Whoever catches the driver's error and goes on is told at the end of the block."""
        if not self.driver.from_error:
            self.skipTest('the Timeout itself is raised')
        reached = []
        with self.assertRaises(coio.Timeout), coio.Timeout(SOON):
            try:
                self.driver.wait(self.connection)
            except self.driver.module.Error:
                reached.append('handler')
            reached.append('end')
        self.assertEqual(reached, ['handler', 'end'])

    def test_who_tries_again(self):
        """For ever, if the second try were allowed to wait."""
        tries = []
        with self.assertRaises(coio.Timeout), coio.Timeout(SOON):
            while True:
                tries.append(1)
                with contextlib.suppress(self.driver.module.Error), contextlib.closing(
                        self.driver.connect()) as connection:
                    self.driver.wait(connection)
        self.assertLessEqual(len(tries), 2)

    def test_kill(self):
        left = []

        def body():
            try:
                self.driver.wait(self.connection)
            finally:
                left.append(coio.current())

        other = until(coio.spawn(self.driver.ask, self.driver.connect(), 'SELECT 2'))
        co = until(coio.spawn(body))
        self.assertTrue(co.alive)
        co.kill()
        self.assertIsInstance(co.exception, coio.GreenletExit)
        self.assertEqual(left, [co])
        self.assertEqual(other.get(), 2)
        self.assertUnusable()

    def test_kill_of_the_bare_call(self):
        cursor = self.connection.cursor()
        co = until(coio.spawn(cursor.execute, self.driver.query))
        co.kill()
        self.assertIsInstance(co.exception, coio.GreenletExit)

    def test_killed_who_goes_on_is_so_until_its_next_wait(self):
        if not self.driver.from_error:
            self.skipTest('GreenletExit itself is raised')
        lock = coio.Lock()
        lock.acquire()
        reached = []

        def body():
            with contextlib.suppress(self.driver.module.Error):
                self.driver.wait(self.connection)
            reached.append('behind the query')
            lock.acquire()
            reached.append('behind the lock')

        co = until(coio.spawn(body))
        co.kill()
        self.assertIsInstance(co.exception, coio.GreenletExit)
        self.assertEqual(reached, ['behind the query'])

    def test_kill_in_connect(self):
        """To a server that accepts and says nothing."""
        with coio.serve(('127.0.0.1', 0), lambda sock, address: sock.recv(1) and coio.sleep(1000)) as server:
            host, port = server.address
            co = coio.spawn(self.driver.module.connect, host=host, port=port, user='nobody', password='none')
            support.wait_until(lambda: server.connections)
            self.assertTrue(until(co).alive)
            co.kill()
            self.assertIsInstance(co.exception, coio.GreenletExit)
            server.kill()


if __name__ == '__main__':
    support.main()
