# SPDX-License-Identifier: Apache-2.0
"""TLS for the server: contexts from files, handshakes, and what an environ tells of both.

It is that of Python's own ssl module: a second OpenSSL in the process would have to be kept apart from
that of drivers and of the interpreter.
"""
import re
import socket

from ..coio._sockets import make_context, ssl

UNHEEDED = 'do_handshake_on_connect', 'server_hostname', 'sslsocket_impl', 'suppress_ragged_eofs'
CERTIFICATE = re.compile(rb'-----BEGIN [A-Z0-9 ]*CERTIFICATE-----')
KEY = re.compile(rb'-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----')
SHORT = {'commonName': 'CN', 'countryName': 'C', 'domainComponent': 'DC', 'localityName': 'L', 'organizationName': 'O',
         'organizationalUnitName': 'OU', 'stateOrProvinceName': 'ST', 'streetAddress': 'STREET', 'userId': 'UID'}


# --- Contexts.

def _holds(path, form, what):
    """Raises unless a file can be read and has something of this form."""
    with open(path, 'rb') as file:
        if not form.search(file.read()):
            raise ValueError(f'{path}: no {what} in PEM form')


def _load(context, cert, key, password):
    key = key or cert

    def no_password():
        raise ValueError(f'{key}: the key is encrypted; give its password')
    _holds(cert, CERTIFICATE, 'certificate')
    _holds(key, KEY, 'private key')
    try:
        context.load_cert_chain(cert, key, no_password if password is None else password)
    except ssl.SSLError as error:
        if error.reason == 'KEY_VALUES_MISMATCH':
            raise ValueError(f'{key}: the key does not belong to the certificate in {cert}') from None
        raise ValueError(f'{cert}, {key}: OpenSSL cannot use them: {error.reason or error}') from None


class Tls:
    """Certificates of a server, what it asks of its clients, and the ssl.SSLContext that is made of these.

        wsgi.RunHttpServer(application, tls=wsgi.Tls('cert.pem', 'key.pem'))

    cert, key   paths of PEM files: the certificate with those that it needs up to the root; its key (None: in cert)
    password    of encrypted keys (str or bytes)
    client_ca   path: certificates of clients must be signed by one of these
    client      'required' (the default with client_ca): no certificate, no handshake; 'optional': one may be missing
    sni         a dict: host name, or '*.domain', to (cert, key) or cert; other names, and none, get the first
    minimum     the oldest version: '1.2' or '1.3'
    ciphers     for TLS 1.2, in OpenSSL's form (None: Python's choice)

    OSError: a file cannot be read.  ValueError: it is not what it should be.
    """

    def __init__(self, cert, key=None, password=None, client_ca=None, client=None, sni=None, minimum='1.2',
                 ciphers=None):
        if ssl is None:
            raise ValueError('this Python has no ssl module')
        if client not in (None, 'required', 'optional'):
            raise ValueError(f"client must be 'required' or 'optional', not {client!r}")
        if client and not client_ca:
            raise ValueError('certificates of clients need client_ca, the file of those that sign them')
        if minimum not in ('1.2', '1.3'):
            raise ValueError(f"minimum must be '1.2' or '1.3', not {minimum!r}")
        self._cert, self._key, self._password = cert, key, password
        self._client_ca, self._ciphers = client_ca, ciphers
        self._verify = (ssl.CERT_NONE if not client_ca else
                        ssl.CERT_OPTIONAL if client == 'optional' else ssl.CERT_REQUIRED)
        self._minimum = ssl.TLSVersion.TLSv1_2 if minimum == '1.2' else ssl.TLSVersion.TLSv1_3
        self._sni = {name.lower(): (pair, None) if isinstance(pair, str) else tuple(pair)
                     for name, pair in (sni or {}).items()}
        self.reload()

    def reload(self):
        """Reads the files again, for handshakes to come.  If they are wrong it raises, and nothing changes."""
        context = self._context(self._cert, self._key)
        named = {name: self._context(*pair) for name, pair in self._sni.items()}

        def choose(sock, name, _):
            sock.asked_for = name  # the ssl module does not keep it
            found = named.get((name or '').lower()) or named.get('*.' + (name or '').lower().partition('.')[2])
            if found is not None:
                sock.context = found
        if named:  # else not: the ssl module prints a traceback for each name that is not ASCII
            context.sni_callback = choose
        self.context = context

    def _context(self, cert, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._minimum
        # Many a client just closes; that is an end like another to HTTP, which knows where its messages end.
        context.options |= getattr(ssl, 'OP_NO_RENEGOTIATION', 0) | getattr(ssl, 'OP_IGNORE_UNEXPECTED_EOF', 0)
        context.set_alpn_protocols(['http/1.1'])
        _load(context, cert, key, self._password)
        try:
            if self._ciphers:
                context.set_ciphers(self._ciphers)
        except ssl.SSLError:
            raise ValueError(f'OpenSSL knows none of the ciphers {self._ciphers}') from None
        if self._client_ca:
            _holds(self._client_ca, CERTIFICATE, 'certificate')
            try:
                context.load_verify_locations(self._client_ca)
            except ssl.SSLError as error:
                raise ValueError(f'{self._client_ca}: OpenSSL cannot use it: {error.reason or error}') from None
            context.verify_mode = self._verify
        return context


def context_of(tls):
    """The ssl.SSLContext for the next handshake of HttpServer's argument; TypeError, ValueError: it is of no use."""
    context = tls.context if isinstance(tls, Tls) else tls
    if ssl is None or not isinstance(context, ssl.SSLContext):
        raise TypeError(f'tls must be a wsgi.Tls or an ssl.SSLContext, not {tls!r}')
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise ValueError('the context is for clients; make it with ssl.PROTOCOL_TLS_SERVER')
    return context


# --- Handshakes.

def is_stream(sock):
    """Is what it sends encrypted by the ssl module?"""
    return ssl is not None and isinstance(sock, ssl.SSLSocket)


def shake_hands(context, sock, seconds, environ):
    """An ssl.SSLSocket in sock's place, which is closed if this raises (OSError); what it is goes into environ."""
    stream = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
    try:
        stream.settimeout(seconds)
        stream.do_handshake()
        environ.update(_names(stream))
    except BaseException:
        stream.close()
        raise
    return stream


class Upgrade:
    """What HttpServer does to a new connection if it has TLS."""

    def __init__(self, tls, seconds):
        context_of(tls)
        self.tls, self.seconds = tls, seconds

    def __call__(self, sock, environ, is_debug):
        return shake_hands(context_of(self.tls), sock, self.seconds, environ)


class SslUpgrader:
    """An upgrade_ssl_callback, with the keywords of ssl.wrap_socket(), as it was in 2010.

    sslsock_kwargs  dict: certfile, keyfile, cert_reqs, ssl_version, ca_certs, ciphers
    use_http        who does not begin with a handshake is served without TLS

    OSError: a file cannot be read, or OpenSSL cannot use it.  ValueError: there is no certificate.
    """

    def __init__(self, sslsock_kwargs, use_http=False):
        keywords = {name: value for name, value in sslsock_kwargs.items() if name not in UNHEEDED}
        self.context = make_context(**{**keywords, 'server_side': True})
        self.context.set_alpn_protocols(['http/1.1'])
        self.use_http = use_http
        self.seconds = 10

    def __call__(self, sock, environ, is_debug=False):
        """The socket to go on with; None: the client has gone.  OSError: the handshake has failed."""
        sock.settimeout(self.seconds)
        if self.use_http:
            first = sock.recv(1, socket.MSG_PEEK)
            if first not in (b'\x16', b'\x80'):
                return sock if first else None
        return shake_hands(self.context, sock, self.seconds, environ)


# --- What an environ tells.

def _native(text):
    """As PEP 3333 has it: UTF-8, a character for each byte."""
    return text.encode().decode('latin-1')


def _escaped(value):
    value = re.sub(r'([\\,+"<>;=]|^[# ]| $)', r'\\\1', value)
    return value.replace('\0', '\\00')


def _name_of(rdns):
    """A distinguished name as RFC 4514 writes it."""
    return _native(','.join('+'.join(f'{SHORT.get(name, name)}={_escaped(value)}' for name, value in rdn)
                            for rdn in reversed(rdns)))


def _names(stream):
    names = {'wsgi.url_scheme': 'https', 'HTTPS': 'on', 'SSL_PROTOCOL': stream.version()}
    names['SSL_CIPHER'], _, bits = stream.cipher()
    names['SSL_CIPHER_USEKEYSIZE'] = str(bits)
    if getattr(stream, 'asked_for', None):
        names['SSL_TLS_SNI'] = _native(stream.asked_for)
    if stream.context.verify_mode == ssl.CERT_NONE:
        return names
    certificate = stream.getpeercert()
    names['SSL_CLIENT_VERIFY'] = 'SUCCESS' if certificate else 'NONE'
    if certificate:
        names.update(SSL_CLIENT_S_DN=_name_of(certificate['subject']), SSL_CLIENT_I_DN=_name_of(certificate['issuer']),
                     SSL_CLIENT_M_SERIAL=certificate['serialNumber'], SSL_CLIENT_V_START=certificate['notBefore'],
                     SSL_CLIENT_V_END=certificate['notAfter'],
                     SSL_CLIENT_CERT=ssl.DER_cert_to_PEM_cert(stream.getpeercert(True)))
        common = [value for rdn in certificate['subject'] for name, value in rdn if name == 'commonName']
        if common:
            names['SSL_CLIENT_S_DN_CN'] = _native(common[0])
    return names
