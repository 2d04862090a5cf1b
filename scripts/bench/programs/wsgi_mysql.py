# SPDX-License-Identifier: Apache-2.0
"""The same, but each request waits 10 ms in MySQLdb, on a connection that no other request has meanwhile.

As a program it lets the database take a connection for each: wsgi_mysql.py COUNT.
"""
import os
import sys

import MySQLdb

import wsgi_hello

SERVER = {name: os.environ[f'SYNCLESS_MYSQL_{name.upper()}'] for name in ('host', 'user', 'password')}

idle = []  # connections; append and pop are atomic, for threads and for coroutines


def connect():
    return MySQLdb.connect(port=int(os.environ['SYNCLESS_MYSQL_PORT']), **SERVER)


def take():
    try:
        return idle.pop()
    except IndexError:
        return connect()


def application(environ, start_response):
    connection = take()
    cursor = connection.cursor()
    cursor.execute('SELECT SLEEP(0.01)')
    cursor.fetchall()
    cursor.close()
    idle.append(connection)
    return wsgi_hello.application(environ, start_response)


if __name__ == '__main__':
    connect().query(f'SET GLOBAL max_connections = {int(sys.argv[1])}')
