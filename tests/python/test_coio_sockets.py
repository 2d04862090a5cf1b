# SPDX-License-Identifier: Apache-2.0
# needs: greenlet ssl
# timeout: 120
"""nbsocket, nbsslsocket and ssl_util: the standard library's sockets under the names of 2010."""
import errno
import fcntl
import gc
import os
import socket
import ssl
import tempfile
import threading
import unittest

import certificate
import support
from coroutines import Coio, coio, until

from syncless import ssl_util

SOON = 0.01


class Nbsocket(unittest.TestCase):
    def listen(self):
        listener = coio.nbsocket(socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(('127.0.0.1', 0))
        listener.listen(5)
        return listener

    def test_connection(self):
        listener = self.listen()
        with coio.nbsocket(socket.AF_INET, socket.SOCK_STREAM, 0, socket_impl=None) as client:
            client.connect(('localhost', listener.getsockname()[1]))
            listener.settimeout(support.HANG)
            server, address = listener.accept()
            with server:
                self.assertEqual(address, client.getsockname())
                self.assertIs(type(server), coio.nbsocket)
                self.assertIsNone(server.gettimeout())
                self.assertEqual(client.sendall(b''), None)
                client.sendall(b'hello', 0)
                self.assertEqual(server.recv(99), b'hello')
                self.assertIs(client._sock, client)

    def test_of_another(self):
        a, b = coio.socketpair()
        a.settimeout(5)
        with a, b, coio.nbsocket(a) as same:
            self.assertEqual((same.family, same.type, same.gettimeout()), (a.family, a.type, None))
            self.assertNotEqual(same.fileno(), a.fileno())
            a.close()
            same.send(b'x')
            self.assertEqual(b.recv(9), b'x')
            with same.dup() as other:
                self.assertIs(type(other), coio.nbsocket)

    def test_timeouts(self):
        a, b = socket.socketpair()
        with a, b, coio.nbsocket(a) as sock:
            sock.settimeout(0)
            with self.assertRaises(BlockingIOError):
                sock.recv(1)
            sock.settimeout(SOON)
            self.assertRaises(socket.timeout, sock.recv, 1)
            self.assertRaises(ValueError, sock.settimeout, -1)
            sock.setblocking(True)
            self.assertIsNone(sock.gettimeout())
        self.addCleanup(socket.setdefaulttimeout, socket.getdefaulttimeout())
        socket.setdefaulttimeout(5)
        with coio.nbsocket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            self.assertEqual(sock.gettimeout(), 5)

    def test_close(self):
        a, b = socket.socketpair()
        with a, b:
            sock = coio.nbsocket(a)
            fd = sock.fileno()
            self.assertTrue(sock.do_close)
            sock.setdoclose(False)
            sock.close()
            with self.assertRaises(OSError) as caught:
                sock.recv(1)
            self.assertEqual(caught.exception.errno, errno.EBADF)
            os.close(fd)

    def test_files(self):
        a, b = socket.socketpair()
        with a, b, coio.nbsocket(a) as sock:
            sock.settimeout(SOON)
            same = sock.makefile_samefd()
            self.assertEqual((same.fileno(), same.timeout), (sock.fileno(), SOON))
            self.assertRaises(socket.timeout, same.readline)
            sock.settimeout(None)
            self.assertRaises(socket.timeout, same.readline)  # as it was when the file was made
            b.sendall(b'a line\nrest')
            self.assertEqual(same.readline(), b'a line\n')
            same.write(b'buffered')
            same.close()
            self.assertEqual(b.recv(99), b'buffered')
            with sock.makefile('rw') as text:
                text.write('text')
            self.assertEqual(b.recv(99), b'text')
            sock.send(b'still open')
            self.assertEqual(sock.makefile_samefd('r', 16)._chunk, 16)
            file = coio.nbsocket(a).makefile_samefd()  # which alone refers to its socket
            b.send(b'x')
            self.assertEqual(file.read(1), b'x')
            file._owner.close()

    def test_aliases(self):
        self.assertIs(coio.new_realsocket, socket.socket)
        self.assertIs(coio.new_realsocket_fromfd, socket.fromfd)
        self.assertIs(coio.socketpair, socket.socketpair)

    def test_set_fd_blocking(self):
        a, b = socket.socketpair()
        with a, b:
            self.assertIs(coio.set_fd_blocking(a, False), True)
            self.assertTrue(fcntl.fcntl(a, fcntl.F_GETFL) & os.O_NONBLOCK)
            self.assertIs(coio.set_fd_blocking(a.fileno(), False), False)
            self.assertIs(coio.set_fd_blocking(a.fileno(), True), False)
            self.assertIs(coio.set_fd_blocking(a.fileno(), True), True)
            fd = a.fileno()
        self.assertIsNone(coio.set_fd_blocking(fd, True))


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.pem = certificate.make(folder.name)
        cls.empty = os.path.join(folder.name, 'empty')
        open(cls.empty, 'w').close()

    def pair(self, server_keywords=None, **client_keywords):
        """Two ends, each of which has its own thread's handshake behind it."""
        ends = socket.socketpair()
        found = []
        keywords = {'certfile': self.pem, 'server_side': True, **(server_keywords or {})}
        with support.Crew() as crew:
            crew.start(lambda: found.append(coio.nbsslsocket(ends[0], **keywords)))
            client = coio.ssl_wrap_socket(ends[1], **client_keywords)
        self.addCleanup(client.close)
        self.addCleanup(found[0].close)
        return found[0], client

    def test_talk(self):
        server, client = self.pair(cert_reqs=ssl.CERT_REQUIRED, ca_certs=self.pem)
        client.sendall(b'hello')
        self.assertEqual(server.recv(99), b'hello')
        self.assertIsInstance(client, ssl.SSLSocket)
        self.assertIn((('commonName', 'localhost'),), client.getpeercert()['subject'])
        self.assertEqual(client.cipher(), server.cipher())
        self.assertIsNotNone(client.get_sslobj())
        self.assertEqual((server.certfile, server.keyfile, client.cert_reqs), (self.pem, None, ssl.CERT_REQUIRED))
        self.assertRaises(ValueError, client.send, b'x', 1)
        self.assertRaises(ValueError, client.recvfrom, 1)

    def test_file(self):
        server, client = self.pair()
        client.settimeout(SOON)
        file = client.makefile_samefd()
        self.assertRaises(socket.timeout, file.readline)
        self.assertFalse(file.wait_for_readable(0))
        server.sendall(b'a line\nmore')
        self.assertTrue(file.wait_for_readable(support.HANG))
        self.assertEqual((file.readline(), file.read(4)), (b'a line\n', b'more'))
        file.write(b'written')
        file.close()
        self.assertEqual(server.recv(99), b'written')
        client.sendall(b'still open')
        self.assertEqual(server.recv(99), b'still open')

    def test_bytes_that_tls_has_read_ahead(self):
        server, client = self.pair()
        file = client.makefile_samefd(bufsize=4)
        server.sendall(b'0123456789')
        self.assertEqual(file.read_at_most(4), b'0123')
        self.assertTrue(file.wait_for_readable(0))
        self.assertEqual(file.read(6), b'456789')

    def test_ragged_end(self):
        server, client = self.pair()
        self.assertTrue(client.suppress_ragged_eofs)
        socket.socket.shutdown(server, socket.SHUT_RDWR)
        self.assertEqual(client.recv(9), b'')

    def test_client_certificate(self):
        """Both ends see the same, as blocking ones would."""
        server, client = self.pair({'cert_reqs': ssl.CERT_REQUIRED, 'ca_certs': self.pem}, certfile=self.pem)
        client.sendall(b'x')
        server.recv(1)
        with open(self.pem + '.crt') as file:
            self.assertEqual(server.getpeercert(True), ssl.PEM_cert_to_DER_cert(file.read()))

    def test_keeps_the_timeout(self):
        a, b = socket.socketpair()
        a.settimeout(support.HANG)
        with support.Crew() as crew, b:
            def serve():
                with coio.nbsslsocket(b, certfile=self.pem, server_side=True) as server:
                    server.sendall(b'hello')

            crew.start(serve)
            with coio.nbsslsocket(a) as client:
                self.assertEqual(client.gettimeout(), support.HANG)
                buffer = bytearray(9)
                self.assertEqual((client.recv_into(buffer), buffer), (5, b'hello\0\0\0\0'))

    def test_handshake_later(self):
        a, b = socket.socketpair()
        wrapped = coio.nbsslsocket(a, certfile=self.pem, server_side=True, do_handshake_on_connect=False)
        with wrapped, b:
            self.assertIsNone(wrapped.cipher())

    def test_wrong_arguments(self):
        self.assertRaises(TypeError, coio.nbsslsocket, 5)
        with socket.socket() as sock:
            self.assertRaises(ValueError, coio.nbsslsocket, sock, keyfile=self.pem)
            self.assertRaises(ValueError, coio.nbsslsocket, sock, server_side=True)
            self.assertRaises(OSError, coio.nbsslsocket, sock, certfile='/no/such/file')

    def test_validate(self):
        valid = dict(certfile=self.pem, keyfile=self.pem, server_side=True, ca_certs=self.pem,
                     cert_reqs=ssl.CERT_OPTIONAL, do_handshake_on_connect=False)
        self.assertIsNone(ssl_util.validate_new_sslsock(**valid))
        self.assertIsNone(ssl_util.validate_new_sslsock())
        for change in dict(certfile='/no/such/file'), dict(keyfile='/no/such/file'), dict(certfile=self.empty), \
                dict(ca_certs=self.empty), dict(ca_certs='/no/such/file'):
            self.assertRaises(OSError, ssl_util.validate_new_sslsock, **{**valid, **change})
        for change in dict(certfile=None), dict(cert_reqs=99), dict(ssl_version=99):
            self.assertRaises((ValueError, TypeError), ssl_util.validate_new_sslsock, **{**valid, **change})

    def test_no_garbage(self):
        """A thousand sockets leave no cycles behind, neither connected ones nor others, nor those that failed."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

        def connected():
            coio.nbsslsocket(socket.socket(), do_handshake_on_connect=False).close()

        def failed():
            with socket.socket() as sock:
                self.assertRaises(ValueError, coio.nbsslsocket, sock, keyfile='x')

        def plain():
            with socket.socket() as sock:
                coio.nbsocket(sock).close()

        for make in connected, failed, plain:
            make()
            gc.collect()
            for _ in range(1000):
                make()
            self.assertLess(gc.collect(), 1000)


class BesideOthers(Coio):
    def test_accept_and_connect(self):
        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(connection.recv(99).upper())

        with coio.nbsocket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen(5)
            server = until(coio.spawn(serve))
            with coio.nbsocket(socket.AF_INET, socket.SOCK_STREAM) as client:
                client.connect(listener.getsockname())
                client.send(b'hello')
                self.assertEqual(client.recv(99), b'HELLO')
            server.get()

    def test_handshakes(self):
        with tempfile.TemporaryDirectory() as folder:
            pem = certificate.make(folder)
            pairs = [socket.socketpair() for _ in range(20)]
            servers = [coio.spawn(coio.nbsslsocket, a, certfile=pem, server_side=True) for a, _ in pairs]
            clients = [coio.spawn(coio.nbsslsocket, b) for _, b in pairs]
            threads = threading.active_count()
            for server, client in zip(servers, clients):
                with server.get() as a, client.get() as b:
                    a.sendall(b'x')
                    self.assertEqual(b.recv(1), b'x')
            self.assertEqual(threading.active_count(), threads)


if __name__ == '__main__':
    support.main()
