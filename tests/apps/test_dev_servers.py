# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 180
"""The servers that frameworks and the standard library bring along, unchanged, under `syncless run`."""
import importlib.util
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'python'))
import support  # noqa: E402
from app_case import MOST_THREADS, AppCase, free_port  # noqa: E402

FLASK = '''
from flask import Flask
from pass_gate import pass_gate
app = Flask(__name__)
TEXT = 'first'

@app.route('/')
def text():
    return TEXT
@app.route('/gate')
def gate():
    return pass_gate()
'''

DJANGO = '''
import os, sys
from django.conf import settings
settings.configure(DEBUG=True, SECRET_KEY='x', ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'],
                   DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'data'}})
from django.http import HttpResponse
from django.urls import path
from pass_gate import pass_gate
TEXT = 'first'
urlpatterns = [path('', lambda request: HttpResponse(TEXT)), path('gate', lambda request: HttpResponse(pass_gate()))]

if __name__ == '__main__':
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
'''

CHERRYPY = '''
import sys, cherrypy
from pass_gate import pass_gate

class Site:
    @cherrypy.expose
    def index(self): return 'first'
    @cherrypy.expose
    def gate(self): return pass_gate()
cherrypy.config.update({'server.socket_port': int(sys.argv[1]), 'server.thread_pool': 30,
                        'engine.autoreload.on': False})
cherrypy.quickstart(Site())
'''

WEBPY = '''
import web
from pass_gate import pass_gate

class index:
    def GET(self): return 'first'
class gate:
    def GET(self): return pass_gate()
web.application(('/', 'index', '/gate', 'gate'), globals()).run()
'''


class Servers(AppCase):
    def serve(self, *words, module=None, **files):
        """Starts a program whose words may have {port}."""
        if module and importlib.util.find_spec(module) is None:
            self.skipTest(f'{sys.executable} has no {module}')
        self.write(**files)
        port = free_port()
        process = self.start(sys.executable, *(word.format(port=port) for word in words))
        self.await_port(process, port)
        return process

    def check(self, process, count=30, number=signal.SIGINT, threads=MOST_THREADS):
        self.assertEqual(self.get('/'), (200, 'first'))
        seen = self.check_overlap(count)
        self.assertEqual(len({pid for pid, _ in seen}), 1)
        self.assertLessEqual(max(found for _, found in seen), threads)
        process.send_signal(number)
        self.assertIn(process.wait(support.HANG), (0, -number), self.read(process.log))

    def check_reload(self, text):
        self.assertEqual(self.get('/'), (200, 'first'))
        self.write(demo=text.replace("'first'", "'second'"))
        later = time.time() + 5  # for file systems with coarse clocks
        os.utime(self.folder + '/demo.py', (later, later))
        support.wait_until(self.is_second, 'the changed application')
        self.check_overlap(10)

    def is_second(self):
        try:
            return self.get('/') == (200, 'second')
        except (OSError, EOFError):
            return False  # between two processes

    def test_flask(self):
        process = self.serve('-m', 'flask', 'run', '--port', '{port}', module='flask', app=FLASK)
        # Its listener is a duplicate, which others may accept from: so a thread of the offload pool does.
        self.check(process, threads=MOST_THREADS + 1)

    def test_flask_reloads(self):
        self.env['FLASK_APP'] = 'demo'
        self.serve('-m', 'flask', '--debug', 'run', '--port', '{port}', module='flask', demo=FLASK)
        self.check_reload(FLASK)

    def test_django(self):
        self.check(self.serve('demo.py', 'runserver', '--noreload', '127.0.0.1:{port}', module='django',
                              demo=DJANGO))

    def test_django_reloads(self):
        self.serve('demo.py', 'runserver', '127.0.0.1:{port}', module='django', demo=DJANGO)
        self.check_reload(DJANGO)

    def test_cherrypy(self):
        self.check(self.serve('demo.py', '{port}', module='cherrypy', demo=CHERRYPY), number=signal.SIGTERM)

    def test_webpy(self):
        self.check(self.serve('demo.py', '127.0.0.1:{port}', module='web', demo=WEBPY), count=10)

    def test_http_server(self):
        data = os.urandom(3_000_000)
        with open(self.folder + '/data', 'wb') as file:
            file.write(data)
        process = self.serve('-m', 'http.server', '--bind', '127.0.0.1', '{port}')
        half = [self.connect() for _ in range(30)]
        for client in half:
            client.send(b'GET /data HTTP/1.0\r\n')
        self.assertEqual(self.get('/nothing')[0], 404)
        self.assertIn('<a href="data">', self.get('/')[1])
        self.assertLessEqual(len(self.threads_of(process)), MOST_THREADS)
        for client in half:
            client.send(b'\r\n')
        for client in half:
            self.assertEqual(client.response().body, data)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(support.HANG), 0)

    @staticmethod
    def threads_of(process):
        """The names of its kernel threads, as support.kernel_threads() counts them."""
        names = []
        for tid in os.listdir(f'/proc/{process.pid}/task'):
            with open(f'/proc/{process.pid}/task/{tid}/comm') as file:
                names.append(file.read().strip())
        return [name for name in names if name != 'syncless-host']


if __name__ == '__main__':
    support.main()
