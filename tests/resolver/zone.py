# SPDX-License-Identifier: Apache-2.0
"""What the scripted DNS server knows: ordinary names under x.test, odd ones under odd.test, wrong answers
under bad.test, and the domains d1.test to d7.test for search lists."""
from dns_server import Zone

LONG = 'l' * 63  # the longest label
# 253 characters, 255 bytes on the wire: the longest name
LONGEST = '.'.join([LONG, LONG, LONG, 'm' * 56, 'test'])
RCODES = ('formerr', 'servfail', 'nxdomain', 'notimp', 'refused')
WRONG_FIRST = ('wrong-id', 'wrong-question', 'no-response-bit', 'short', 'no-question')


def ordinary(zone):
    zone.add('both.x.test', 'A', '192.0.2.1')
    zone.add('both.x.test', 'AAAA', '2001:db8::1')
    zone.add('v4.x.test', 'A', '192.0.2.2')
    zone.add('v6.x.test', 'AAAA', '2001:db8::2')
    zone.add('none.x.test', 'TXT', b'\4text')
    zone.add('multi.x.test', 'A', '192.0.2.30', '10.9.9.9', '192.0.2.31', '127.0.0.9', '192.0.2.7')
    zone.add('multi.x.test', 'AAAA', '2001:db8::31', '2001:db8::30', 'fd00::5', '::1')
    zone.add('twice.x.test', 'A', '192.0.2.40', '192.0.2.40')
    zone.add('mapped.x.test', 'AAAA', '::ffff:192.0.2.50')
    zone.add('linklocal.x.test', 'AAAA', 'fe80::1', 'fe80::2')
    zone.add('Mixed.Case.x.test', 'A', '192.0.2.60')
    zone.add('fifty.x.test', 'A', *[f'198.51.100.{n}' for n in range(50)])
    zone.add('fifty.x.test', 'AAAA', *[f'2001:db8:50::{n:x}' for n in range(50)])
    zone.add('huge.x.test', 'A', *[f'10.{n // 250}.{n % 250}.1' for n in range(1500)])
    zone.add('*.wild.x.test', 'A', '192.0.2.70')
    zone.add('*.wild.x.test', 'AAAA', '2001:db8::70')
    zone.add('there.wild.x.test', 'TXT', b'\4text')
    zone.add('xn--bcher-kva.x.test', 'A', '192.0.2.80')
    zone.add('canon-idn.x.test', 'CNAME', 'xn--bcher-kva.x.test')
    zone.add('whoami.x.test', 'A', '192.0.2.201')
    zone.add('other.whoami.x.test', 'A', '192.0.2.202')
    zone.add('localhost.x.test', 'A', '192.0.2.90')
    zone.add('sort.x.test', 'A', '10.1.1.1', '169.254.1.1', '192.0.2.1', '172.16.1.1', '127.0.0.1', '10.1.2.3',
             '203.0.113.5')
    zone.add('sort.x.test', 'AAAA', '2001:db8:1::5', 'fd00:1::5', 'fe80::5', '2002:c000:201::1', '2001::1',
             '::1', 'fec0::1', '3ffe::1', '2001:db8:ffff::1', '::192.0.2.1', 'ff0e::1')
    zone.add('sort-mapped.x.test', 'A', '192.0.2.1', '10.1.1.1')
    zone.add('sort-mapped.x.test', 'AAAA', '::ffff:192.0.2.9', '::ffff:127.0.0.1', '2001:db8:1::9')
    zone.add('prefix.x.test', 'AAAA', '2001:db8:2::1', '2001:db8:1:1::1', '2001:db8:1:0:1::1',
             '2001:db8:1::1:5')
    zone.add('prefix.x.test', 'A', '10.1.3.1', '10.200.0.1', '10.1.2.200', '192.168.1.1')


def chains(zone):
    zone.add('cname.x.test', 'CNAME', 'both.x.test')
    zone.add('cname-v4.x.test', 'CNAME', 'v4.x.test')
    zone.add('cname-v6.x.test', 'CNAME', 'v6.x.test')
    zone.add('Cname-Case.x.test', 'CNAME', 'Mixed.CASE.x.test')
    zone.add('cname-dangling.x.test', 'CNAME', 'nowhere.x.test')
    zone.add('cname-nodata.x.test', 'CNAME', 'none.x.test')
    zone.add('cname-elsewhere.x.test', 'CNAME', 'a.host.elsewhere.example')
    zone.add('a.host.elsewhere.example', 'A', '192.0.2.100')
    for length in (2, 8, 15, 16, 17, 30):
        for step in range(length):
            after = f'c{step + 1}-{length}' if step < length - 1 else 'both'
            zone.add(f'c{step}-{length}.x.test', 'CNAME', f'{after}.x.test')
    owner = 'loop.x.test'
    zone.add(owner, '*', (owner, 'CNAME', 'loop2.x.test'), ('loop2.x.test', 'CNAME', owner))
    zone.add('self.x.test', '*', ('self.x.test', 'CNAME', 'self.x.test'))
    owner = 'loop-and-a.x.test'
    zone.add(owner, '*', (owner, 'CNAME', 'loop2.x.test'), ('loop2.x.test', 'CNAME', owner),
             (owner, 'A', '192.0.2.110'))
    owner = 'late-cname.x.test'  # the address comes before the alias that leads to it
    zone.add(owner, '*', ('target.x.test', 'A', '192.0.2.111'), (owner, 'CNAME', 'target.x.test'))
    owner = 'two-cnames.x.test'
    zone.add(owner, '*', (owner, 'CNAME', 't1.x.test'), (owner, 'CNAME', 't2.x.test'),
             ('t1.x.test', 'A', '192.0.2.112'), ('t2.x.test', 'A', '192.0.2.113'))
    owner = 'cname-and-a.x.test'
    zone.add(owner, '*', (owner, 'A', '192.0.2.114'), (owner, 'CNAME', 't1.x.test'),
             ('t1.x.test', 'A', '192.0.2.115'))
    owner = 'signed.x.test'
    zone.add(owner, '*', (owner, 'RRSIG', b'\0\1' + bytes(18)), (owner, 'A', '192.0.2.116'),
             (owner, 'TXT', b'\2hi'), (owner, 'A', '192.0.2.117'))
    owner = 'a.dname.x.test'
    zone.add(owner, '*', ('dname.x.test', 'DNAME', 'to.x.test'), (owner, 'CNAME', 'a.to.x.test'),
             ('a.to.x.test', 'A', '192.0.2.118'))
    owner = 'family.x.test'  # both kinds, whatever was asked for
    zone.add(owner, '*', (owner, 'AAAA', '2001:db8::119'), (owner, 'A', '192.0.2.119'))
    owner = 'unsorted.x.test'  # what is asked for belongs to another name
    zone.add(owner, '*', ('elsewhere.x.test', 'A', '192.0.2.120'), (owner, 'A', '192.0.2.121'))


def reverse(zone):
    def ptr4(address, *names, **more):
        zone.add('.'.join(reversed(address.split('.'))) + '.in-addr.arpa', 'PTR', *names, **more)

    def ptr6(digits, *names):
        zone.add('.'.join(reversed(digits)) + '.ip6.arpa', 'PTR', *names)
    ptr4('192.0.2.1', 'both.x.test')
    ptr4('192.0.2.2', 'v4.x.test', 'second.x.test', 'third.x.test')
    ptr4('192.0.2.3', 'short')
    ptr4('192.0.2.4', 'under_score.x.test')
    ptr4('192.0.2.5', (b'sp ace', b'x', b'test'))
    ptr4('192.0.2.6', (b'dot.inside', b'x', b'test'))
    ptr4('192.0.2.7', (b'nul\0byte', b'x', b'test'))
    ptr4('192.0.2.8', 'UPPER.X.test')
    ptr4('192.0.2.9', ())  # the root
    ptr4('192.0.2.10',
         tuple(one.encode() for one in ('l' * 63, 'l' * 63, 'l' * 63, 'm' * 61)))
    ptr4('192.0.2.11', '-dash.x.test')
    ptr4('192.0.2.12', 'bücher.x.test')
    ptr4('192.0.2.13', 'xn--bcher-kva.x.test')
    ptr4('192.0.2.14', '*.x.test', 'good.x.test')
    ptr4('192.0.2.15', deed='rcode:2')
    ptr4('192.0.2.16', deed='rcode:5')
    ptr4('192.0.2.17', 'host.local.domain', 'host.d1.test')
    ptr4('192.0.2.18', 'host.d1.test')
    ptr4('192.0.2.19', *[f'name{n}.x.test' for n in range(60)])
    zone.add('20.2.0.192.in-addr.arpa', 'CNAME', '20.0-25.2.0.192.in-addr.arpa')
    zone.add('20.0-25.2.0.192.in-addr.arpa', 'PTR', 'delegated.x.test')
    zone.add('21.2.0.192.in-addr.arpa', 'CNAME', '21.2.0.192.in-addr.arpa')
    zone.add('22.2.0.192.in-addr.arpa', 'TXT', b'\2no')
    ptr4('192.0.2.30', 'a.host.elsewhere.example')
    ptr6('20010db8000000000000000000000001', 'both.x.test')
    ptr6('20010db8000000000000000000000002', 'v6.x.test', 'v6b.x.test')
    ptr6('fe800000000000000000000000000005', 'link.x.test')


def odd(zone):
    zone.add('under_score.odd.test', 'A', '192.0.3.1')
    zone.add('_sip._tcp.odd.test', 'A', '192.0.3.2')
    zone.add((b'sp ace', b'odd', b'test'), 'A', '192.0.3.3')
    zone.add('dot\\.inside.odd.test', 'A', '192.0.3.4')
    zone.add('-dash.odd.test', 'A', '192.0.3.5')
    zone.add('dash-.odd.test', 'A', '192.0.3.6')
    zone.add('bücher.odd.test', 'A', '192.0.3.7')
    zone.add('a+b.odd.test', 'A', '192.0.3.8')
    zone.add('a/b.odd.test', 'A', '192.0.3.9')
    zone.add('123.odd.test', 'A', '192.0.3.10')
    zone.add('1.2.3.4.odd.test', 'A', '192.0.3.11')
    zone.add((b'back\\slash', b'odd', b'test'), 'A', '192.0.3.12')
    zone.add((b'*', b'odd', b'test'), 'TXT', b'\4star')
    zone.add(LONG + '.odd.test', 'A', '192.0.3.13')
    zone.add(LONGEST, 'A', '192.0.3.14')
    for word, target in (('under', b'un_der'), ('space', b'sp ace'), ('dot', b'dot.in'), ('dash', b'-dash'),
                         ('high', 'bü'.encode()), ('nul', b'n\0l'), ('star', b'*'), ('paren', b'$(id)'),
                         ('newline', b'a\nb'), ('plus', b'a+b'), ('upper', b'UP')):
        zone.add(f'to-{word}.odd.test', 'CNAME', (target, b'target', b'odd', b'test'))
        zone.add((target, b'target', b'odd', b'test'), 'A', '192.0.3.20')
    zone.add('to-root.odd.test', '*', ('to-root.odd.test', 'CNAME', ()), ((), 'A', '192.0.3.21'))
    zone.add('top', 'A', '192.0.3.22')
    zone.add('top-nodata', 'TXT', b'\2no')


def bad(zone):
    for code in RCODES:
        deed = f'rcode:{("", "formerr", "servfail", "nxdomain", "notimp", "refused").index(code)}'
        zone.add(f'{code}.bad.test', 'A', deed=deed)
        zone.add(f'{code}.bad.test', 'AAAA', deed=deed)
        zone.add(f'a-{code}.bad.test', 'A', '192.0.4.1')
        zone.add(f'a-{code}.bad.test', 'AAAA', deed=deed)
        zone.add(f'{code}-aaaa.bad.test', 'A', deed=deed)
        zone.add(f'{code}-aaaa.bad.test', 'AAAA', '2001:db8:4::1')
    zone.add('rcode6.bad.test', 'A', deed='rcode:6')
    zone.add('rcode6.bad.test', 'AAAA', deed='rcode:6')
    zone.add('servfail-empty.bad.test', 'A', deed='rcode:2')
    zone.add('servfail-empty.bad.test', 'TXT', b'\1x')
    for word in WRONG_FIRST + ('tc', 'tc-part', 'tc-close', 'other-owner', 'other-class', 'bad-pointer',
                               'bad-length', 'drop', 'tc-late', 'only-wrong-id', 'only-short'):
        zone.add(f'{word}.bad.test', 'A', '192.0.4.2', '192.0.4.3', '192.0.4.4', '192.0.4.5', deed=word)
        zone.add(f'{word}.bad.test', 'AAAA', '2001:db8:4::2', deed=word)
    zone.add('a-drop.bad.test', 'A', '192.0.4.6')
    zone.add('a-drop.bad.test', 'AAAA', deed='drop')
    zone.add('drop-aaaa.bad.test', 'A', deed='drop')
    zone.add('drop-aaaa.bad.test', 'AAAA', '2001:db8:4::6')
    zone.add('a-tc.bad.test', 'A', '192.0.4.7')
    zone.add('a-tc.bad.test', 'AAAA', '2001:db8:4::7', deed='tc')
    zone.add('a3.bad.test', '*', ('a3.bad.test', 'A', b'\1\2\3'), ('a3.bad.test', 'A', '192.0.4.8'))
    zone.add('a5.bad.test', '*', ('a5.bad.test', 'A', b'\1\2\3\4\5'))
    zone.add('aaaa4.bad.test', 'AAAA', b'\1\2\3\4')
    zone.add('empty-cname.bad.test', '*', ('empty-cname.bad.test', 'CNAME', 'a.b'), ('a.b', 'TXT', b''))


def search(zone):
    for n in range(1, 8):
        zone.add(f'all.d{n}.test', 'A', f'192.0.5.{n}')
        zone.add(f'only{n}.d{n}.test', 'A', f'192.0.5.{10 + n}')
        zone.add(f'only{n}.d{n}.test', 'AAAA', f'2001:db8:5::{n}')
    zone.add('late.d2.test', 'A', '192.0.5.20')
    zone.add('late.d3.test', 'A', '192.0.5.21')
    zone.add('nodata-first.d1.test', 'TXT', b'\1x')
    zone.add('nodata-first.d2.test', 'A', '192.0.5.22')
    zone.add('nodata-only.d1.test', 'TXT', b'\1x')
    zone.add('servfail-first.d1.test', '*', deed='rcode:2')
    zone.add('servfail-first.d2.test', 'A', '192.0.5.23')
    zone.add('servfail-only.d1.test', '*', deed='rcode:2')
    zone.add('refused-first.d1.test', '*', deed='rcode:5')
    zone.add('refused-first.d2.test', 'A', '192.0.5.24')
    zone.add('a.b.d1.test', 'A', '192.0.5.25')
    zone.add('a.b', 'A', '192.0.5.26')
    zone.add('a.b.c.d1.test', 'A', '192.0.5.27')
    zone.add('dotted.only.d2.test', 'A', '192.0.5.28')
    zone.add('bare', 'A', '192.0.5.29')
    zone.add('bare.d1.test', 'A', '192.0.5.30')
    zone.add('cname.d1.test', 'CNAME', 'both.x.test')
    zone.add('v6.d1.test', 'AAAA', '2001:db8:5::31')
    zone.add('v6.d2.test', 'A', '192.0.5.31')


def make_zone():
    zone = Zone()
    for part in (ordinary, chains, reverse, odd, bad, search):
        part(zone)
    return zone
