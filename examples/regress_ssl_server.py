# SPDX-License-Identifier: Apache-2.0
"""What a server sees of a client that has a certificate: syncless run regress_ssl_server.py CERTIFICATE

CERTIFICATE is a file with a certificate and its key, for both sides.  Once the
two are coroutines, and once kernel threads, whose calls just block: the server
must see the same.  (A bug report of 2010.)
"""
import concurrent.futures
import hashlib
import socket
import ssl
import sys

import syncless
from syncless import coio


def see(listener):
    sock, _ = listener.accept()
    with coio.nbsslsocket(sock, server_side=True, **keywords) as encrypted:
        encrypted.sendall(b'seen')
        return hashlib.sha256(encrypted.getpeercert(True)).hexdigest(), encrypted.cipher()


def show(address):
    with coio.nbsslsocket(socket.create_connection(address), **keywords) as encrypted:
        encrypted.recv(4)


keywords = {'certfile': sys.argv[1], 'ca_certs': sys.argv[1], 'cert_reqs': ssl.CERT_REQUIRED}
with socket.create_server(('127.0.0.1', 0)) as listener:
    client = coio.spawn(show, listener.getsockname())
    by_coroutines = see(listener)
    client.get()
    with syncless.native_threads(), concurrent.futures.ThreadPoolExecutor(2) as executor:
        client = executor.submit(show, listener.getsockname())
        by_threads = executor.submit(see, listener).result()
        client.result()
print('certificate:', by_coroutines[0])
print('cipher:', by_coroutines[1][0])
print('threads see the same:', by_coroutines == by_threads)
