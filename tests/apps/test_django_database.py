# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet django
# services: postgres
# timeout: 120
"""docs/django.md: 500 requests at once, and a database whose user may have 20 connections."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'python'))
import support  # noqa: E402
from app_case import LAUNCHER, AppCase  # noqa: E402

REQUESTS = 500
MOST = 20
SITE = '''
import os
from django.conf import settings
import databases
settings.configure(SECRET_KEY='x', ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'], MIDDLEWARE=[], LOGGING_CONFIG=None,
                   DATABASES=databases.DATABASES)
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from pass_gate import pass_gate

def number(request, n):
    pass_gate()
    with connection.cursor() as cursor:
        cursor.execute('SELECT %s + count(*) * 0, pg_sleep(0.01) FROM pg_stat_activity', [n])
        return HttpResponse(str(cursor.fetchone()[0]))
def wrong(request):
    with connection.cursor() as cursor:
        cursor.execute('BEGIN; SELECT 1 / 0')
def connections(request):
    with connection.cursor() as cursor:
        cursor.execute('SELECT count(*) FROM pg_stat_activity WHERE usename = current_user')
        return HttpResponse(str(cursor.fetchone()[0]))
urlpatterns = [path('number/<int:n>', number), path('wrong', wrong), path('connections', connections)]
app = get_wsgi_application()
'''


def page_blocks():
    with open(os.path.join(support.ROOT, 'docs', 'django.md')) as file:
        return re.findall(r'^```python\n(.*?)^```$', file.read(), re.M | re.S)


def has(code):
    return subprocess.run([sys.executable, '-c', code], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Database(AppCase):
    files = {'demo': SITE}

    def setUp(self):
        super().setUp()
        self.server = support.service('PG')
        self.run_sql(f'DROP ROLE IF EXISTS twenty; '
                     f"CREATE ROLE twenty LOGIN PASSWORD 'twenty' CONNECTION LIMIT {MOST}")

    def run_sql(self, text):
        run = subprocess.run(['psql', '-v', 'ON_ERROR_STOP=1', '-h', self.server['host'], '-p', str(self.server['port']),
                              '-U', self.server['user'], self.server['db'], '-c', text.replace('; ', ';')],
                             env={**self.env, 'PGPASSWORD': self.server['password']}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=support.HANG)
        self.assertEqual(run.returncode, 0, run.stdout)

    def settings(self, text):
        """The page's, for the test's server."""
        for old, new in (("'127.0.0.1'", f"'{self.server['host']}', 'PORT': {self.server['port']}, 'PASSWORD': 'twenty'"),
                         ("'shop'", repr(self.server['db'])), ("'app'", "'twenty'")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        return text

    def check(self):
        listener = self.listen()
        process = self.start(LAUNCHER, 'serve', 'demo:app', '--fd', str(listener.fileno()), preloaded=False,
                             pass_fds=[listener.fileno()])
        self.await_line(process, 'syncless: serving at')
        for _ in range(MOST + 5):
            self.assertEqual(self.get('/wrong')[0], 500)  # no connection is lost by that, nor its error seen by others
        clients = [self.connect() for _ in range(REQUESTS)]
        for n, client in enumerate(clients):
            client.send(f'GET /number/{n} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
        seen = self.gate.arrive(REQUESTS)
        self.assertEqual({pid for pid, _ in seen}, {process.pid})
        self.gate.open()
        for n, client in enumerate(clients):
            response = client.response()
            self.assertEqual((response.status, response.body), (200, str(n).encode()), self.read(process.log)[-3000:])
        self.assertEqual(self.get('/connections'), (200, str(MOST)))
        process.terminate()
        self.assertEqual(process.wait(support.HANG), 0)

    def test_a_pool_of_ones_own(self):
        if not has('import psycopg2'):
            self.skipTest('no psycopg2')
        settings, backend = page_blocks()
        os.mkdir(self.folder + '/pooled')
        self.write(databases=self.settings(re.sub(r"    'OPTIONS.*\n", '', settings).replace(
            'django.db.backends.postgresql', 'pooled')), **{'pooled/__init__': '', 'pooled/base': backend})
        self.check()

    def test_the_pool_of_django(self):
        if not has('import django, psycopg_pool; assert django.VERSION >= (5, 1)'):
            self.skipTest('no Django 5.1 with psycopg_pool')
        self.write(databases=self.settings(page_blocks()[0]))
        self.check()


if __name__ == '__main__':
    support.main()
