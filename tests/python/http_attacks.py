# SPDX-License-Identifier: Apache-2.0
"""Bytes that HTTP servers have been fooled with, and some that are only odd: a table, and mutations of it.

Each is what a client sends on a connection: a request that is wrong, or odd, or several, and behind it MARK, a
request that must not be answered unless it is one.
"""
import random

MARK = b'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
GOOD = b'GET /first HTTP/1.1\r\nHost: a\r\n\r\n'

# What may come behind a head: nothing, bytes, chunks, broken chunks, a request.
BODIES = (b'', b'hello', b'0\r\n\r\n', b'5\r\nhello\r\n0\r\n\r\n', MARK, b'0\r\n\r\n' + MARK)

LENGTHS = (  # values of Content-Length
    b'5', b'0', b'05', b'+5', b'-5', b'-0', b'5.0', b'5e0', b'0x5', b'0b1', b'5,', b',5', b'5,5', b'5, 5', b'5, 6',
    b'5;5', b'5 5', b'5 ', b'  5', b'\t5', b'5\t', b'"5"', b"'5'", b'five', b'', b' ', b'5\xa0', b'\xef\xbc\x95',
    b'5\x0b', b'5\x0c', b'5\0', b'5\r', b'18446744073709551621', b'4294967301', b'9223372036854775808',
    b'999999999999999999', b'1000000000000000000', b'00000000000000000000005', b'1073741825', b'5_0', b'1_0',
    b'\x005', b'5%20', b'%35', b'5\x7f')

ENCODINGS = (  # values of Transfer-Encoding
    b'chunked', b'Chunked', b'CHUNKED', b' chunked ', b'\tchunked', b'chunked\t', b'chunked ', b'\x0bchunked',
    b'\x0cchunked', b'chunked\x0b', b'chunked\0', b'\0chunked', b'"chunked"', b"'chunked'", b'xchunked', b'chunkedx',
    b'chunke', b'chunk', b'chunked,', b',chunked', b',', b'', b'chunked, chunked', b'chunked,chunked', b'identity',
    b'identity, chunked', b'chunked, identity', b'gzip', b'gzip, chunked', b'chunked, gzip', b'gzip,chunked,',
    b'chunked;q=1', b'chunked; q="1"', b'chunked\xa0', b'\xa0chunked', b'chunked\r', b'ch\xc3\xbcnked', b'chunk\xe9d',
    b'cow, chunked', b'gzip, ,chunked', b'chunked\x7f', b'chunked\x80', b'[chunked]', b'(chunked)', b'chunked/1.0',
    b'chunked chunked')

NAMES = (  # ways to write Transfer-Encoding and Content-Length that some server understands
    b'%s', b'%s ', b'%s\t', b' %s', b'\t%s', b'%s\0', b'\0%s', b'%s\x0b', b'%s\x0c', b'\x0b%s', b'%s\xa0', b'X-%s',
    b'%s-', b'"%s"', b'%s\r', b'\r%s', b'%s\x7f', b'%s:', b'%s :', b':%s', b'%s,', b'%s\x80')

FIELDS = (  # lines
    b'no colon', b': no name', b':', b' ', b'\t', b' folded: x', b'\tfolded', b'A: b\r\n folded', b'A: b\r\n\tfolded',
    b'A: b\r\n ', b'A:\r\n b', b'A : b', b'A\t: b', b'A B: c', b'A_B: c', b'A\0: b', b'A: \0', b'A: b\0', b'A: \x01',
    b'A: \x1f', b'A: \x7f', b'A: \x80\xff', b'A: \x85', b'A\x80: b', b'\xc3\xa4: b', b'A: b\rC: d', b'A: b\r\rC: d',
    b'A: b\nC: d', b'A: b\n\rC: d', b'A: b\r', b'\rA: b', b'\nA: b', b'A(: b', b'A@: b', b'A/: b', b'A[]: b',
    b'A{}: b', b'A"": b', b'A,: b', b'A;: b', b'A=: b', b'A?: b', b'A<>: b', b'A\\: b', b"!#$%&'*+-.^`|~: b", b'A:b',
    b'A:', b'A: ', b'A:  \t b \t ', b'A: b: c', b'Host: a', b'Host: b', b'host:b', b'HOST: ', b'Connection: close',
    b'Connection: keep-alive', b'Connection: close, keep-alive', b'Connection: keep-alive, close',
    b'Connection: Content-Length', b'Connection: Transfer-Encoding', b'Connection: ,,,close', b'Connection: clo\0se',
    b'Connection: upgrade\r\nUpgrade: h2c',
    b'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    b'Upgrade: websocket', b'Upgrade: TLS/1.0', b'Expect: 100-continue', b'Expect: 100-Continue',
    b'Expect: 100-continue, x', b'Expect: 200-ok', b'Expect:', b'Expect: 100-continue\r\nExpect: 100-continue',
    b'TE: trailers', b'TE: chunked', b'Trailer: Content-Length', b'Proxy: x', b'X-Forwarded-Host: b',
    b'X-HTTP-Method-Override: CONNECT', b'Content-Type: a\r\nContent-Type: b', b'Range: bytes=0-',
    b'Cookie: a\r\nCookie: b', b'Content-Length : 5', b'Content-Length\t: 5', b'Content_Length: 5',
    b'Transfer_Encoding: chunked', b'Content-Length: 5\r\n 0')

HOSTS = (
    b'', b'a', b'a.', b'.', b'..', b'a:', b'a:80', b'a:080', b'a:65536', b'a:99999999', b'a:-1', b'a:+1', b'a:x',
    b'a:80:80', b':', b':80', b'a b', b'a,b', b'a, b', b'a/b', b'a\\b', b'a?b', b'a#b', b'@a', b'u@a', b'u:p@a',
    b'http://a', b'//a', b'a%', b'a%2', b'a%2f', b'a%00', b'a%zz', b'%', b'_a', b'a_b', b'a;b', b'a=b', b"a'b",
    b'a"b', b'a<b>', b'a|b', b'a^b', b'a{b}', b'a`b', b'a\xe4', b'a\0', b'a\tb', b'127.0.0.1', b'127.0.0.1:80',
    b'[::1]', b'[::1]:80', b'[::1', b'::1', b'::1]', b'[]', b'[]:80', b'[::1]x', b'[::1]:', b'[::1%25eth0]',
    b'[v1.a]', b'[::1.2.3.4]', b'[1:2:3:4:5:6:7:8:9]', b'[[::1]]', b'[a]', b'[::g]', b'a[::1]', b'*', b'-', b'~')

TARGETS = (
    b'/', b'//', b'/a', b'/../..', b'/./a', b'/%2e%2e/', b'/%', b'/%2', b'/%zz', b'/%00', b'/a%00b', b'/?%00', b'/?',
    b'/??', b'/?a?b', b'/#', b'/#a', b'/a#b?c', b'/\\', b'/|', b'/"', b'/<>', b'/{}', b'/^`', b'/\x7f', b'/\x80',
    b'/\xff', b'/\xc3\xa4', b'/\0', b'/\x01', b'/a b', b'/ ', b'/\ta', b'/a\tb', b'/\x0b', b'/a\rb', b'/a\nb', b'*',
    b'**', b'*/', b'*?', b'a', b'a/b', b'?', b'#', b'', b'.', b'%2f', b'http://a', b'http://a/', b'http://a?b',
    b'http://a/b?c', b'http://b/', b'HTTP://a/', b'hTTp://a/', b'https://a/', b'http://a:80/', b'http://a:/',
    b'http://a:x/', b'http://', b'http:///', b'http://:80/', b'http://?', b'http:/a', b'http:a', b'http//a',
    b'http://u@a/', b'http://u:p@a/', b'http://a@b@c/', b'http://[::1]/', b'http://[::1]:80/', b'http://[::1/',
    b'http://a\\b/', b'http://a b/', b'http://a%2f/', b'http://a%zz/', b'http://a/%00', b'http://a#b', b'http://a,b/',
    b'ftp://a/', b'ws://a/', b'file:///a', b'javascript:x', b'a:80', b'://a', b'//a/b', b'/http://b/',
    b'/' + b'x' * 8150, b'/' + b'x' * 8180, b'/' + b'x' * 20000)

METHODS = (
    b'GET', b'HEAD', b'POST', b'PUT', b'DELETE', b'CONNECT', b'OPTIONS', b'TRACE', b'PATCH', b'PROPFIND', b'QUERY',
    b'PRI', b'FROB', b'get', b'Get', b'GE', b'GETT', b'G', b'M-SEARCH', b'A_B', b"!#$%&'*+-.^`|~", b'G@T', b'G(T',
    b'G\0T', b'G\x80T', b'G:T', b'G/T', b'"GET"', b'', b' GET', b'\tGET', b'GET ', b'GET\t', b'\0GET',
    b'\xef\xbb\xbfGET', b'GET\x0b', b'X' * 100, b'X' * 9000, b'SOURCE', b'HTTP/1.1')

VERSIONS = (
    b'HTTP/1.1', b'HTTP/1.0', b'HTTP/1.2', b'HTTP/1.9', b'HTTP/0.9', b'HTTP/0.0', b'HTTP/2.0', b'HTTP/3.0',
    b'HTTP/9.9', b'HTTP/1', b'HTTP/2', b'HTTP/1.', b'HTTP/.1', b'HTTP/11', b'HTTP/1.10', b'HTTP/01.1', b'HTTP/1.01',
    b'HTTP/1,1', b'HTTP/1.1 ', b' HTTP/1.1', b'HTTP/1.1\t', b'HTTP /1.1', b'HTTP/ 1.1', b'HTTP/1 .1', b'http/1.1',
    b'Http/1.1', b'HTTPS/1.1', b'HTTP1.1', b'HTTP\\1.1', b'HTTP/1.1x', b'HTTP/-1.1', b'HTTP/1.-1', b'HTTP/+1.1',
    b'HTTP/A.B', b'HTTP/1.1\0', b'ICE/1.0', b'RTSP/1.0', b'', b'1.1', b'HTTP/1.1 HTTP/1.1', b'HTTP/1.1\r',
    b'HTTP/\xb9.1', b'HTTP/1.1;', b'HTTP/4294967297.1', b'HTTP/1.4294967297')

CHUNKED = (  # bodies
    b'0\r\n\r\n', b'0\r\n', b'0', b'', b'\r\n', b'00\r\n\r\n', b'000000000000000\r\n\r\n',
    b'0000000000000000\r\n\r\n', b'5\r\nhello\r\n0\r\n\r\n', b'05\r\nhello\r\n0\r\n\r\n', b'5\nhello\n0\n\n',
    b'5\r\nhello\n0\r\n\r\n', b'5\nhello\r\n0\r\n\r\n', b'5\r\nhello\r\n0\n\r\n', b'5\r\nhello\r\n0\r\n\n',
    b'5\r\nhello0\r\n\r\n', b'5\r\nhell\r\n0\r\n\r\n', b'5\r\nhelloo\r\n0\r\n\r\n', b'5\r\nhello\r\r\n0\r\n\r\n',
    b'5\r\nhello\r0\r\n\r\n', b'5\r\nhelloXX0\r\n\r\n', b'5\rhello\r\n0\r\n\r\n', b'5\r\r\nhello\r\n0\r\n\r\n',
    b'5 \r\nhello\r\n0\r\n\r\n', b' 5\r\nhello\r\n0\r\n\r\n', b'5\t\r\nhello\r\n0\r\n\r\n',
    b'\t5\r\nhello\r\n0\r\n\r\n', b'+5\r\nhello\r\n0\r\n\r\n', b'-5\r\nhello\r\n0\r\n\r\n',
    b'0x5\r\nhello\r\n0\r\n\r\n', b'5h\r\nhello\r\n0\r\n\r\n', b'5_\r\nhello\r\n0\r\n\r\n',
    b'5.\r\nhello\r\n0\r\n\r\n', b'"5"\r\nhello\r\n0\r\n\r\n', b'5,5\r\nhello\r\n0\r\n\r\n',
    b'five\r\nhello\r\n0\r\n\r\n', b'\xb5\r\nhello\r\n0\r\n\r\n', b'5;\r\nhello\r\n0\r\n\r\n',
    b'5;x\r\nhello\r\n0\r\n\r\n', b'5;x=y\r\nhello\r\n0\r\n\r\n', b'5;x="y;z"\r\nhello\r\n0\r\n\r\n',
    b'5 ;x\r\nhello\r\n0\r\n\r\n', b'5; x = y\r\nhello\r\n0\r\n\r\n', b'5;x\nhello\r\n0\r\n\r\n',
    b'5;x\rhello\r\n0\r\n\r\n', b'5;\nx\r\nhello\r\n0\r\n\r\n', b'5;x\0\r\nhello\r\n0\r\n\r\n',
    b'5;\x7f\r\nhello\r\n0\r\n\r\n', b'5;x="\r\n"\r\nhello\r\n0\r\n\r\n', b'5;\xff\r\nhello\r\n0\r\n\r\n',
    b'5\0\r\nhello\r\n0\r\n\r\n', b'5;' + b'x' * 4000 + b'\r\nhello\r\n0\r\n\r\n',
    b'5;' + b'x' * 5000 + b'\r\nhello\r\n0\r\n\r\n',
    b''.join(b'1;' + b'x' * 3000 + b'\r\ny\r\n' for _ in range(5)) + b'0\r\n\r\n',
    b''.join(b'1;' + b'x' * 3000 + b'\r\ny\r\n' for _ in range(7)) + b'0\r\n\r\n',
    b'1\r\nx\r\n' * 1000 + b'0\r\n\r\n', b'ffffffffffffffff\r\nhello\r\n0\r\n\r\n',
    b'fffffffffffffffff5\r\nhello\r\n0\r\n\r\n', b'10000000000000005\r\nhello\r\n0\r\n\r\n',
    b'100000005\r\nhello\r\n0\r\n\r\n', b'8000000000000000\r\nhello\r\n0\r\n\r\n',
    b'7fffffffffffffff\r\nhello\r\n0\r\n\r\n', b'fffffffffffffff\r\nhello\r\n0\r\n\r\n',
    b'40000001\r\nhello\r\n0\r\n\r\n', b'5\r\nhello\r\n-0\r\n\r\n', b'5\r\nhello\r\n0x0\r\n\r\n',
    b'5\r\nhello\r\n 0\r\n\r\n', b'5\r\nhello\r\n0;x\r\n\r\n', b'5\r\nhello\r\n0\r\n\r',
    b'5\r\nhello\r\n0\r\nA: b\r\n\r\n', b'0\r\nContent-Length: 5\r\n\r\n', b'0\r\nTransfer-Encoding: chunked\r\n\r\n',
    b'0\r\nHost: b\r\n\r\n', b'0\r\nA: b\n\r\n', b'0\r\nA: b\r\r\n\r\n', b'0\r\nA: \0\r\n\r\n',
    b'0\r\nno colon\r\n\r\n', b'0\r\n: x\r\n\r\n', b'0\r\nA : x\r\n\r\n', b'0\r\n folded\r\n\r\n',
    b'0\r\nA: b\r\n folded\r\n\r\n', b'0\r\n' + MARK, b'0\r\nX:' + MARK, b'0\r\n\r\n\r\n\r\n',
    b'0\r\n' + b'A: b\r\n' * 5000 + b'\r\n', b'0\r\n' + b'A: b\r\n' * 6000 + b'\r\n',
    b'0\r\nA: ' + b'x' * 5000 + b'\r\n\r\n', b'3\r\nhello\r\n0\r\n\r\n', b'9\r\nhello\r\n0\r\n\r\n', b'5\r\nhello',
    b'5\r\nhel', b'5\r\nhello\r', b'5\r\nhello\r\n', b'5\r\nhello\r\n0', b'5\r\nhello\r\n0\r',
    b'5\r\nhello\r\n0\r\nA')

OTHERS = (  # connections from their beginning
    b'', b'\r\n', b'\n', b'\r', b'\0', b'\r\n\r\n\r\n', b' \r\n', b'\n\n', b'GET', b'GET ', b'GET /',
    b'GET /\r\n\r\n', b'GET /\n\n', b'GET / HTTP/1.1', b'GET / HTTP/1.1\r', b'GET / HTTP/1.1\r\n',
    b'GET / HTTP/1.1\r\n\r', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
    b'\x80\x2e\x01\x03\x01', b'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n', b'\r\n\r\n\0\r\nQUIT\n', b'SSH-2.0-x\r\n',
    b'EHLO a\r\n', b'USER a\r\n', b'*1\r\n$4\r\nPING\r\n', b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    b'\r\n' * 100, b'\r\n' * 5000, b'\r' * 100, b'\n' * 100, b' ' * 100, b'\0' * 100, b'A' * 100000, b'\xff' * 100,
    b'GET / HTTP/1.1\r\n' + b'A: b\r\n' * 99 + b'Host: a\r\n\r\n',
    b'GET / HTTP/1.1\r\n' + b'A: b\r\n' * 100 + b'Host: a\r\n\r\n',
    b'GET / HTTP/1.1\r\n' + b'A: b\r\n' * 200 + b'Host: a\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nA: ' + b'x' * 32000 + b'\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nA: ' + b'x' * 33000 + b'\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\n' + b'X' * 33000 + b': b\r\n\r\n',
    b'GET / HTTP/1.1\r\n' + b'X' * 200 + b': b\r\nHost: a\r\n\r\n', b'GET / HTTP/1.1\nHost: a\n\n',
    b'GET / HTTP/1.1\r\nHost: a\n\r\n', b'GET / HTTP/1.1\nHost: a\r\n\r\n', b'GET / HTTP/1.1\rHost: a\r\r',
    b'GET / HTTP/1.1\r\n\nHost: a\r\n\r\n', b'GET / HTTP/1.1\r\n\rHost: a\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\n\n', b'GET / HTTP/1.1\r\nHost: a\r\n\r\r\n',
    b'GET / HTTP/1.1\n\r\nHost: a\r\n\r\n', b'GET / HTTP/1.1\r\r\nHost: a\r\n\r\n', b'GET / HTTP/1.1 Host: a\r\n\r\n',
    b'GET / HTTP/1.1\0\r\nHost: a\r\n\r\n', b'GET\r\n/ HTTP/1.1\r\nHost: a\r\n\r\n', b'GET / HTTP/1.0\r\n\r\n',
    b'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', b'GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n',
    b'GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n', b'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')


def head(*lines, method=b'POST', target=b'/', version=b'HTTP/1.1', host=b'a'):
    return b'\r\n'.join([b'%s %s %s' % (method, target, version), b'Host: ' + host, *lines, b'', b''])


def framings():
    """Lines that say how long a body is, in ways that differ from one server to the next."""
    length, encoding = b'Content-Length: 5', b'Transfer-Encoding: chunked'
    for value in LENGTHS:
        yield b'Content-Length: ' + value,
        yield b'Content-Length: ' + value, length
        yield length, b'Content-Length: ' + value
        yield b'Content-Length: ' + value, encoding
    for value in ENCODINGS:
        yield b'Transfer-Encoding: ' + value,
        yield b'Transfer-Encoding: ' + value, length
        yield length, b'Transfer-Encoding: ' + value
        yield b'Transfer-Encoding: ' + value, encoding
        yield encoding, b'Transfer-Encoding: ' + value
    for name in NAMES:
        yield name % b'Content-Length' + b': 5',
        yield name % b'Transfer-Encoding' + b': chunked',
        yield name % b'Transfer-Encoding' + b': chunked', length
        yield name % b'Content-Length' + b': 5', encoding


def table():
    """The requests that are written by hand (bytes each), without MARK."""
    for number, lines in enumerate(framings()):
        yield head(*lines) + BODIES[number % len(BODIES)]
        yield head(*lines) + BODIES[(number + 3) % len(BODIES)]
    for field in FIELDS:
        yield head(field, method=b'GET')
        yield head(field, b'Content-Length: 5') + b'hello'
        yield head(field, b'Transfer-Encoding: chunked') + b'5\r\nhello\r\n0\r\n\r\n'
        yield b'POST / HTTP/1.1\r\n' + field + b'\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'
        yield b'POST / HTTP/1.0\r\n' + field + b'\r\nContent-Length: 5\r\n\r\nhello'
    for host in HOSTS:
        yield head(method=b'GET', host=host)
        yield head(method=b'GET', host=host, target=b'http://b/')
        yield head(b'Host: ' + host, method=b'GET')
        yield head(method=b'GET', host=host, version=b'HTTP/1.0')
    for target in TARGETS:
        for method in b'GET', b'OPTIONS', b'CONNECT':
            yield head(method=method, target=target)
    for method in METHODS:
        yield head(method=method)
        yield head(b'Content-Length: 5', method=method) + b'hello'
    for version in VERSIONS:
        yield head(method=b'GET', version=version)
        yield head(b'Transfer-Encoding: chunked', version=version) + b'0\r\n\r\n'
    for body in CHUNKED:
        yield head(b'Transfer-Encoding: chunked') + body
    yield from OTHERS
    for data in OTHERS:
        yield GOOD + data
        yield head(b'Content-Length: 5') + b'hello' + data


PIECES = (
    b'\r\n', b'\n', b'\r', b' ', b'\t', b'\0', b':', b',', b';', b'\r\n ', b'\r\n\r\n', b'0\r\n\r\n', b'5', b'\x80',
    b'\x7f', b'%00', b'_', b'HTTP/1.1', b'chunked', b'Content-Length: 5\r\n', b'Transfer-Encoding: chunked\r\n',
    b'Host: b\r\n', b'Connection: close\r\n', b'Expect: 100-continue\r\n', MARK)


def mutated(rng, seeds):
    """One of the seeds with a few things changed."""
    data = rng.choice(seeds)
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((0, 1, 1, 2, 5)))
        kind = rng.randrange(6)
        if kind == 0:
            data = data[:at] + rng.choice(PIECES) + data[end:]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at] + bytes([rng.randrange(256)]) + data[end:]
        elif kind == 3:  # a line twice, or somewhere else
            lines = data.split(b'\r\n')
            lines.insert(rng.randint(0, len(lines)), rng.choice(lines))
            data = b'\r\n'.join(lines)
        elif kind == 4:
            other = rng.choice(seeds)
            data = data[:at] + other[rng.randint(0, len(other)):]
        else:
            data = data[:at] + data[at:end].swapcase() + data[end:]
    return data


def generated(count, seed):
    """So many mutations of what is small in the table, the same ones for a seed."""
    rng = random.Random(seed)
    seeds = [data for data in table() if len(data) < 1000]
    return [mutated(rng, seeds) for _ in range(count)]
