# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""`syncless serve`: what it serves, where, what it says when it cannot, and how it ends."""
import contextlib
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

import certificate
import support

PACKAGE = os.path.join(support.ROOT, 'pyglue')
LAUNCHER = os.path.join(os.path.dirname(support.PRELOAD.split(':')[0]), 'syncless')
MODULE = '''
import threading
entered, gate = threading.Event(), threading.Event()
def application(environ, start_response):
    if environ['PATH_INFO'] == '/wait':
        entered.set()
        gate.wait()
    if environ['PATH_INFO'] == '/open':
        entered.wait()
        gate.set()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'served']
def make():
    return application
class inner:
    app = staticmethod(application)
number = 1
def of_one(x): pass
'''


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Serve(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(self.folder + '/demo.py', 'w') as file:
            file.write(MODULE)
        self.env = support.plain_env(PYTHONPATH=PACKAGE, PYTHON=sys.executable, PYTHONUNBUFFERED='1')

    def start(self, *words, **options):
        process = subprocess.Popen([LAUNCHER, 'serve', *words], env=self.env, cwd=self.folder, stderr=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, **options)
        self.addCleanup(self.end, process)
        self.process = process
        line = process.stderr.readline()
        self.assertTrue(line.startswith('syncless: serving at '), line + (process.stderr.read() if 'serving' not in line else ''))
        return line.split()[-1]

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()

    def connection(self, where, context=None):
        host = where.split('/')[2]
        if context is None:
            connection = http.client.HTTPConnection(host, timeout=support.HANG)
        else:
            connection = http.client.HTTPSConnection(host, timeout=support.HANG, context=context)
        self.addCleanup(connection.close)
        return connection

    def get(self, where, path='/', context=None):
        connection = self.connection(where, context)
        connection.request('GET', path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body

    def test_applications(self):
        for name in 'demo', 'demo:application', 'demo:make()', 'demo:inner.app':
            where = self.start(name, '--bind', '127.0.0.1:0')
            self.assertEqual(self.get(where), (200, b'served'))

    def assert_refused(self, words, line, before=()):
        """One line, which has this, and exit code 1."""
        run = subprocess.run([*before, LAUNCHER, 'serve', *words], env=self.env, cwd=self.folder,
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=support.HANG)
        self.assertEqual((run.returncode, run.stderr.count('\n')), (1, 1), run.stderr)
        self.assertIn(line, run.stderr)
        self.assertTrue(run.stderr.startswith('syncless: '))

    def test_what_it_cannot_serve(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            for words, line in ((['nowhere:app'], 'there is no module nowhere here or on the path'),
                                (['demo:missing'], 'module demo has no missing'), (['demo:inner.x'], 'has no inner.x'),
                                (['demo:number'], '1 is no application'),
                                (['demo:of_one'], 'cannot be called as application'),
                                (['demo', '--bind', f'127.0.0.1:{port}'], f'127.0.0.1:{port}: Address already in use'),
                                (['demo', '--bind', 'x'], '--bind wants HOST:PORT, not x'),
                                (['demo', '--fd', '0'], 'descriptor 0 is no socket'),
                                (['demo', '--fd', '99'], 'descriptor 99 is no socket: Bad file descriptor'),
                                (['demo', '--bind', '192.0.2.1:0'], '192.0.2.1:0: Cannot assign requested address'),
                                (['demo', '--bind', 'a..b:0'], 'a..b:0: '),
                                (['demo', '--unix', '/nowhere/at/all'], '/nowhere/at/all: No such file or directory'),
                                (['demo', '--unix', self.folder], 'a file that is no socket stands there'),
                                (['demo', '--unix', 'x' * 200], ': AF_UNIX path too long'),
                                (['demo', '--access-log', 'json', '--access-log-file', '/nowhere/log', '--bind',
                                  '127.0.0.1:0'], '/nowhere/log: No such file or directory')):
                self.assert_refused(words, line)

    def test_modules_that_fail(self):
        for text, line in (('import nothing_here', "ModuleNotFoundError: No module named 'nothing_here'"),
                           ('import os\n1 / 0', 'ZeroDivisionError: division by zero'),
                           ('a b', 'SyntaxError: invalid syntax'),
                           ('raise ValueError("two\\nlines")', 'ValueError')):
            with open(self.folder + '/broken.py', 'w') as file:
                file.write(text)
            self.assert_refused(['broken'], f'module broken cannot be imported: {line}')
            self.assert_refused(['broken'], f'broken.py:{text.count(chr(10)) + 1})')
        with open(self.folder + '/fails.py', 'w') as file:
            file.write('def make():\n    return int("no")\n')
        self.assert_refused(['fails:make()'], 'make() of module fails fails: ValueError: invalid literal')
        self.assert_refused(['fails:make()'], 'fails.py:2)')

    def test_privileged_port(self):
        """In a network of its own, where ports below 1024 are the administrator's, who has no right to them."""
        before = ['unshare', '--net', *(['--map-root-user'] if os.getuid() else []), 'setpriv', '--bounding-set',
                  '-net_bind_service', '--inh-caps', '-net_bind_service']
        if not all(map(shutil.which, ('unshare', 'setpriv'))) or subprocess.run(
                [*before, 'true'], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            self.skipTest('no network of its own can be had')
        self.assert_refused(['demo', '--bind', '0.0.0.0:80'], '0.0.0.0:80: Permission denied', before)

    def test_tls(self):
        first, other = certificate.make(self.folder), certificate.make(self.folder, 'other.example')
        context = ssl.create_default_context(cafile=first)
        context.load_verify_locations(other)

        def subject(name):
            host, port = where.split('/')[2].split(':')
            with socket.create_connection((host, port), timeout=support.HANG) as sock, \
                    context.wrap_socket(sock, server_hostname=name) as encrypted:
                return encrypted.getpeercert()['subject'][-1][0][1]
        where = self.start('demo', '--bind', '127.0.0.1:0', '--tls-cert', first + '.crt', '--tls-key', first,
                           '--tls-sni', f'other.example={other},{other}', '--metrics', '/metrics',
                           '--idle-seconds', '9.5')
        self.assertTrue(where.startswith('https://127.0.0.1:'))
        self.assertEqual(self.get(where, context=context), (200, b'served'))
        self.assertEqual((subject('localhost'), subject('other.example')), ('localhost', 'other.example'))
        with socket.create_connection(where.split('/')[2].split(':')) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(b'GET / HTTP/1.1\r\n\r\n')
            while sock.recv(1000):
                pass
        self.assertIn(b'\nsyncless_tls_handshake_failures_total 1\n', self.get(where, '/metrics', context)[1])
        third = certificate.make(self.folder, 'third.example')
        context.load_verify_locations(third)
        context.check_hostname = False
        shutil.copy(third, first)
        shutil.copy(third + '.crt', first + '.crt')
        self.process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: subject('localhost') == 'third.example')
        os.unlink(first)
        self.process.send_signal(signal.SIGHUP)
        self.assertEqual(self.process.stderr.readline(),
                         f'the certificates stay as they were: [Errno 2] No such file or directory: {first!r}\n')
        self.assertEqual(self.get(where, context=context), (200, b'served'))

    def test_tls_of_clients(self):
        pem = certificate.make(self.folder)
        context = ssl.create_default_context(cafile=pem)
        for words, fails in ((), True), (('--tls-client', 'optional'), False):
            where = self.start('demo', '--bind', '127.0.0.1:0', '--tls-cert', pem, '--tls-client-ca', pem, *words)
            if fails:
                with self.assertRaises(OSError):
                    self.get(where, context=context)
            else:
                self.assertEqual(self.get(where, context=context)[0], 200)
            with_one = ssl.create_default_context(cafile=pem)
            with_one.load_cert_chain(certificate.make(self.folder, 'client', signer=pem))
            self.assertEqual(self.get(where, context=with_one)[0], 200)

    def test_tls_that_cannot_be(self):
        pem, other = certificate.make(self.folder), certificate.make(self.folder, 'other.example')
        for words, line in ((['--tls-cert', 'none.pem'], 'none.pem: No such file or directory'),
                            (['--tls-cert', 'demo.py'], 'demo.py: no certificate in PEM form'),
                            (['--tls-cert', pem, '--tls-key', other], f'{other}: the key does not belong to'),
                            (['--tls-key', pem], '--tls-key is of no use without --tls-cert'),
                            (['--tls-cert', pem, '--tls-client', 'optional'], 'of clients need --tls-client-ca'),
                            (['--tls-cert', pem, '--tls-sni', pem], '--tls-sni wants NAME=CERT,KEY, not')):
            self.assert_refused(['demo', '--bind', '127.0.0.1:0', *words], line)

    def test_unix_path_of_a_file(self):
        path = self.folder + '/demo.py'
        with open(path) as file:
            text = file.read()
        self.assert_refused(['demo', '--unix', path],
                            f'{path}: a file that is no socket stands there; name another path\n')
        with open(path) as file:
            self.assertEqual(file.read(), text)

    def test_unix_socket_and_passed_sockets(self):
        path = self.folder + '/socket'
        self.start('demo', '--unix', path)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(b'GET / HTTP/1.0\r\n\r\n')
            with sock.makefile('rb') as file:
                self.assertTrue(file.read().endswith(b'served'))
        with socket.create_server(('127.0.0.1', 0)) as listener:
            where = f'http://127.0.0.1:{listener.getsockname()[1]}/'
            self.start('demo', '--fd', str(listener.fileno()), pass_fds=[listener.fileno()])
            self.assertEqual(self.get(where), (200, b'served'))
        with socket.create_server(('127.0.0.1', 0)) as listener:
            where = f'http://127.0.0.1:{listener.getsockname()[1]}/'
            self.env['LISTEN_FDS'] = '1'
            process = self.start_as_systemd(listener)
            self.assertIn('serving at', process.stderr.readline())
            self.assertEqual(self.get(where), (200, b'served'))

    def start_as_systemd(self, *listeners):
        run = ' '.join(f'exec {fd}<&{listener.fileno()};' for fd, listener in enumerate(listeners, 3))
        process = subprocess.Popen(['sh', '-c', f'{run} LISTEN_PID=$$ exec {LAUNCHER} serve demo'], env=self.env,
                                   cwd=self.folder, pass_fds=[listener.fileno() for listener in listeners],
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, process)
        return process

    def test_several_sockets_of_systemd(self):
        path = self.folder + '/socket'
        with socket.create_server(('127.0.0.1', 0)) as one, socket.create_server(('127.0.0.1', 0)) as two, \
                socket.socket(socket.AF_UNIX) as three, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            three.bind(path)
            three.listen()
            told.bind(self.folder + '/notify')
            told.settimeout(support.HANG)
            self.env.update(LISTEN_FDS='3', LISTEN_FDNAMES='web:other:local', NOTIFY_SOCKET=self.folder + '/notify')
            for _ in range(2):  # the sockets outlive the service
                process = self.start_as_systemd(one, two, three)
                where = [f'http://127.0.0.1:{listener.getsockname()[1]}/' for listener in (one, two)]
                self.assertEqual([process.stderr.readline() for _ in range(3)], [
                    f'syncless: serving web at {where[0]}\n', f'syncless: serving other at {where[1]}\n',
                    f'syncless: serving local at {path}\n'])
                self.assertEqual(told.recv(100), b'READY=1')
                for url in where:
                    self.assertEqual(self.get(url), (200, b'served'))
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.connect(path)
                    sock.sendall(b'GET / HTTP/1.0\r\n\r\n')
                    with sock.makefile('rb') as file:
                        self.assertTrue(file.read().endswith(b'served'))
                process.terminate()
                self.assertEqual(process.wait(support.HANG), 0)
                self.assertEqual(told.recv(100), b'STOPPING=1')

    def test_what_systemd_may_pass_wrongly(self):
        with socket.socket() as deaf, open(self.folder + '/demo.py') as file:
            deaf.bind(('127.0.0.1', 0))
            self.env['LISTEN_FDS'] = '1'
            for passed, line in ((deaf, 'descriptor 3 is a socket that does not listen; with systemd, leave '
                                        'Accept=yes out'),
                                 (file, 'descriptor 3 is no socket: Socket operation on non-socket')):
                process = self.start_as_systemd(passed)
                self.assertEqual(process.communicate(timeout=support.HANG)[1], f'syncless: {line}\n')
                self.assertEqual(process.returncode, 1)

    def test_variables_of_another_process(self):
        """A service's own children have them, too."""
        self.env.update(LISTEN_PID='1', LISTEN_FDS='1')
        self.assertEqual(self.get(self.start('demo', '--bind', '127.0.0.1:0')), (200, b'served'))

    def test_log_metrics_and_limits(self):
        where = self.start('demo', '--bind', '127.0.0.1:0', '--access-log', 'common', '--metrics', '/metrics', '--line-bytes',
                           '100')
        self.assertEqual(self.get(where, '/x')[0], 200)
        self.assertIn('"GET /x HTTP/1.1" 200 6', self.process.stdout.readline())
        self.assertEqual(self.get(where, '/' + 'x' * 100)[0], 414)
        status, text = self.get(where, '/metrics')
        self.assertEqual(status, 200)
        for line in b'syncless_requests_total 3\n', b'syncless_request_errors_total 1\n', b'syncless_connections_active 1\n':
            self.assertIn(line, text)

    def test_it_ends_gracefully(self):
        for number in signal.SIGTERM, signal.SIGINT:
            where = self.start('demo', '--bind', '127.0.0.1:0')
            waiting = self.connection(where)
            waiting.request('GET', '/wait')
            opening = self.connection(where)
            opening.connect()
            opening.send(b'GET /open HTTP/1.1\r\n')  # under way, so it may end
            self.get(where)
            self.process.send_signal(number)
            opening.send(b'Host: x\r\n\r\n')
            self.assertEqual(waiting.getresponse().read(), b'served')
            self.assertEqual(self.process.wait(support.HANG), 0)

    def test_it_does_not_wait_for_ever(self):
        where = self.start('demo', '--bind', '127.0.0.1:0', '--graceful-timeout', '0.05')
        waiting = self.connection(where)
        waiting.request('GET', '/wait')
        self.get(where)
        self.process.terminate()
        self.assertEqual(self.process.wait(support.HANG), 1)


if __name__ == '__main__':
    unittest.main()
