# SPDX-License-Identifier: Apache-2.0
"""The look-ups, in groups; configs.py says which group is asked in which world.

A query is a line for lookup.c: the call and its arguments.
"""
import socket
from socket import AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM

from zone import LONG, LONGEST, RCODES, WRONG_FIRST

PASSIVE, CANONNAME, NUMERICHOST, V4MAPPED, ALL, ADDRCONFIG, IDN, CANONIDN, NUMERICSERV = (
    1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x400)
NI_NUMERICHOST, NI_NUMERICSERV, NI_NOFQDN, NI_NAMEREQD, NI_DGRAM, NI_IDN = 1, 2, 4, 8, 16, 32
FAMILIES = (0, AF_INET, AF_INET6)
NO_HINTS = object()
HOSTS_SIZE = 1 << 16  # enough for any answer


def text(value):
    if value is None:
        return '-'
    data = value if isinstance(value, bytes) else value.encode()
    return '=' + ''.join(chr(byte) if 32 < byte < 127 and byte != 92 else f'\\x{byte:02x}' for byte in data)


def gai(node, service=None, flags=0, family=0, kind=SOCK_STREAM, protocol=0):
    if flags is NO_HINTS:
        return f'getaddrinfo\t{text(node)}\t{text(service)}'
    return f'getaddrinfo\t{text(node)}\t{text(service)}\t{flags}\t{family}\t{kind}\t{protocol}'


def gni(address, port=0, flags=0, scope=0, host=1025, serv=32, salen=-1, family=None):
    """getnameinfo: of an address in text, or of a raw family's bytes."""
    if family is None:
        family = AF_INET6 if ':' in address else AF_INET
        address = socket.inet_pton(family, address)
    return '\t'.join(['getnameinfo', str(int(family)), address.hex(),
                      *map(str, (port, scope, salen, host, serv, flags))])


def ghbn(name):
    return f'gethostbyname\t{text(name)}'


def ghbn2(name, family):
    return f'gethostbyname2\t{text(name)}\t{int(family)}'


def raw(address):
    """An address's bytes in hexadecimal, and their number."""
    family = AF_INET6 if ':' in address else AF_INET
    data = socket.inet_pton(family, address)
    return data.hex(), len(data), int(family)


def ghba(address):
    return 'gethostbyaddr\t{}\t{}\t{}'.format(*raw(address))


def ghbn_r(name, size='+64'):
    return f'gethostbyname_r\t{size}\t{text(name)}'


def ghbn2_r(name, family, size='+64'):
    return f'gethostbyname2_r\t{size}\t{text(name)}\t{int(family)}'


def ghba_r(address, size='+64'):
    return 'gethostbyaddr_r\t{}\t{}\t{}\t{}'.format(size, *raw(address))


def in_each_way(name, static=True):
    """The calls that look a name up; the ones with static answers not where all run at once."""
    found = [gai(name, flags=CANONNAME, family=family) for family in FAMILIES]
    found += [ghbn2_r(name, AF_INET), ghbn2_r(name, AF_INET6)]
    return found + [ghbn(name)] if static else found


def addresses_in_each_way(address):
    return [gni(address), gni(address, flags=NI_NAMEREQD), ghba(address), ghba_r(address)]


NUMERIC = ['1.2.3.4', '127.1', '127.0.1', '0x7f.1', '017700000001', '2130706433', '4294967296', '0',
           '1.2.3.4.5', '1.2.3.256', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.4x', '1.2.3.', '1..2', '.1.2.3', '08', '0x',
           '0xg', '1.2.3.04', '::', '::1', '::ffff:1.2.3.4', '::1.2.3.4', '2001:DB8::a', 'fe80::1',
           'fe80::1%lo', 'fe80::1%1', 'fe80::1%nosuch', 'fe80::1%99', 'fe80::1%4294967296', '::1%', '::1%lo',
           '::1%1', '2001:db8::1%lo', '2001:db8::1%1', 'ff02::1%lo', '[::1]', '1:2:3:4:5:6:7:8:9', ':::',
           '12345::', '::g', 'fe80::1%lo%lo', '1.2.3.4%lo', '::ffff:1.2.3.4%lo', '0.0.0.0', '255.255.255.255',
           '%lo', 'fe80::%']


def numeric():
    for node in NUMERIC:
        for family in FAMILIES:
            yield gai(node, flags=NUMERICHOST | CANONNAME, family=family)
            yield gai(node, flags=CANONNAME, family=family)
        yield ghbn(node)
        yield ghbn2(node, AF_INET6)
        yield ghbn_r(node)
        yield ghbn2_r(node, AF_INET6)
    for node in ('1.2.3.4', '::ffff:1.2.3.4', '::1', 'x.test'):
        for flags in (V4MAPPED, V4MAPPED | ALL, V4MAPPED | NUMERICHOST, V4MAPPED | ADDRCONFIG, ADDRCONFIG):
            for family in FAMILIES:
                yield gai(node, flags=flags, family=family)


SERVICES = ['http', 'domain', 'ssh', 'tftp', 'nosuchservice', '80', '0', '65535', '65536', '-1', '80 ', ' 80',
            '0x50', '080', '', 'HTTP', 'www', '99999999999999999999', '80x', '+80', 'both-differ', 'only-tcp',
            'only-udp', 'only-sctp', 'alias-of', 'http ', 'x' * 300]


def services():
    for service in SERVICES:
        yield gai('127.0.0.1', service, kind=0)
        yield gai('127.0.0.1', service, NO_HINTS)
        yield gai('127.0.0.1', service, NUMERICSERV)
        yield gai(None, service, kind=SOCK_DGRAM)
        yield gai('::1', service, kind=SOCK_STREAM)
        yield gai('::1', service, kind=0, protocol=17)
        yield gai('127.0.0.1', service, kind=SOCK_RAW)
        yield gai('127.0.0.1', service, kind=0, protocol=132)
    for kind in (0, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, 4, 5, 6, 10, 99, -1, SOCK_STREAM | 0o4000):
        for protocol in (0, 1, 6, 17, 132, 136, 33, 255, 256, 999, -1):
            yield gai('127.0.0.1', None, kind=kind, protocol=protocol)
            yield gai('127.0.0.1', '53', kind=kind, protocol=protocol)
    for service in ('http', '80', 'nosuchservice'):
        yield gai('nowhere.x.test', service)
        yield gai('v4.x.test', service, kind=0)


def nulls_and_flags():
    for node in (None, '', '*', 'localhost'):
        for service in (None, '80', ''):
            for flags in (0, PASSIVE, CANONNAME, PASSIVE | NUMERICHOST, NUMERICHOST, V4MAPPED, ADDRCONFIG,
                          PASSIVE | ADDRCONFIG | NUMERICSERV, NO_HINTS):
                for family in (0, AF_INET6) if flags is not NO_HINTS else (0,):
                    yield gai(node, service, flags, family)
    for flags in (0x800, 0x8000, -1, 0x100, 0x200, 0x300, 1 << 30, CANONNAME | 0x800):
        yield gai('127.0.0.1', '80', flags)
    for family in (AF_UNIX, 16, 99, -1, 3):
        yield gai('127.0.0.1', '80', family=family)
        yield gai('v4.x.test', family=family)
        yield gai(None, family=family)
        yield ghbn2('localhost', family)
        yield ghbn2_r('localhost', family)
        yield ghbn2_r('v4.x.test', family)
        yield ghbn2('1.2.3.4', family)


NAMES = ['both.x.test', 'v4.x.test', 'v6.x.test', 'none.x.test', 'nowhere.x.test', 'multi.x.test',
         'twice.x.test', 'mapped.x.test', 'BOTH.x.TEST', 'both.x.test.', 'cname.x.test', 'Cname-Case.x.test',
         'deep.er.wild.x.test', 'b.wild.x.test', 'there.wild.x.test', 'localhost.x.test']


def flags():
    for name in ('both.x.test', 'v4.x.test', 'v6.x.test', 'nowhere.x.test', 'mapped.x.test', 'dual.hosts',
                 'one.hosts', 'v6.hosts'):
        for mask in (0, CANONNAME, V4MAPPED, V4MAPPED | ALL, ALL, ADDRCONFIG, ADDRCONFIG | V4MAPPED,
                     ADDRCONFIG | V4MAPPED | ALL, NUMERICHOST, PASSIVE, NO_HINTS):
            for family in FAMILIES if mask is not NO_HINTS else (0,):
                yield gai(name, '80', mask, family)


def names():
    for name in NAMES:
        yield from in_each_way(name)
        yield gai(name, '80', kind=0)


def idn():
    for name in ('bücher.x.test', 'xn--bcher-kva.x.test', 'canon-idn.x.test', 'both.x.test', 'b\u2024x.test',
                 'BÜCHER.x.test', 'a_b.x.test', '\u00df.x.test', b'b\xfccher.x.test', 'xn--a.x.test',
                 '\u00fc' * 64, 'bücher.odd.test', '\u2488com', 'x\u200dy.x.test'):
        for mask in (0, IDN, IDN | CANONNAME, CANONNAME | CANONIDN, IDN | CANONNAME | CANONIDN, CANONIDN):
            yield gai(name, flags=mask)
    for mask in (0, NI_IDN, NI_IDN | NI_NAMEREQD):
        yield gni('192.0.2.13', flags=mask)
        yield gni('192.0.2.12', flags=mask)


def chains():
    for name in ('cname-v4.x.test', 'cname-v6.x.test', 'cname-dangling.x.test', 'cname-nodata.x.test',
                 'cname-elsewhere.x.test', 'loop.x.test', 'self.x.test', 'loop-and-a.x.test',
                 'late-cname.x.test', 'two-cnames.x.test', 'cname-and-a.x.test', 'signed.x.test',
                 'a.dname.x.test', 'family.x.test', 'unsorted.x.test',
                 *(f'c0-{length}.x.test' for length in (2, 8, 15, 16, 17, 30))):
        yield from in_each_way(name)


def large():
    for name in ('fifty.x.test', 'huge.x.test'):
        yield from in_each_way(name)
        yield gai(name, kind=0)


def odd():
    for name in ('under_score.odd.test', '_sip._tcp.odd.test', 'sp ace.odd.test', 'dot\\.inside.odd.test',
                 'dot.inside.odd.test', '-dash.odd.test', 'dash-.odd.test', 'bücher.odd.test', 'a+b.odd.test',
                 'a/b.odd.test', '123.odd.test', '1.2.3.4.odd.test', 'back\\\\slash.odd.test', '*.odd.test',
                 '\\097bc.odd.test', 'back\\slash.odd.test', LONG + '.odd.test', LONG + 'x.odd.test', LONGEST,
                 'x' + LONGEST, LONGEST + '.', 'x.' * 200, 'x' * 1000, '.', '..', '', ' ', 'a..b', '.a', 'a.',
                 'top', 'top.', 'top-nodata', 'top-nodata.', 'v4.x.test..', 'tab\there.odd.test',
                 'new\nline.odd.test', 'nowhere', 'nowhere.', 'localhost', 'localhost.', 'foo.localhost',
                 'x.test%lo', 'v4.x.test%lo'):
        yield from in_each_way(name)
    for word in ('under', 'space', 'dot', 'dash', 'high', 'nul', 'star', 'paren', 'newline', 'plus', 'upper',
                 'root'):
        yield from in_each_way(f'to-{word}.odd.test')


def bad():
    for code in RCODES:
        for name in (f'{code}.bad.test', f'a-{code}.bad.test', f'{code}-aaaa.bad.test'):
            yield from in_each_way(name)
    for name in (*WRONG_FIRST, 'tc', 'tc-part', 'tc-close', 'other-owner', 'other-class', 'bad-pointer',
                 'bad-length', 'rcode6', 'servfail-empty', 'a-tc', 'a3', 'a5', 'aaaa4', 'empty-cname'):
        yield from in_each_way(f'{name}.bad.test')


def slow():
    """A second each: nothing comes.  None with static answers, for these are asked at once."""
    for name in ('drop', 'a-drop', 'drop-aaaa', 'tc-late', 'only-wrong-id', 'only-short'):
        yield from in_each_way(f'{name}.bad.test', static=False)


def reverse():
    for last in (*range(1, 23), 30, 250):
        yield from addresses_in_each_way(f'192.0.2.{last}')
    for address in ('2001:db8::1', '2001:db8::2', '2001:db8::dead', '::ffff:192.0.2.1', '::192.0.2.1', '::1',
                    '127.0.0.1', '10.0.0.1', 'fe80::5', '0.0.0.0', '::', '10.0.0.8', '::ffff:10.0.0.8'):
        yield from addresses_in_each_way(address)


def nameinfo():
    for mask in (0, NI_NUMERICHOST, NI_NUMERICSERV, NI_NUMERICHOST | NI_NUMERICSERV, NI_NOFQDN, NI_NAMEREQD,
                 NI_NAMEREQD | NI_NUMERICHOST, NI_DGRAM, NI_NAMEREQD | NI_NOFQDN, 64, 0x8000, 0x300,
                 NI_DGRAM | NI_NUMERICHOST):
        for address in ('192.0.2.1', '192.0.2.250', '::1', '192.0.2.18', '10.0.0.1'):
            for port in (80, 0, 53, 12345, 69):
                yield gni(address, port, mask)
    for host, serv in ((0, 0), (-1, -1), (-1, 32), (32, -1), (1, 32), (5, 32), (9, 32), (10, 32), (11, 32),
                       (12, 32), (32, 1), (32, 2), (32, 3), (32, 4), (32, 5), (0, 32), (32, 0)):
        for mask in (0, NI_NUMERICHOST, NI_NUMERICSERV, NI_NAMEREQD):
            yield gni('192.0.2.1', 80, mask, host=host, serv=serv)
            yield gni('192.0.2.250', 8, mask, host=host, serv=serv)
    for host in (1, 4, 5, 8, 9, 12):
        yield gni('fe80::5', 0, NI_NUMERICHOST, scope=1, host=host)
        yield gni('fe80::6', 0, 0, scope=1, host=host)
    for address in ('fe80::5', 'fe80::6', 'ff02::1', '2001:db8::1', '2001:db8::77', '::1', 'ff0e::1',
                    'fec0::9'):
        for scope in (0, 1, 99, 0xffffffff):
            yield gni(address, 0, 0, scope=scope)
            yield gni(address, 0, NI_NUMERICHOST, scope=scope)
            yield gni(address, 0, NI_NAMEREQD, scope=scope)
    for salen in (0, 1, 2, 7, 8, 15, 16, 17, 128):
        yield gni('127.0.0.1', 80, 0, salen=salen)
        yield gni('127.0.0.1', 80, NI_NUMERICHOST, salen=salen)
    for salen in (16, 23, 24, 27, 28, 29):
        yield gni('::1', 80, NI_NUMERICHOST, salen=salen)
    for family in (0, 3, 16, 99):
        yield gni(b'\x7f\0\0\1', family=family)
    for mask in (0, NI_NUMERICHOST, NI_NAMEREQD, NI_NUMERICSERV):
        yield gni(b'/tmp/socket', family=AF_UNIX, flags=mask)
        yield gni(b'', family=AF_UNIX, flags=mask)
        yield gni(b'/tmp/socket', family=AF_UNIX, flags=mask, host=2)
        yield gni(b'/tmp/socket', family=AF_UNIX, flags=mask, serv=2)


def bad_addresses():
    for data, length, family in (('7f000001', 4, AF_INET), ('7f000001', 3, AF_INET), ('7f000001', 5, AF_INET),
                                 ('7f000001', 4, AF_INET6), ('00' * 16, 16, AF_INET), ('7f000001', 4, 0),
                                 ('7f000001', 4, 99), ('7f000001', 4, AF_UNIX), ('', 0, AF_INET),
                                 ('00' * 16, 16, AF_INET6), ('00' * 15, 15, AF_INET6),
                                 ('00' * 16, 17, AF_INET6)):
        yield f'gethostbyaddr\t{data}\t{length}\t{int(family)}'
        yield f'gethostbyaddr_r\t+64\t{data}\t{length}\t{int(family)}'


def buffers():
    """Buffers in which no answer fits, then ones that grow until it does."""
    for size in (0, 1, 8, 16):
        for name in ('one.hosts', 'v4.x.test', 'fifty.x.test', 'localhost'):
            yield ghbn_r(name, size)
            yield ghbn2_r(name, AF_INET, size)
        yield ghbn2_r('v6.x.test', AF_INET6, size)
        yield ghba_r('192.0.2.1', size)
        yield ghba_r('10.0.0.1', size)
    for size in ('+1', '+24', '+100', '+1000', str(HOSTS_SIZE)):
        for name in ('one.hosts', 'v4.x.test', 'fifty.x.test', 'huge.x.test', 'many.hosts', 'nowhere.x.test',
                     'none.x.test', 'servfail.bad.test'):
            yield ghbn_r(name, size)
        yield ghbn2_r('v6.x.test', AF_INET6, size)
        yield ghba_r('192.0.2.19', size)
        yield ghba_r('192.0.2.250', size)
        yield ghba_r('10.0.0.1', size)


def between():
    """How much room libc needs beyond the answer itself is its own affair: these give ERANGE or the answer."""
    for call, *rest in ((ghbn_r, 'one.hosts'), (ghbn_r, 'v4.x.test'), (ghbn2_r, 'both.x.test', AF_INET6),
                        (ghba_r, '192.0.2.2'), (ghba_r, '10.0.0.1'), (ghbn_r, 'cname.x.test')):
        for size in (*range(20, 300, 7), 512, 1024, 2048, HOSTS_SIZE):
            yield call(*rest, str(size))


HOSTS = ['localhost', 'localhost.localdomain', 'ip6-localhost', 'one.hosts', 'one', 'alias1', 'alias2',
         'dup.hosts', 'dup', 'dup2', 'dual.hosts', 'dual', 'v4only-alias', 'upper.hosts', 'UPPER.HOSTS',
         'mixedcase', 'MIXEDcase', 'commented.hosts', 'alias-in-comment', 'spaced.hosts', 'tab-alias',
         'mapped.hosts', 'mapped6.hosts', 'scoped.hosts', 'scoped', 'noscope.hosts', 'both.x.test', 'bad.hosts',
         'bad2.hosts', 'trailing.hosts', 'trailing.hosts.', 'one.hosts.', 'dotted', 'dotted.',
         'under_score.hosts', '-dash.hosts', 'reverse.hosts', 'only6.hosts', 'loop6', 'short.hosts',
         'hex.hosts', 'octal.hosts', 'many.hosts', 'many39', 'last.hosts', 'last', 'v6.hosts', 'sixty.hosts',
         '10.0.0.77', 'no.name', 'crlf.hosts', 'crlf', 'twice.hosts', 'v4.x.test', 'mixed.order', 'mcast.hosts',
         'ctrl.hosts', 'percent.hosts']


def hosts():
    for name in HOSTS:
        yield from in_each_way(name)
        yield gai(name, flags=V4MAPPED | CANONNAME, family=AF_INET6)
    for address in ('10.0.0.1', '10.0.0.2', '10.0.0.4', '2001:db8::10', '::ffff:10.0.0.8', '10.0.0.8',
                    '10.0.0.9', '127.0.0.1', '::1', 'fe80::1', '10.0.0.60', '127.0.1.1', '::2', '10.0.0.99',
                    '10.0.0.10', '10.0.0.20', '10.0.0.21', '10.0.0.22', '10.0.0.30'):
        yield from addresses_in_each_way(address)
        yield gni(address, flags=NI_NOFQDN)


def search():
    for name in ('all', 'all.', 'only1', 'only2', 'only3', 'only7', 'late', 'nodata-first', 'nodata-only',
                 'servfail-first', 'servfail-only', 'refused-first', 'nosuch', 'nosuch.', 'a.b', 'a.b.',
                 'a.b.c', 'dotted.only', 'bare', 'bare.', 'cname', 'v6', 'both.x.test', 'both.x.test.',
                 'all.d2.test', 'both', 'nosuch.x.test', 'dual', 'localhost', 'x.test.servfail-only',
                 'servfail.bad.test', 'none.x.test'):
        yield from in_each_way(name)
    for address in ('192.0.2.17', '192.0.2.18', '192.0.2.1', '192.0.2.3', '192.0.2.30'):
        yield gni(address, flags=NI_NOFQDN)
        yield gni(address)


def few():
    """For worlds in which only one thing is different."""
    for name in ('both.x.test', 'v4.x.test', 'v6.x.test', 'none.x.test', 'nowhere.x.test', 'cname.x.test',
                 'fifty.x.test', 'one.hosts', 'dual.hosts', 'localhost', 'tc.bad.test', 'servfail.bad.test',
                 'all', 'only2', 'under_score.odd.test', 'a-servfail.bad.test'):
        yield from in_each_way(name)
        yield gai(name, flags=ADDRCONFIG | V4MAPPED, family=AF_INET6)
    for address in ('192.0.2.1', '192.0.2.250', '2001:db8::1', '10.0.0.1', '::1'):
        yield from addresses_in_each_way(address)


def dead():
    """Some that work and some that do not, for worlds in which it takes a second to know."""
    for name in ('both.x.test', 'nowhere.x.test', 'servfail.bad.test', 'none.x.test', 'v4.x.test'):
        yield gai(name, flags=CANONNAME)
        yield gai(name, family=AF_INET)
        yield ghbn2_r(name, AF_INET)
    yield from (gai('only2'), gai('one.hosts'), gai('localhost'), gni('192.0.2.1'), gni('192.0.2.250'),
                ghba_r('2001:db8::1'), gai('127.0.0.1', 'http'))


def sort():
    for name in ('sort.x.test', 'sort-mapped.x.test', 'prefix.x.test', 'multi.x.test', 'fifty.x.test',
                 'both.x.test', 'sixty.hosts', 'dual.hosts', 'mapped.x.test', 'localhost', 'linklocal.x.test',
                 'mixed.order'):
        for family in FAMILIES:
            yield gai(name, family=family)
            yield gai(name, flags=ADDRCONFIG, family=family, kind=SOCK_DGRAM)
        yield gai(name, flags=V4MAPPED | ALL, family=AF_INET6)
        yield gai(name, flags=V4MAPPED | ALL | ADDRCONFIG, family=AF_INET6)
        yield gai(name, kind=0, flags=CANONNAME)
    for flags in (0, PASSIVE):
        for family in FAMILIES:
            yield gai(None, '80', flags, family)
            yield gai(None, '80', flags | ADDRCONFIG, family)


def modules():
    for name in ('v4.x.test', 'one.hosts', 'nowhere.x.test', 'one.fake', 'both.fake', 'v6.fake', 'again.fake',
                 'fail.fake', 'unavail.fake', 'nodata.fake', 'localhost', 'both.x.test', 'dual.hosts',
                 'box.test', 'box', '_gateway', 'printer.local'):
        yield from in_each_way(name)
    for address in ('192.0.2.1', '10.0.0.1', '192.0.2.250', '192.0.6.1', '127.0.0.2'):
        yield from addresses_in_each_way(address)


def merged():
    """Without gethostbyname: where both sources know a name, libc's merging fails without telling h_errno."""
    return [line for line in modules() if not line.startswith('gethostbyname\t')]


def whoami():
    return [gai('whoami.x.test', family=AF_INET, flags=CANONNAME)] * 60


def group(name):
    return list(dict.fromkeys(globals()[name]())) if name != 'whoami' else whoami()
