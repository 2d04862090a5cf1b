# SPDX-License-Identifier: Apache-2.0
"""A TLS connection as sockets and as files: syncless run demo_ssl_client.py HOST PORT [CERTIFICATES [blocking]]

With the word `blocking` it is the standard library's class as it comes, which
waits as cooperatively; the output is the same.  The connection is written to
directly and by a file, and lives as long as one of the two does.
"""
import socket
import ssl
import sys

from syncless import coio


def connect(host, port, certificates, is_blocking):
    sock = socket.create_connection((host, port))
    if is_blocking:
        return ssl.create_default_context(cafile=certificates).wrap_socket(sock, server_hostname=host)
    return coio.nbsslsocket(sock, cert_reqs=ssl.CERT_REQUIRED, ca_certs=certificates, server_hostname=host)


def count():
    global ticks
    while True:
        ticks += 1
        coio.sleep(0.001)


ticks = 0
ticker = coio.spawn(count)
words = sys.argv[1:] + [None] * 4
encrypted = connect(words[0], int(words[1]), words[2], words[3] == 'blocking')
file = encrypted.makefile('rwb')
encrypted.sendall(b'GET /as/a/socket')
file.write(b'/and/a/file HTTP/1.0\r\n')
file.flush()
encrypted.sendall(b'Host: localhost\r\n\r\n')
encrypted.close()  # the file is still open, so is the connection
head, _, body = file.read().partition(b'\r\n\r\n')
print(head.splitlines()[0].decode())
print(body.decode())
file.close()
print('closed:', encrypted.fileno() == -1)
print('meanwhile there were ticks:', ticks > 0)
ticker.kill()
