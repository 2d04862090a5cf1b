# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet gunicorn
# timeout: 180
"""gunicorn -k syncless.gunicorn.Worker: real processes, as users start them."""
import json
import os
import signal
import socket
import ssl
import sys

import certificate
import support
from app_case import MOST_THREADS, TELL_UP, AppCase, free_port
from http_case import Client

GUNICORN = [sys.executable, '-m', 'gunicorn']
OURS = 'syncless.gunicorn.Worker'
APPLICATION = '''
import json, os, threading, time
from pass_gate import pass_gate
with open('loaded', 'a') as file:
    file.write(f'{os.getpid()}\\n')
TEXT = 'first'
NAMES = ('wsgi.multithread', 'wsgi.multiprocess', 'wsgi.url_scheme', 'RAW_URI', 'SCRIPT_NAME', 'PATH_INFO',
         'QUERY_STRING', 'REMOTE_ADDR', 'SERVER_SOFTWARE', 'HTTP_X_OWN')

def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/crash':
        raise ValueError('on purpose')
    text = TEXT
    if path == '/gate':
        text = pass_gate()
    elif path == '/slow':
        for _ in range(50):
            time.sleep(0.1)
        text = str(os.getpid())
    elif path == '/pid':
        text = str(os.getpid())
    elif path == '/environ':
        text = json.dumps({name: environ[name] for name in NAMES if name in environ})
    elif path == '/body':
        text = environ['wsgi.input'].read().decode().upper()
    start_response('200 OK', [('Content-Type', 'text/plain'), ('X-Answer', 'mine'), ('Content-Length', str(len(text))),
                              ('X-Thread', str(threading.get_ident()))])
    return [text.encode()]
'''


class Gunicorn(AppCase):
    files = {'demo': APPLICATION, 'gunicorn.conf': TELL_UP}

    def gunicorn(self, *words, kind=OURS, app='demo:application', **options):
        """Starts it at a socket of ours; requests may come at once."""
        listener = self.listen()
        return self.start(*GUNICORN, '-k', kind, '-b', f'fd://{listener.fileno()}', *words, app,
                          pass_fds=[listener.fileno()], **options)

    def loads(self):
        """The processes that have imported the application."""
        return self.read(self.folder + '/loaded').split() if os.path.exists(self.folder + '/loaded') else []

    def check_end(self, process, number=signal.SIGTERM):
        if '-c' not in process.args:  # another file of settings
            self.await_workers(process, 2 if '-w' in process.args else 1)
        process.send_signal(number)
        self.assertEqual(process.wait(support.HANG), 0, self.read(process.log))


class Requests(Gunicorn):
    def test_they_overlap_in_each_of_two_processes(self):
        for kind in OURS, 'syncless.gunicorn.CoroutineWorker':
            process = self.gunicorn('-w', '2', kind=kind)
            support.wait_until(lambda: len(self.loads()) == 2, 'two workers')
            workers = set(map(int, self.loads()))
            seen = self.check_overlap(40)
            self.assertLessEqual({pid for pid, _ in seen}, workers)
            self.assertLessEqual(max(threads for _, threads in seen), MOST_THREADS)
            self.check_end(process)
            os.unlink(self.folder + '/loaded')

    def test_threads_tell_requests_apart(self):
        for kind, is_apart in (OURS, True), ('syncless.gunicorn.CoroutineWorker', False):
            process = self.gunicorn(kind=kind)
            clients = [self.connect() for _ in range(10)]
            for client in clients:
                client.send(b'GET /gate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            self.gate.arrive(10)
            self.gate.open()
            self.assertEqual(len({client.response().get('X-Thread') for client in clients}), 10 if is_apart else 1)
            self.check_end(process)

    def test_preload(self):
        process = self.gunicorn('-w', '2', '--preload')
        seen = self.check_overlap(40)
        self.assertEqual(self.loads(), [str(process.pid)])
        self.assertNotIn(process.pid, {pid for pid, _ in seen})
        self.check_end(process)

    def test_environ(self):
        self.env['SCRIPT_NAME'] = '/below'
        process = self.gunicorn('-w', '2')
        status, text = self.get('/below/environ?a=%20', 'X-Own: mine', 'X-Forwarded-Proto: https')
        found = json.loads(text)
        self.assertTrue(found.pop('SERVER_SOFTWARE').startswith('gunicorn'))
        self.assertEqual(found, {
            'wsgi.multithread': True, 'wsgi.multiprocess': True, 'wsgi.url_scheme': 'https', 'SCRIPT_NAME': '/below',
            'RAW_URI': '/below/environ?a=%20', 'PATH_INFO': '/environ', 'QUERY_STRING': 'a=%20',
            'REMOTE_ADDR': '127.0.0.1', 'HTTP_X_OWN': 'mine'})
        self.assertEqual(self.get('/environ')[0], 500)
        self.assertEqual(self.get('/below/', 'X-Forwarded-Proto: https', 'X-Forwarded-Ssl: off')[0], 400)
        self.check_end(process)

    def test_a_proxy_that_is_not_trusted(self):
        process = self.gunicorn('--forwarded-allow-ips', '10.0.0.1')
        self.assertEqual(json.loads(self.get('/environ', 'X-Forwarded-Proto: https')[1])['wsgi.url_scheme'], 'http')
        self.check_end(process)

    def test_errors_go_to_its_log(self):
        process = self.gunicorn()
        self.assertEqual(self.get('/crash')[0], 500)
        self.assertEqual(self.get('/'), (200, 'first'))
        self.check_end(process)
        text = self.read(process.log)
        self.assertIn('ValueError: on purpose', text)
        self.assertIn('GET /crash', text)

    def test_several_listeners(self):
        path, port = self.folder + '/socket', free_port()
        process = self.start(*GUNICORN, '-k', OURS, '-b', f'127.0.0.1:{port}', '-b', 'unix:' + path, 'demo:application')
        self.await_port(process, port)
        self.assertEqual(self.get('/'), (200, 'first'))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(b'POST /body HTTP/1.0\r\nContent-Length: 4\r\n\r\nword')
            with sock.makefile('rb') as file:
                self.assertTrue(file.read().endswith(b'\r\n\r\nWORD'))
        self.check_end(process)

    def test_tls(self):
        pem, other = certificate.make(self.folder), certificate.make(self.folder, 'other.example')
        process = self.gunicorn('--certfile', pem, '--keyfile', pem, '--ca-certs', pem, '--cert-reqs', '1')
        client = Client(self.address, ssl.create_default_context(cafile=pem))
        found = json.loads(client.ask('/environ', 'Connection: close').body)
        self.assertEqual(found['wsgi.url_scheme'], 'https')
        client.close()
        self.check_end(process)
        process = self.gunicorn('--certfile', pem, '--keyfile', other)
        self.assertEqual(process.wait(support.HANG), 1)
        self.assertIn('Error: there can be no TLS with this --certfile, --keyfile and their kin: ', self.read(process.log))

    def test_limits(self):
        process = self.gunicorn('--limit-request-line', '100', '--limit-request-fields', '5', '--keep-alive', '0')
        self.assertEqual(self.get('/' + 'x' * 100)[0], 414)
        self.assertEqual(self.get('/', *(f'X-{n}: 1' for n in range(5)))[0], 431)
        client = self.connect()
        self.assertEqual(client.ask('/').get('Connection'), 'close')
        self.assertEqual(client.rest(), b'')
        self.check_end(process)

    def test_worker_connections(self):
        process = self.gunicorn('--worker-connections', '2')
        inside = [self.connect() for _ in range(2)]
        for client in inside:
            client.send(b'GET /gate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        self.gate.arrive(2)
        third = self.connect()
        third.send(b'GET /gate HTTP/1.1\r\nHost: x\r\n\r\n')
        self.gate.open()
        for client in inside:
            self.assertEqual(client.response().status, 200)
        self.gate.arrive(1)
        self.gate.open()
        self.assertEqual(third.response().status, 200)
        self.check_end(process)


class Logs(Gunicorn):
    FORMAT = '%(h)s "%(r)s" %(s)s %(b)s %(m)s %(U)s %(q)s %(H)s %(f)s %(a)s %({x-own}i)s %({x-answer}o)s'
    HOOKS = '''
        def pre_request(worker, req):
            req.mark = 'marked'
        def post_request(worker, req, environ, resp):
            with open('hooked', 'a') as file:
                print(req.mark, req.method, req.path, req.query, req.version, environ['PATH_INFO'],
                      sorted(resp.headers)[:2], file=file)
    '''

    def lines_of(self, kind):
        process = self.gunicorn('--access-logfile', f'{kind}.access', '--access-logformat', self.FORMAT,
                                '-c', 'hooks.py', kind=kind)
        client = self.connect()
        for path in '/', '/?q=%22':
            self.assertEqual(client.ask(path, 'X-Own: a"b', 'User-Agent: test', 'Connection: close').status, 200)
            client = self.connect()
        client.send(b'POST /body HTTP/1.0\r\nReferer: there\r\nContent-Length: 4\r\n\r\nword')
        self.assertTrue(client.rest().endswith(b'WORD'))
        self.check_end(process)
        hooked = self.read(self.folder + '/hooked')
        os.unlink(self.folder + '/hooked')
        return self.read(f'{self.folder}/{kind}.access'), hooked

    def test_they_are_those_of_its_own_workers(self):
        self.write(hooks=self.HOOKS)
        logged, hooked = self.lines_of('sync')
        ours, ours_hooked = self.lines_of(OURS)
        self.assertEqual(logged.count('\n'), 3)
        self.assertEqual([line.split()[0] for line in hooked.splitlines()], ['marked'] * 3)
        self.assertEqual(ours, logged)
        self.assertEqual(ours_hooked, hooked)


class Lives(Gunicorn):
    def load(self, until):
        """Eight clients ask without a pause until `until(pids)`; no request may be lost."""
        pids, done = set(), []

        def ask():
            while not done:
                status, text = self.get('/pid')
                self.assertEqual(status, 200)
                pids.add(int(text))
        with support.Crew() as crew:
            for _ in range(8):
                crew.start(ask)
            try:
                support.wait_until(lambda: until(pids) or crew.errors, 'the end of the load')
            finally:
                done.append(True)

    def test_max_requests(self):
        for words in [], ['--preload', '--max-requests-jitter', '10']:
            process = self.gunicorn('-w', '2', '--max-requests', '20', *words)
            self.load(lambda pids: len(pids) >= 8)
            self.check_end(process)

    def test_keep_alive_is_told_of_the_last_request(self):
        process = self.gunicorn('--max-requests', '3')
        client = self.connect()
        answers = [client.ask('/').get('Connection') for _ in range(3)]
        self.assertEqual(client.rest(), b'')
        self.assertEqual(answers[2:], ['close'])
        self.check_end(process)

    def test_reload_by_hup(self):
        process = self.gunicorn('-w', '2')
        for _ in range(3):
            self.await_workers(process, 2)
            old = self.workers(process)

            def are_new(pids):
                now = self.workers(process)
                return len(now) == 2 and not now & old and now & pids
            process.send_signal(signal.SIGHUP)
            self.load(are_new)
        self.check_end(process)

    def test_term_lets_requests_end(self):
        process = self.gunicorn('-w', '2')
        inside, silent = self.connect(), self.connect()
        inside.send(b'GET /gate HTTP/1.1\r\nHost: x\r\n\r\n')
        (worker, _), = self.gate.arrive(1)
        idle = self.connect()
        self.assertEqual(idle.ask('/').status, 200)
        self.await_workers(process, 2)
        process.terminate()
        self.assertEqual(idle.rest(), b'')  # so it has begun to stop
        silent.close()
        self.assertTrue(os.path.exists(f'/proc/{worker}'))
        self.gate.open()
        response = inside.response()
        self.assertEqual((response.status, response.body), (200, str(worker).encode()))
        self.assertEqual(response.get('Connection'), 'close')
        self.assertEqual(process.wait(support.HANG), 0)

    def test_graceful_timeout(self):
        process = self.gunicorn('--graceful-timeout', '1')
        inside = self.connect()
        inside.send(b'GET /gate HTTP/1.1\r\nHost: x\r\n\r\n')
        self.gate.arrive(1)
        self.check_end(process)
        self.assertEqual(inside.rest(), b'')

    def test_quit_and_int_wait_for_nobody(self):
        for number in signal.SIGQUIT, signal.SIGINT:
            process = self.gunicorn('--graceful-timeout', '1000')
            inside = self.connect()
            inside.send(b'GET /gate HTTP/1.1\r\nHost: x\r\n\r\n')
            self.gate.arrive(1)
            self.check_end(process, number)
            self.assertEqual(inside.rest(), b'')

    def test_timeout_is_not_for_those_who_wait(self):
        process = self.gunicorn('--timeout', '3')
        client = self.connect()
        client.send(b'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
        before = self.get('/pid')[1]
        self.assertEqual(client.response().body.decode(), before)
        self.assertEqual(self.get('/pid')[1], before)
        self.check_end(process)
        self.assertNotIn('TIMEOUT', self.read(process.log))

    def test_reload_of_a_changed_file(self):
        process = self.gunicorn('--reload', '--reload-engine', 'poll')
        self.assertEqual(self.get('/'), (200, 'first'))
        self.write(demo=APPLICATION.replace("'first'", "'second'"))
        now = os.stat(self.folder + '/demo.py').st_mtime
        os.utime(self.folder + '/demo.py', (now + 5, now + 5))
        support.wait_until(lambda: self.get('/') == (200, 'second'), 'the changed application')
        self.check_end(process)

    def test_a_worker_that_dies_is_replaced(self):
        process = self.gunicorn()
        worker = int(self.get('/pid')[1])
        os.kill(worker, signal.SIGKILL)
        support.wait_until(lambda: worker not in self.workers(process), 'its end')
        self.assertNotEqual(int(self.get('/pid')[1]), worker)
        self.check_end(process)


class Refusals(Gunicorn):
    def ended(self, process):
        return process.wait(support.HANG), self.read(process.log)

    def test_without_the_preload(self):
        status, text = self.ended(self.gunicorn(preloaded=False))
        self.assertEqual(status, 1, text)
        self.assertEqual([line for line in text.splitlines() if line], [
            'Error: syncless.gunicorn.Worker needs libsyncless.so in gunicorn itself: start it by '
            '`syncless run gunicorn ...`, or by `python3 -m syncless run gunicorn ...`'])

    def test_what_it_cannot_follow(self):
        status, text = self.ended(self.gunicorn('--proxy-protocol', '--workers=1'))  # from 24.1 on it takes a value
        self.assertEqual(status, 1, text)
        self.assertIn('Error: syncless.gunicorn.Worker does not speak the PROXY protocol: leave', text)

    def test_applications_that_do_not_load(self):
        """As gunicorn's own workers tell it."""
        self.write(broken='1 / 0', without='')
        for app in 'nowhere:app', 'without:app', 'broken:app':
            for words in [], ['--preload']:
                told = []
                for kind in 'sync', OURS:
                    status, text = self.ended(self.gunicorn(*words, kind=kind, app=app))
                    told.append((status, [line.split('] ')[-1] for line in text.splitlines()
                                          if 'Error' in line or 'Reason' in line]))
                self.assertEqual(*told)
                self.assertNotEqual(told[0][0], 0)


if __name__ == '__main__':
    support.main()
