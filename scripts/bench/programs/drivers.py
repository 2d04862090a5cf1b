# SPDX-License-Identifier: Apache-2.0
"""Threads that each ask a slow question through a client library.

    drivers.py THREADS SECONDS HTTP_PORT DRIVER...

Each thread connects, waits at a barrier until all have connected, asks for an
answer that takes SECONDS, and checks that it is its own.  Prints as JSON the
time for all connects (the servers' own cost: PostgreSQL forks a process a
connection), the time from the barrier to the last answer, which could at best
be SECONDS, both together, the CPU time, and the kernel threads in mid-flight.  With
several drivers the threads are dealt out evenly.
"""
import importlib
import io
import json
import os
import re
import sys
import threading
import time

COUNT, SECONDS, HTTP_PORT = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]


def service(name, key):
    return os.environ[f'SYNCLESS_{name}_{key}']


def mysql(module, number):
    connection = module.connect(host=service('MYSQL', 'HOST'), port=int(service('MYSQL', 'PORT')),
                                user=service('MYSQL', 'USER'),
                                password=service('MYSQL', 'PASSWORD'),
                                database=service('MYSQL', 'DB'))
    all_connected.wait()
    cursor = connection.cursor()
    cursor.execute(f'SELECT SLEEP({SECONDS}), {number}')
    row = cursor.fetchone()
    connection.close()
    return tuple(row) == (0, number)


def postgres(module, number):
    connection = module.connect(host=service('PG', 'HOST'), port=service('PG', 'PORT'),
                                user=service('PG', 'USER'), password=service('PG', 'PASSWORD'),
                                dbname=service('PG', 'DB'))
    all_connected.wait()
    cursor = connection.cursor()
    cursor.execute(f'SELECT pg_sleep({SECONDS}), {number}')
    row = cursor.fetchone()
    connection.close()
    return row[1] == number


def curl(module, number):
    body = io.BytesIO()
    handle = module.Curl()
    handle.setopt(module.URL, f'http://127.0.0.1:{HTTP_PORT}/{SECONDS}/{number}')
    handle.setopt(module.WRITEDATA, body)
    handle.setopt(module.NOSIGNAL, 1)
    all_connected.wait()
    handle.perform()
    handle.close()
    return body.getvalue() == str(number).encode()


DRIVERS = {'MySQLdb': mysql, 'pymysql': mysql, 'psycopg2': postgres, 'pycurl': curl}


def ask(driver, module, number):
    try:
        right[number] = DRIVERS[driver](module, number)
    except threading.BrokenBarrierError:
        pass
    except Exception as error:
        errors.append(f'{driver}: {error!r}')
        all_connected.abort()


drivers = sys.argv[4:]
modules = {driver: importlib.import_module(driver) for driver in drivers}
all_connected = threading.Barrier(COUNT + 1)
right, errors = [False] * COUNT, []
threads = [threading.Thread(target=ask, args=(name, modules[name], number))
           for number in range(COUNT) for name in [drivers[number % len(drivers)]]]
began, cpu_began = time.monotonic(), time.process_time()
for thread in threads:
    thread.start()
try:
    all_connected.wait()
except threading.BrokenBarrierError:
    sys.exit(errors[0] if errors else 'a thread did not connect')
connected = time.monotonic()
with open('/proc/self/status', encoding='ascii') as status:
    kernel_threads = int(re.search(r'^Threads:\s*(\d+)', status.read(), re.M).group(1))
for thread in threads:
    thread.join()
ended = time.monotonic()
for error in errors:
    print(error, file=sys.stderr)
print(json.dumps({'connect_s': connected - began, 'query_s': ended - connected,
                  'all_s': ended - began, 'cpu_s': time.process_time() - cpu_began,
                  'threads': kernel_threads, 'wrong': right.count(False)}))
