#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
"""The examples in Python that use syncless: each is run to its end, and what it says is checked."""
import hashlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
PYTHON = os.environ.get('PYTHON') or '/usr/bin/python3'
HANG = 60
MAYBE_TICKS = r'meanwhile there were ticks: (True|False)\n$'  # a server that is fast enough is never waited for
sys.path.insert(0, os.path.join(ROOT, 'tests'))
import loopback  # noqa: E402


class Example:
    """One that runs; a with statement ends it."""

    def __init__(self, name, *words):
        env = {key: value for key, value in os.environ.items()
               if key != 'LD_PRELOAD' and (key == 'SYNCLESS' or not key.startswith('SYNCLESS'))}
        env['PYTHONPATH'] = os.path.join(ROOT, 'pyglue')
        program = os.path.join(ROOT, 'examples', name)
        self.process = subprocess.Popen([os.path.join(BUILD, 'syncless'), 'run', PYTHON, program, *words],
                                        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.__exit__(None, None, None)

    def line(self):
        return self.process.stdout.readline().rstrip('\n')

    def port(self):
        """Of a server, which says it first."""
        return int(self.line().rpartition(' ')[2])

    def say(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self, text=None):
        """What else it has written until its end, to either; it must end well."""
        out, err = self.process.communicate(text, timeout=HANG)
        assert self.process.returncode == 0, (self.process.returncode, out, err)
        return out, err


def run(name, *words, text=None):
    with Example(name, *words) as example:
        return example.end(text)


class Connection:
    """A client that reads and writes lines."""

    def __init__(self, case, port):
        self.sock = socket.create_connection(('127.0.0.1', port), HANG)
        self.file = self.sock.makefile('r')
        case.addCleanup(self.close)

    def say(self, text):
        self.sock.sendall(text.encode() + b'\n')

    def line(self):
        return self.file.readline().strip()

    def close(self):
        self.file.close()
        self.sock.close()


class Plain(unittest.TestCase):
    def test_coio_demo(self):
        self.assertRegex(run('coio_demo.py')[0], r'^100 answers: 127\.0\.0\.1\n$')

    def test_children(self):
        for name, end in ('demo_popen.py', 'status 0xa00'), ('demo_subprocess.py', 'exit code 10'):
            out, err = run(name)
            self.assertEqual(out.splitlines(), ['got line 1', 'got line 2', 'got line 3', end])
            self.assertRegex(err, r'^\.{3,}$')

    def test_select(self):
        with Example('demo_select.py', '0.1') as example:
            self.assertEqual([example.line(), example.line()], ['now: True', 'in 0.1 s: False'])
            out, _ = example.end('typed\n')
        self.assertEqual(out.splitlines(), ['whenever it comes: True typed', 'meanwhile there were ticks: True'])

    def test_thread_pool(self):
        sleep = run('demo_thread_pool_sleep.py', '0.1')[0]
        found = re.fullmatch(r'4 threads: ([\d.]+) s\n3 threads: ([\d.]+) s\n', sleep)
        self.assertGreaterEqual(float(found.group(1)), 0.1)
        self.assertGreaterEqual(float(found.group(2)), 0.2)
        *lines, last = run('demo_thread_pool_work.py')[0].splitlines()
        self.assertEqual(len(lines), 5)
        self.assertIn('3 three is not for me, says work()', lines)
        self.assertEqual(sum(bool(re.fullmatch(r'[0124] [0-9a-f]{8}', line)) for line in lines), 4)
        self.assertRegex(last, r'^later: [0-9a-f]{8} by one of 2$')

    def test_sqlite(self):
        self.assertEqual(run('demo_sqlite_progress_handler.py')[0].splitlines(), [
            '45000150000: the handler was called often: True, others ran often: False',
            '45000150000: the handler was called often: True, others ran often: True'])

    def test_fork(self):
        lines = run('demo_fork_reinit.py')[0].splitlines()
        self.assertEqual(lines, ['child: 100 lines, and there were ticks: True', 'status 0',
                                 'parent: 100 lines, and there were ticks: True'])

    def test_thread_channel(self):
        self.assertRegex(run('demo_thread_channel.py')[0], r'^alone: RuntimeError: Deadlock.*\nsent by a thread\n'
                         r'sent by a tasklet that has slept\nalone again: (RuntimeError|StopIteration)\n$')


class Questions(unittest.TestCase):
    QUESTIONS = ['What is your name?', 'What is your quest?', 'What is your favourite colour?']

    def test_in_time(self):
        for name, more in (('demo_multi_read_timeout.py', []),
                           ('demo_multi_read_timeout_channel.py', ['asked for 3 answers']),
                           ('demo_multi_read_timeout_with_object.py', [])):
            out, _ = run(name, '1000', text='Arthur\nGrail\nblue\n')
            lines = out.splitlines()
            self.assertEqual(lines[:-1] if 'object' in name else lines,
                             [*self.QUESTIONS, *more, 'answers: Arthur, Grail, blue'], name)

    def test_too_late(self):
        for name, more in (('demo_multi_read_timeout.py', ['too late']),
                           ('demo_multi_read_timeout_channel.py', ['asked for 1 answers', 'too late']),
                           ('demo_multi_read_timeout_with_object.py', ['answers: Arthur', 'runcount: 2'])):
            with Example(name, '1') as example:
                example.say('Arthur\n')
                lines = list(iter(example.line, ''))
            self.assertEqual(lines, [*self.QUESTIONS[:2], *more], name)


class Servers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name

    def test_heartbeat(self):
        with Example('demo_heartbeat.py', '0', '0.2') as example:
            port = example.port()
            one, two = Connection(self, port), Connection(self, port)
            one.say('hello')
            two.say('there')
            self.assertEqual((one.line(), two.line()), ('echo: hello', 'echo: there'))
            self.assertEqual([one.line(), one.line(), two.line()], ['heartbeat'] * 3)
            one.close()
            self.assertEqual(sorted(example.line() for _ in range(3)),
                             ['connected: 127.0.0.1', 'connected: 127.0.0.1', 'gone: 127.0.0.1'])
            example.process.send_signal(signal.SIGINT)
            self.assertRegex(example.end()[0], r'over\n$')

    def test_chat(self):
        with Example('demo_chat.py', 'me', '0') as example:
            port = example.port()
            one, two = Connection(self, port), Connection(self, port)
            for client, name in (one, 'one'), (two, 'two'):
                self.assertEqual(client.line(), 'Your name?')
                client.say(name)
                self.assertEqual(example.line(), f'{name} has come')
            self.assertEqual(one.line(), 'two has come')
            one.say('hello')
            self.assertEqual((two.line(), example.line()), ('one: hello', 'one: hello'))
            example.say('from the console\n')
            self.assertEqual([one.line(), two.line()], ['me: from the console'] * 2)
            two.close()
            self.assertEqual([one.line(), example.line()], ['two has left'] * 2)
            example.end()
            self.assertEqual(one.line(), 'me has left')

    def needs(self, module):
        if subprocess.run([PYTHON, '-c', f'import {module}'], stderr=subprocess.DEVNULL).returncode:
            self.skipTest(f'no {module} for {PYTHON}')

    def fetch(self, port, path='/'):
        with urllib.request.urlopen(f'http://127.0.0.1:{port}{path}', timeout=HANG) as page:
            return page.read()

    def interrupt(self, example):
        """What it says at its end."""
        example.process.send_signal(signal.SIGINT)
        return example.end()[0]

    def test_asyncore(self):
        self.needs('asyncore')
        with open(os.path.join(self.folder, 'file'), 'w') as file:
            file.write('its text')
        with Example('demo_asyncore.py', '0', self.folder) as example:
            port = example.port()
            for _ in range(20):
                self.assertEqual(self.fetch(port, '/file'), b'its text')
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.fetch(port, '/../none')
            caught.exception.close()
            self.assertEqual(example.line(), 'three ticks, and on')
            self.assertEqual(self.interrupt(example), 'over\n')

    def test_twisted(self):
        self.needs('twisted.web.server')
        with Example('demo_twisted.py', '0') as example:
            port = example.port()
            for _ in range(20):
                self.assertEqual(self.fetch(port), b'Hello, 127.0.0.1!\n')
            self.assertEqual({example.line(), example.line()},
                             {'three ticks of a coroutine', 'three ticks of a LoopingCall'})
            self.assertEqual(self.interrupt(example), 'over\n')

    def serving(self, name, *words):
        """(the example, its port) of one that is told where to listen."""
        port = loopback.free_port()
        example = Example(name, str(port), *words)
        self.addCleanup(example.__exit__)
        loopback.await_port(port, example.process)
        return example, port

    def test_base_http(self):
        found = []
        for name in 'demo_syncless_basehttp.py', 'demo_orig_basehttp.py':
            example, port = self.serving(name)
            found.append([])
            for method, body in ('GET', None), ('HEAD', None), ('POST', b'words'), ('PUT', b'x' * 100000):
                connection = http.client.HTTPConnection('127.0.0.1', port, timeout=HANG)
                connection.request(method, '/a%20path?query', body)
                response = connection.getresponse()
                found[-1].append((response.status, response.getheader('Content-Length'), response.read()))
                connection.close()
            self.assertEqual(self.interrupt(example), 'over\n')
        self.assertEqual(found[0], found[1])
        self.assertEqual([body for _, _, body in found[0][:3]],
                         [b'127.0.0.1 has asked for /a%20path?query\n', b'', b'5 bytes have come: words\n'])

    def test_wrong_applications(self):
        example, port = self.serving('demo_wsgiapp.py')

        def get(path):
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=HANG)
            self.addCleanup(connection.close)
            connection.request('GET', path)
            response = connection.getresponse()
            if path == '/stream':
                return response.status, response.read(1000)[:6]
            try:
                return response.status, response.read()
            except http.client.IncompleteRead as error:
                return response.status, error.partial
        self.assertEqual(get('/')[1].count(b'<li>'), 20)
        for page in 'status', 'head', 'body', 'response', 'read', 'write', 'error':
            self.assertEqual(get('/' + page), (500, b'Internal Server Error\n'), page)
        for page, answer in (('late', b'begun'), ('stream', b'0\n1\n2\n'), ('length/5/5', b'xxxxx'),
                             ('length/10/5', b'xxxxx'), ('length/5/10', b'xxxxx'), ('length/0/10', b''),
                             ('length/0/0', b''), ('length/5/0', b'')):
            self.assertEqual(get('/' + page), (200, answer), page)
        self.assertEqual(get('/none')[0], 404)
        self.assertIn(b'value="localhost"> 127.0.0.1<', get('/dns?name=localhost')[1])
        example.process.send_signal(signal.SIGINT)
        out, err = example.end()
        self.assertEqual((out, 'ValueError: after the head' in err), ('over\n', True))

    def certificate(self):
        """The paths of one, with and without its key."""
        with loopback.web(self.folder):  # makes it
            pass
        pem = os.path.join(self.folder, 'both.pem')
        with open(pem, 'w') as both:
            for name in 'key.pem', 'cert.pem':
                with open(os.path.join(self.folder, name)) as part:
                    both.write(part.read())
        return pem, os.path.join(self.folder, 'cert.pem')

    def test_demo(self):
        pem, cert = self.certificate()

        def hello(scheme, port):
            context = ssl.create_default_context(cafile=cert) if scheme == 'https' else None
            with urllib.request.urlopen(f'{scheme}://localhost:{port}/', timeout=HANG, context=context) as page:
                return page.read()
        for flags, schemes in ([], ['http', 'https']), (['-s'], ['https']), (['-h'], ['http']):
            with Example('demo.py', *flags, '0', pem, '1000') as example:
                port = example.port()
                self.assertEqual(example.line(), 'Whose address?')
                for scheme in 'http', 'https':
                    if scheme in schemes:
                        self.assertEqual(hello(scheme, port), f'Hello by {scheme}!\n'.encode())
                    else:
                        self.assertRaises(OSError, hello, scheme, port)
                self.assertEqual(example.end('localhost\n')[0], '127.0.0.1\nWhose address?\n')
        with Example('demo.py', '0', pem, '0.01') as example:
            self.assertEqual([example.line() for _ in range(4)][1:], ['Whose address?'] + ['Are you still there?'] * 2)
            example.say('127.0.0.1\n')
            while example.line() != '127.0.0.1':
                pass
            example.end()

    def test_client_certificate(self):
        pem, cert = self.certificate()
        with open(cert) as file:
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()
        seen, cipher, same = run('regress_ssl_server.py', pem)[0].splitlines()
        self.assertEqual((seen, same), (f'certificate: {digest}', 'threads see the same: True'))
        self.assertRegex(cipher, r'^cipher: \w+$')

    def test_https_server(self):
        pem, cert = self.certificate()
        with Example('demo_https_server.py', pem, '0') as server:
            port = server.port()
            slow = Connection(self, port)
            for path in '/a', '/bc':
                url = f'https://localhost:{port}{path}'
                with urllib.request.urlopen(url, context=ssl.create_default_context(cafile=cert), timeout=HANG) as page:
                    self.assertEqual(page.read(), f'{path} by TLSv1.3\n'.encode())
                server.process.send_signal(signal.SIGHUP)
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.end(), ('over\n', ''))
            slow.close()

    def test_tls(self):
        """The server takes bad clients, and both example clients talk to it."""
        pem, cert = self.certificate()
        with Example('demo_ssl_server.py', pem, '0') as server:
            port = server.port()
            slow = Connection(self, port)  # says nothing; nobody waits for it
            bad = Connection(self, port)
            bad.say('this is no handshake')
            self.assertRegex(server.line(), r'^bad client: \w+$')
            out, _ = run('demo_ssl_client_simple.py', 'localhost', str(port), cert)
            self.assertEqual(out, 'HTTP/1.0 200 OK\n')
            for more in [], ['blocking']:
                out, _ = run('demo_ssl_client.py', 'localhost', str(port), cert, *more)
                self.assertEqual(out.splitlines()[:-1], [
                    'HTTP/1.0 200 OK', 'You have asked for GET /as/a/socket/and/a/file HTTP/1.0', 'closed: True'])
                self.assertRegex(out, MAYBE_TICKS)
            slow.close()
            server.process.send_signal(signal.SIGINT)
            self.assertRegex(server.end()[0], r'over\n$')

    def test_https_client(self):
        with loopback.web(self.folder) as port:
            cert = os.path.join(self.folder, 'cert.pem')
            out, err = run('demo_https_client.py', f'https://localhost:{port}/100000', cert)
        self.assertEqual(out, '200: 100000 bytes\n')
        self.assertRegex(err, r'^\.*$')

    def test_tcp_client(self):
        def serve():
            connection, _ = listener.accept()
            with connection, connection.makefile('rw', newline='\n') as file:
                file.write('220 mail.test ready\r\n')
                file.flush()
                said.append(file.readline())
                file.write('221 bye\r\n')

        said = []
        with socket.create_server(('127.0.0.1', 0)) as listener:
            thread = threading.Thread(target=serve)
            thread.start()
            out, _ = run('demo_tcp_client.py', 'localhost', str(listener.getsockname()[1]))
            thread.join()
        self.assertEqual(said, ['QUIT\r\n'])
        self.assertEqual(out.splitlines()[:-1], ['banner: 220 mail.test ready', 'answer: 221 bye'])
        self.assertRegex(out, MAYBE_TICKS)


if __name__ == '__main__':
    unittest.main()
