# SPDX-License-Identifier: Apache-2.0
"""The least that there is of an HTTPS client: syncless run demo_ssl_client_simple.py HOST [PORT [CERTIFICATES]]"""
import socket
import ssl
import sys

from syncless import coio

host = sys.argv[1] if len(sys.argv) > 1 else 'www.python.org'
port = int(sys.argv[2]) if len(sys.argv) > 2 else 443
sock = coio.nbsocket(socket.AF_INET, socket.SOCK_STREAM)
sock.connect((host, port))
with coio.nbsslsocket(sock, cert_reqs=ssl.CERT_REQUIRED, ca_certs=sys.argv[3] if len(sys.argv) > 3 else None,
                      server_hostname=host) as encrypted:
    encrypted.sendall(f'GET / HTTP/1.0\r\nHost: {host}\r\n\r\n'.encode())
    print(encrypted.recv(1000).decode(errors='replace').splitlines()[0])
