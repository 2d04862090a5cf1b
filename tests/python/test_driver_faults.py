# SPDX-License-Identifier: Apache-2.0
# needs: MySQLdb psycopg2 pycurl pymysql
# services: mariadb postgres
# timeout: 180
"""A server that dies under a query harms that query only.

One of many waiting queries loses its backend: its thread gets the driver's
normal error and all others get their results.  Then a whole server dies under
every one of its clients.  What "normal" is, plain Python says: each scenario
runs in a process without the preload and in one with it.
"""
import contextlib
import re
import sys
import unittest

import support

try:
    import test_drivers as drivers
    import MySQLdb
    import pycurl
    import pymysql
except ImportError as error:
    print('no module %s' % error.name)
    sys.exit(77)

THREADS = 60
VICTIM = 17


def describe(error):
    """Type and text of an error, without what differs from run to run."""
    text = re.sub(r'\d{5,}|0x[0-9a-f]+', 'N', str(error))
    return [type(error).__name__, ' '.join(text.split())]


class KillableMySQL(drivers.MySQL):
    """Each query carries its connection's id in a comment of its own."""

    def kill(self, i):
        marked = re.compile(r"'answer-', %d\)" % i)
        (victim,) = [row[0] for row in self.ask('SHOW FULL PROCESSLIST')
                     if marked.search(row[7] or '')]
        self.ask('KILL CONNECTION %d' % victim)


class KillablePyMySQL(KillableMySQL):
    LOCK = drivers.PyMySQL.LOCK


class KillablePostgres(drivers.Postgres):
    def kill(self, i):
        self.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE state = 'active' AND wait_event_type = 'Lock' AND"
                 " query LIKE '%%), %d, %%held by the gate%%'" % i)


class KillableCurl(drivers.Curl):
    def kill(self, i):
        self.ask('kill/answer-%d' % i)

    def kill_all(self):
        self.server.kill()


def outcomes(driver, deed):
    """What THREADS waiting queries bring when `deed(driver)` has been done."""
    found = {}

    def body(i):
        try:
            found[i] = driver.query(i)
        except Exception as error:
            found[i] = describe(error)
    with contextlib.ExitStack() as stack:
        driver.open()
        stack.callback(driver.close)
        with support.Crew() as crew:
            crew.start_many(THREADS, body)
            support.wait_until(lambda: driver.in_flight() == THREADS)
            deed(driver)
    return [list(found[i]) for i in range(THREADS)]


def kill_one(driver):
    def deed(_):
        driver.kill(VICTIM)
        support.wait_until(lambda: driver.in_flight() == THREADS - 1)
        driver.release()
    return lambda: outcomes(driver, deed)


def refused(connect):
    """A port that nobody listens on, tried by all threads at once."""
    def scenario():
        import socket
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
            found = []

            def body(_):
                try:
                    connect(port)
                except Exception as error:
                    name, text = describe(error)
                    found.append([name, text.replace(str(port), 'PORT')])
            with support.Crew() as crew:
                crew.start_many(20, body)
        return found
    return scenario


def curl_connect(port):
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, 'http://127.0.0.1:%d/' % port)
    try:
        curl.perform()
    except pycurl.error as error:
        raise pycurl.error(error.args[0])


def mysql_connect(module):
    return lambda port: module.connect(host='127.0.0.1', port=port, user='x')


SCENARIOS = {
    'mysqldb': kill_one(KillableMySQL(MySQLdb)),
    'pymysql': kill_one(KillablePyMySQL(pymysql)),
    'psycopg2': kill_one(KillablePostgres()),
    'pycurl': kill_one(KillableCurl()),
    'server-dies': lambda: outcomes(KillableCurl(), KillableCurl.kill_all),
    'refused-mysqldb': refused(mysql_connect(MySQLdb)),
    'refused-pymysql': refused(mysql_connect(pymysql)),
    'refused-psycopg2': refused(lambda port: drivers.psycopg2.connect(
        host='127.0.0.1', port=port, user='x', dbname='x')),
    'refused-pycurl': refused(curl_connect),
}


class DriverFaults(unittest.TestCase):
    maxDiff = 2000

    def one_dies(self, name, error):
        plain, ours = support.scenario_outcomes(__file__, name)
        self.assertEqual(ours, plain)
        self.assertEqual(ours[VICTIM][0], error)
        for i, answer in enumerate(ours):
            if i != VICTIM:
                self.assertEqual(answer, [i, 'answer-%d' % i])

    def test_mysqldb_backend_killed(self):
        support.service('MYSQL')
        self.one_dies('mysqldb', 'OperationalError')

    def test_pymysql_backend_killed(self):
        support.service('MYSQL')
        self.one_dies('pymysql', 'OperationalError')

    def test_psycopg2_backend_killed(self):
        support.service('PG')
        self.one_dies('psycopg2', 'OperationalError')

    def test_pycurl_connection_closed(self):
        self.one_dies('pycurl', 'error')

    def test_whole_server_dies(self):
        plain, ours = support.scenario_outcomes(__file__, 'server-dies')
        self.assertEqual(ours, plain)
        self.assertEqual({answer[0] for answer in ours}, {'error'})

    def test_refused(self):
        for name in SCENARIOS:
            if name.startswith('refused-'):
                with self.subTest(name):
                    plain, ours = support.scenario_outcomes(__file__, name)
                    self.assertEqual(len(ours), 20, ours)
                    self.assertEqual(ours, plain)


if __name__ == '__main__':
    support.main(SCENARIOS)
