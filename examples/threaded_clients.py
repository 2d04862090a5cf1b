# SPDX-License-Identifier: Apache-2.0
"""An ordinary threaded program: a thread for each slow question.

    threaded_clients.py http://HOST:PORT [THREADS [SECONDS]]

Half of the threads ask MySQL for SELECT SLEEP(0.5), each on a connection of
its own, through the C client library behind MySQLdb; the other half fetch
slow pages from examples/slow_server.py through libcurl.  Each question has an
answer of its own, and each answer is checked.  MYSQL_HOST, MYSQL_PORT,
MYSQL_USER, MYSQL_PASSWORD and MYSQL_DATABASE name the database; without
MYSQL_HOST all threads fetch pages.  Prints, as one line of JSON, what it took.
"""
import io
import json
import os
import re
import sys
import threading
import time

import pycurl

URL = sys.argv[1]
THREADS = int(sys.argv[2]) if len(sys.argv) > 2 else 200
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 0.5
USE_MYSQL = 'MYSQL_HOST' in os.environ

if USE_MYSQL:
    import MySQLdb


def ask_mysql(number):
    connection = MySQLdb.connect(
        host=os.environ['MYSQL_HOST'], port=int(os.environ['MYSQL_PORT']),
        user=os.environ['MYSQL_USER'], passwd=os.environ['MYSQL_PASSWORD'],
        db=os.environ['MYSQL_DATABASE'])
    cursor = connection.cursor()
    cursor.execute('SELECT SLEEP(%s), CONCAT("answer-", %s)', (SECONDS, number))
    slept, text = cursor.fetchone()
    connection.close()
    return text if slept == 0 else 'woken early'


def fetch_page(number):
    page = io.BytesIO()
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f'{URL}/{SECONDS}/answer-{number}')
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.WRITEDATA, page)
    curl.perform()
    curl.close()
    return page.getvalue().decode()


def work(number, ask):
    try:
        answers[number] = ask(number)
    except Exception as error:
        answers[number] = repr(error)


def process_status(name):
    with open('/proc/self/status') as status:
        return int(re.search(rf'^{name}:\s*(\d+)', status.read(), re.M).group(1))


answers = {}
asks = [ask_mysql if USE_MYSQL and number % 2 else fetch_page for number in range(THREADS)]
began, cpu_began = time.monotonic(), time.process_time()
threads = [threading.Thread(target=work, args=(number, ask)) for number, ask in enumerate(asks)]
for thread in threads:
    thread.start()
kernel_threads = process_status('Threads')
for thread in threads:
    while thread.is_alive():
        kernel_threads = max(kernel_threads, process_status('Threads'))
        thread.join(0.05)
wall, cpu = time.monotonic() - began, time.process_time() - cpu_began

wrong = {number: answers.get(number) for number in range(THREADS)
         if answers.get(number) != f'answer-{number}'}
for number, answer in list(wrong.items())[:5]:
    print(f'wrong answer to {asks[number].__name__}({number}): {answer}', file=sys.stderr)
print(json.dumps({'threads': THREADS, 'mysql': asks.count(ask_mysql), 'wrong': len(wrong),
                  'wall_s': wall, 'cpu_s': cpu, 'kernel_threads': kernel_threads,
                  'peak_memory_kb': process_status('VmHWM')}))
sys.exit(1 if wrong else 0)
