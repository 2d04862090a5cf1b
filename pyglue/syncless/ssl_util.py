# SPDX-License-Identifier: Apache-2.0
"""What a server should know about its certificate before the first client comes.

    from syncless import ssl_util

    ssl_util.validate_new_sslsock(certfile='cert.pem', keyfile='key.pem', server_side=True)
"""
from typing import Any

from .coio._sockets import make_context

__all__ = ['validate_new_sslsock']


def validate_new_sslsock(**kwargs: Any) -> None:
    """Raises now what coio.nbsslsocket(sock, **kwargs) would raise for each connection.

    Looks at keyfile, certfile, cert_reqs, ssl_version, ca_certs, ciphers and
    server_side; other keywords of nbsslsocket mean nothing here.  OSError, of
    which ssl.SSLError is one: a file cannot be read, or is not what it should be.
    ValueError: a key without a certificate.
    """
    known = 'keyfile', 'certfile', 'server_side', 'cert_reqs', 'ssl_version', 'ca_certs', 'ciphers'
    make_context(**{name: kwargs[name] for name in known if name in kwargs})
