# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server by hand: syncless run demo_ssl_server.py CERTIFICATE [PORT]

CERTIFICATE is a file with a certificate and its key.  A handshake is done in the
coroutine of its connection, so nobody waits for a client that does not finish
his; one that fails is told and forgotten.
"""
import ssl
import sys

from syncless import coio, ssl_util


def talk(sock, address):
    try:
        with coio.Timeout(10, silent=True), coio.nbsslsocket(sock, server_side=True, **keywords) as encrypted:
            answer(encrypted)
    except (ssl.SSLError, ConnectionError) as error:
        print('bad client:', type(error).__name__, flush=True)


def answer(sock):
    with sock.makefile_samefd() as file:
        request = file.readline_stripend()
        while file.readline_stripend():
            pass
        text = b'You have asked for ' + (request or b'nothing')
        file.write(b'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s' % (len(text), text))
    sock.unwrap()


keywords = {'certfile': sys.argv[1]}
ssl_util.validate_new_sslsock(server_side=True, **keywords)  # now, and not when the first client comes
with coio.serve(('127.0.0.1', int(sys.argv[2]) if len(sys.argv) > 2 else 44433), talk) as server:
    print('listening on', server.address[1], flush=True)
    try:
        server.join()
    except KeyboardInterrupt:
        server.kill()
        print('over', flush=True)
