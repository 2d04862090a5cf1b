# SPDX-License-Identifier: Apache-2.0
"""cryptography in TLS: pyOpenSSL's connections are its OpenSSL on a socket, their certificates its Rust core's."""
import socket
import struct

import case

try:
    from cryptography import x509
    from OpenSSL import SSL, crypto
except ImportError as error:
    case.not_here(f'no module {error.name}')


class OpenSSL(case.Client):
    packages = ('cryptography', 'pyOpenSSL')
    own = (SSL.Error, crypto.Error)

    def open(self):
        self.peer = case.Peer('stub.py')
        self.mute = case.mute_port()
        self.certificate = x509.load_pem_x509_certificate(self.peer.addresses['cert'].encode())

    def connect(self, port=None, trusts=True, seconds=0):
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_verify(SSL.VERIFY_PEER, lambda connection, found, error, depth, well: bool(well))
        if trusts:
            context.get_cert_store().add_cert(crypto.X509.from_cryptography(self.certificate))
        sock = socket.create_connection(('127.0.0.1', port or self.peer.addresses['https']))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, int(seconds * 1e6)))
        connection = SSL.Connection(context, sock)
        connection.set_connect_state()
        connection.do_handshake()
        assert connection.get_peer_certificate().to_cryptography() == self.certificate
        return connection

    def ask(self, connection, path):
        connection.sendall(f'GET /{path} HTTP/1.0\r\n\r\n'.encode())
        answer = b''
        while b'\r\n\r\n' not in answer or answer.endswith(b'\r\n\r\n'):
            answer += connection.recv(65536)
        return answer.partition(b'\r\n\r\n')[2].decode()

    def wait(self, number):
        return self.ask(self.connect(), f'hold/answer-{number}')

    def failures(self):
        return {'certificate': lambda: self.connect(trusts=False),
                'protocol': lambda: self.connect(self.peer.addresses['http']),
                'end': lambda: self.ask(self.connect(), 'drop')}

    def timeouts(self):
        """The socket's, for it has none."""
        return {'handshake': lambda: self.connect(self.mute, seconds=case.SOON),
                'answer': lambda: self.ask(self.connect(seconds=case.SOON), 'mute')}

    def hanging(self):
        connection = self.connect()
        return lambda: self.ask(connection, 'mute')

    def ping(self):
        assert self.ask(self.connect(), 'hello') == 'hello'


if __name__ == '__main__':
    case.main(OpenSSL)
