# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The HTTP server over TLS: what applications see, certificates, handshakes that fail, and ends."""
import json
import logging
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

import certificate
import support
from coroutines import coio
from http_case import Client, HttpCase, hello, request

from syncless import wsgi

BIG = b'0123456789abcdef' * 20000


def names(environ, start_response):
    start_response('200 OK', [])
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()]


def echo(environ, start_response):
    start_response('200 OK', [])
    return iter(lambda: environ['wsgi.input'].read(70000), b'')


class TlsCase(HttpCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.pem = certificate.make(cls.folder)
        cls.other = certificate.make(cls.folder, 'other.example')
        cls.client = certificate.make(cls.folder, 'client', signer=cls.pem)
        cls.tls = wsgi.Tls(cls.pem)
        cls.context = cls.trusting(cls.pem)

    @staticmethod
    def trusting(*pems, **attributes):
        """The context of a client who knows these certificates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.options &= ~getattr(ssl, 'OP_IGNORE_UNEXPECTED_EOF', 0)  # an end without close_notify is an error
        for pem in pems:
            context.load_verify_locations(pem)
        for name, value in attributes.items():
            setattr(context, name, value)
        return context

    def connect_by(self, context, name='localhost'):
        client = Client(self.address, context, name)
        self.addCleanup(client.close)
        return client

    def environ(self, context=None, name='localhost'):
        return json.loads(self.connect_by(context or self.context, name).ask().body)

    def common_name(self, name, context=None):
        """Of the certificate that a client gets who asks for a name."""
        subject = self.connect_by(context or self.trusting(self.pem, self.other), name).sock.getpeercert()['subject']
        return dict(rdn[0] for rdn in subject)['commonName']


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Bytes(TlsCase):
    def test_bodies_both_ways(self):
        self.serve(echo)
        client = self.connect()
        for size in 1, 16383, 16384, 16385, len(BIG):
            self.assertEqual(client.ask(method='POST', body=BIG[:size]).body, BIG[:size])
        self.serve(lambda environ, start: start('200 OK', []) and [BIG, b'', BIG])
        client = self.connect()
        self.assertEqual(client.ask().body, BIG + BIG)
        self.assertEqual(client.ask(method='HEAD').get('Content-Length'), str(2 * len(BIG)))
        self.assertEqual(client.ask(version='1.0').body, BIG + BIG)

    def test_files(self):
        path = os.path.join(self.folder, 'file')
        with open(path, 'wb') as file:
            file.write(BIG)

        def application(environ, start_response):
            start_response('200 OK', [])
            return environ['wsgi.file_wrapper'](open(path, 'rb'))
        self.serve(application)
        client = self.connect()
        for _ in range(2):
            self.assertEqual(client.ask().body, BIG)

    def test_write(self):
        def application(environ, start_response):
            write = start_response('200 OK', [])
            for n in range(3):
                write(b'%d' % n)
            return []
        self.serve(application)
        self.assertEqual(self.ask().body, b'012')

    def test_pipelining(self):
        self.serve(echo)
        client = self.connect()
        client.send(b''.join(request('/', method='POST', body=BIG[:n]) for n in range(1, 200)))
        self.assertEqual([len(client.response().body) for _ in range(1, 200)], list(range(1, 200)))

    def test_a_slow_client(self):
        """Records that do not go out at once go out later, in whole."""
        sent = []

        def application(environ, start_response):
            start_response('200 OK', [])
            for n in range(40):
                yield BIG
                sent.append(n)
        self.serve(application)
        client = self.connect()
        client.send(request())
        support.wait_until(lambda: sent)
        coio.sleep(1.5)  # send() has timed out once
        self.assertLess(len(sent), 40)
        self.assertEqual(client.response().body, BIG * 40)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Environs(TlsCase):
    def test_names(self):
        self.serve(names)
        found = self.environ()
        self.assertLessEqual({'wsgi.url_scheme': 'https', 'HTTPS': 'on', 'SSL_PROTOCOL': 'TLSv1.3',
                              'REMOTE_ADDR': '127.0.0.1', 'SERVER_PORT': str(self.address[1])}.items(), found.items())
        self.assertIn(found['SSL_CIPHER_USEKEYSIZE'], ('128', '256'))
        self.assertIn(found['SSL_CIPHER_USEKEYSIZE'], found['SSL_CIPHER'] + '256')
        self.assertFalse([name for name in found if name.startswith('SSL_CLIENT')])
        found = self.environ(self.trusting(self.pem, maximum_version=ssl.TLSVersion.TLSv1_2))
        self.assertEqual(found['SSL_PROTOCOL'], 'TLSv1.2')

    def test_alpn(self):
        self.serve()
        for offered, chosen in (['h2', 'http/1.1'], 'http/1.1'), (['h2'], None):
            context = self.trusting(self.pem)
            context.set_alpn_protocols(offered)
            client = self.connect_by(context)
            self.assertEqual(client.sock.selected_alpn_protocol(), chosen)
            self.assertEqual(client.ask().status, 200)

    def test_certificates_of_clients(self):
        with_one, with_another = self.trusting(self.pem), self.trusting(self.pem)
        with_one.load_cert_chain(self.client)
        with_another.load_cert_chain(self.other)
        for client in 'required', 'optional':
            server = self.serve(names, tls=wsgi.Tls(self.pem, client_ca=self.pem, client=client))
            found = self.environ(with_one)
            self.assertLessEqual({'SSL_CLIENT_VERIFY': 'SUCCESS', 'SSL_CLIENT_S_DN': 'CN=client,O=Syncless\\, tests',
                                  'SSL_CLIENT_I_DN': 'CN=localhost,O=Syncless\\, tests',
                                  'SSL_CLIENT_S_DN_CN': 'client'}.items(), found.items())
            self.assertRegex(found['SSL_CLIENT_M_SERIAL'], '^[0-9A-F]+$')
            self.assertRegex(found['SSL_CLIENT_V_START'] + found['SSL_CLIENT_V_END'], '^.* GMT.* GMT$')
            with open(self.client) as file:
                self.assertIn(found['SSL_CLIENT_CERT'], file.read())
            with self.assertRaises(OSError):
                self.environ(with_another)
            self.assertEqual(server.failed_handshakes, 1)
        self.assertEqual(self.environ()['SSL_CLIENT_VERIFY'], 'NONE')
        self.serve(names, tls=wsgi.Tls(self.pem, client_ca=self.pem))
        with self.assertRaises(OSError):
            self.environ()


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Certificates(TlsCase):
    def test_by_name(self):
        self.serve(names, tls=wsgi.Tls(self.pem, sni={'Other.example': (self.other, self.other),
                                                      '*.example.org': self.other}))
        self.assertEqual(self.common_name('localhost'), 'localhost')
        self.assertEqual(self.common_name('other.example'), 'other.example')
        self.assertEqual(self.environ()['SSL_TLS_SNI'], 'localhost')
        lenient = self.trusting(self.pem, self.other, check_hostname=False)
        for name, found in (('a.example.org', 'other.example'), ('a.b.example.org', 'localhost'),
                            ('example.org', 'localhost'), (None, 'localhost')):
            self.assertEqual(self.common_name(name, lenient), found)

    def test_reload(self):
        path = os.path.join(self.folder, 'changing.pem')
        shutil.copy(self.pem, path)
        server = self.serve(tls=wsgi.Tls(path))
        old = self.connect()
        shutil.copy(self.other, path)
        self.assertEqual(self.common_name('localhost'), 'localhost')
        self.assertTrue(server.reload_tls())
        self.assertEqual(self.common_name('other.example'), 'other.example')
        for text in 'nothing of that kind', None:
            os.unlink(path)
            if text:
                with open(path, 'w') as file:
                    file.write(text)
            with self.assertLogs('syncless.wsgi', 'ERROR') as logged:
                self.assertFalse(server.reload_tls())
            self.assertIn('the certificates stay as they were: ', logged.output[0])
            self.assertIn(path, logged.output[0])
        self.assertEqual(self.common_name('other.example'), 'other.example')
        self.assertEqual(old.ask().status, 200)

    def test_a_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem)
        server = self.serve(names, tls=context)
        self.assertEqual(self.environ()['HTTPS'], 'on')
        with self.assertRaises(TypeError):
            server.reload_tls()

    def test_what_is_wrong(self):
        encrypted, empty = os.path.join(self.folder, 'encrypted.key'), os.path.join(self.folder, 'empty')
        subprocess.run(['openssl', 'pkey', '-in', self.pem, '-out', encrypted, '-aes128', '-passout', 'pass:secret'],
                       check=True, stdin=subprocess.DEVNULL)
        open(empty, 'w').close()
        for line, words in (
                (f'{empty}: no certificate in PEM form', {'cert': empty}),
                (f'{empty}: no private key in PEM form', {'key': empty}),
                (f'{self.pem}.crt: no private key in PEM form', {'cert': self.pem + '.crt'}),
                (f'{self.other}: the key does not belong to the certificate in {self.pem}', {'key': self.other}),
                (f'{encrypted}: the key is encrypted; give its password', {'key': encrypted}),
                (f'{self.pem}, {encrypted}: OpenSSL cannot use them', {'key': encrypted, 'password': 'wrong'}),
                (f'{empty}: no certificate in PEM form', {'client_ca': empty}),
                ('certificates of clients need client_ca', {'client': 'optional'}),
                ("client must be 'required' or 'optional', not 'maybe'", {'client': 'maybe', 'client_ca': self.pem}),
                ("minimum must be '1.2' or '1.3', not '1.1'", {'minimum': '1.1'}),
                ('OpenSSL knows none of the ciphers x', {'ciphers': 'x'}),
                (f'{empty}: no certificate in PEM form', {'sni': {'x': empty}})):
            with self.assertRaises(ValueError) as raised:
                wsgi.Tls(**{'cert': self.pem, **words})
            self.assertTrue(str(raised.exception).startswith(line), raised.exception)
        with self.assertRaises(FileNotFoundError) as raised:
            wsgi.Tls(self.folder + '/none')
        self.assertEqual(raised.exception.filename, self.folder + '/none')
        self.assertTrue(wsgi.Tls(self.pem, encrypted, 'secret').context)
        with wsgi.listen(('127.0.0.1', 0)) as listener:
            with self.assertRaisesRegex(ValueError, 'PROTOCOL_TLS_SERVER'):
                wsgi.HttpServer(hello, listener, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
            with self.assertRaisesRegex(TypeError, 'wsgi.Tls or an ssl.SSLContext'):
                wsgi.HttpServer(hello, listener, tls=self.pem)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Handshakes(TlsCase):
    def hello_of(self, context):
        """A client's first message."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            context.wrap_bio(incoming, outgoing, server_hostname='localhost').do_handshake()
        except ssl.SSLWantReadError:
            return outgoing.read()

    def test_failed_ones(self):
        """None of them disturbs anybody, and none is logged for all to see."""
        rsa = self.trusting(self.pem, maximum_version=ssl.TLSVersion.TLSv1_2)
        rsa.set_ciphers('AES128-GCM-SHA256')  # for RSA keys
        old = self.trusting(self.pem, maximum_version=ssl.TLSVersion.TLSv1_2)
        server = self.serve(tls=wsgi.Tls(self.pem, minimum='1.3'), handshake_seconds=0.3)
        message = self.hello_of(self.context)
        garbage = [request(), message.replace(b'localhost', b'l\xf6calhost'), b'\x16\x03\x01\x00\x05hello',
                   b'\x80\x2e\x01\x03\x01', message[:50], message[:50] + b'x' * len(message), bytes(range(256)), b'']
        with self.assertLogs('syncless.wsgi', 'DEBUG') as logged:
            for data in garbage:
                client = Client(self.address)
                client.send(data)
                client.rest()
                client.close()
            gone = Client(self.address)
            gone.send(message)
            gone.close()
            for context in rsa, old:
                with self.assertRaises(OSError):
                    self.connect_by(context)
            support.wait_until(lambda: server.connections == 0)
        self.assertEqual(server.failed_handshakes, len(garbage) + 3)
        self.assertEqual({record.levelname for record in logged.records}, {'DEBUG'})
        self.assertRegex(logged.output[0], 'a handshake with 127.0.0.1 has failed: ')
        self.assertEqual(self.ask().status, 200)

    def test_nobody_waits_for_one(self):
        server = self.serve()
        slow = [Client(self.address) for _ in range(20)]
        slow[0].send(self.hello_of(self.context)[:20])
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(len(server.beginning), 20)
        self.assertTrue(server.stop(support.HANG))
        for client in slow:
            self.assertEqual(client.rest(), b'')
            client.close()

    def test_a_plain_listener(self):
        """Nobody there would understand an answer, so there is none."""
        server = self.serve(tls=None)
        for data in self.hello_of(self.context), b'\x80\x2e\x01\x03\x01':
            self.context = None
            self.assertEqual(self.raw(data), b'')
        del self.context
        support.wait_until(lambda: server.connections == 0)


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Ends(TlsCase):
    """To the clients here one without close_notify is an error."""

    def test_of_an_answer(self):
        self.serve(lambda environ, start: start('200 OK', []) and iter([b'all']))
        client = self.connect()
        self.assertEqual(client.ask(version='1.0').body, b'all')
        self.serve()
        self.assertEqual(self.connect().ask('/', 'Connection: close').body, b'hello')

        def fails(environ, start_response):
            start_response('200 OK', [])
            yield b'a part'
            raise ValueError('and no more')
        self.serve(fails)
        with self.assertLogs('syncless.wsgi', 'ERROR'), self.assertRaises(ssl.SSLError):
            self.ask(version='1.0')

    def test_of_idle_ones(self):
        server = self.serve(idle_seconds=1.1)
        client, silent = self.connect(), self.connect()
        client.ask()
        support.wait_until(lambda: len(server.idle) == 2)
        self.assertEqual(server.core.active, 0)
        self.assertEqual(client.ask().body, b'hello')
        self.assertEqual((silent.rest(), client.rest()), (b'', b''))
        self.assertEqual(server.connections, 0)

    def test_of_one_that_sends_parts_of_a_record(self):
        """It wakes the server again and again, but asks nothing."""
        server = self.serve(idle_seconds=1.5)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        encrypted = self.context.wrap_bio(incoming, outgoing, server_hostname='localhost')
        raw = Client(self.address)
        while True:
            try:
                encrypted.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.send(outgoing.read())
                incoming.write(raw.sock.recv(65536))
        raw.send(outgoing.read())
        encrypted.write(b'x' * 10000)
        raw.send(outgoing.read()[:5])
        raw.sock.settimeout(0.2)
        is_over = False
        while not is_over:
            try:
                is_over = not raw._more()
            except socket.timeout:
                raw.send(b'x')
            except ConnectionError:
                is_over = True
        support.wait_until(lambda: server.connections == 0)
        raw.close()

    def test_by_the_client(self):
        server = self.serve()
        clients = [self.connect() for _ in range(3)]
        for client in clients:
            client.ask()
        clients[0].sock.unwrap().close()
        socket.socket.shutdown(clients[1].sock, socket.SHUT_WR)
        clients[2].close()
        self.assertEqual(clients[1].rest(), b'')
        support.wait_until(lambda: server.connections == 0)

    def test_stop(self):
        entered, gate = coio.Event(), coio.Event()

        def application(environ, start_response):
            if environ['PATH_INFO'] == '/wait':
                entered.set()
                gate.wait()
            return hello(environ, start_response)
        server = self.serve(application)
        idle, waiting, busy = self.connect(), self.connect(), self.connect()
        idle.ask()
        support.wait_until(lambda: len(server.idle) == 3)
        waiting.ask()
        busy.send(request('/wait'))
        entered.wait()
        self.assertFalse(server.stop(0))
        self.assertEqual((idle.rest(), waiting.rest()), (b'', b''))
        gate.set()
        self.assertEqual(busy.response().get('Connection'), 'close')
        self.assertEqual(busy.rest(), b'')


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Upgraders(TlsCase):
    tls = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tls = None

    def listen(self, *words):
        """WsgiListener() with these, in a coroutine."""
        listener = wsgi.listen(('127.0.0.1', 0))
        self.address = listener.getsockname()[:2]
        serving = coio.spawn(wsgi.WsgiListener, listener, names, *words)

        def end():
            serving.kill()
            listener.close()
        self.addCleanup(end)

    def test_both_on_a_port(self):
        self.listen(wsgi.SslUpgrader({'certfile': self.pem, 'keyfile': self.pem, 'do_handshake_on_connect': True},
                                     use_http=True))
        found = self.environ()
        self.assertEqual((found['wsgi.url_scheme'], found['HTTPS']), ('https', 'on'))
        found = json.loads(self.connect_by(None).ask().body)
        self.assertEqual((found['wsgi.url_scheme'], found['HTTPS'], found['REMOTE_ADDR']), ('http', 'off', '127.0.0.1'))
        Client(self.address).close()
        self.listen(wsgi.SslUpgrader({'certfile': self.pem}, use_http=False))
        self.assertEqual(self.environ()['HTTPS'], 'on')
        client = self.connect_by(None)
        client.send(request())
        self.assertNotIn(b'HTTP', client.rest())

    def test_of_ones_own(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem)
        seen = []

        def plainly(sock, environ, is_debug):
            seen.append((dict(environ), is_debug))
            environ['REMOTE_ADDR'] = '192.0.2.1'
            sock.settimeout(1)
            return sock

        def broken(sock, environ, is_debug):
            raise ValueError('no')
        self.listen(plainly)
        client = self.connect_by(None)
        for _ in range(2):
            self.assertEqual(json.loads(client.ask().body)['REMOTE_ADDR'], '192.0.2.1')
        (environ, is_debug), = seen
        self.assertLessEqual({'wsgi.url_scheme': 'http', 'HTTPS': 'off', 'REMOTE_ADDR': '127.0.0.1'}.items(),
                             environ.items())
        self.assertFalse(is_debug)
        self.listen(lambda sock, environ, is_debug: context.wrap_socket(sock, server_side=True))
        self.assertEqual(self.environ()['wsgi.url_scheme'], 'https')
        self.listen(lambda sock, environ, is_debug: None)
        self.assertEqual(self.connect_by(None).rest(), b'')
        self.listen(broken)
        with self.assertLogs('syncless.wsgi', 'ERROR'):
            self.assertEqual(self.connect_by(None).rest(), b'')

    def test_what_is_wrong(self):
        with self.assertRaises(FileNotFoundError):
            wsgi.SslUpgrader({'certfile': self.folder + '/none'}, False)
        with self.assertRaises(ValueError):
            wsgi.SslUpgrader({}, False)
        with wsgi.listen(('127.0.0.1', 0)) as listener, self.assertRaisesRegex(TypeError, 'cannot be called'):
            wsgi.WsgiListener(listener, hello, 'no callback')


if __name__ == '__main__':
    logging.getLogger('syncless.wsgi').addHandler(logging.NullHandler())
    unittest.main()
