# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""coio's questions to name servers, asked of one of the test's own; the hosts file's tables; gethostby*."""
import json
import os
import socket
import subprocess
import sys
import threading
import unittest
from unittest import mock

import support
from coroutines import Coio, coio, until

from syncless.coio import _dns

SOON = 0.01
DATA = {
    'one.test A': (0, [('one.test', 'A', 300, '192.0.2.1'), ('one.test', 'A', 200, '192.0.2.2')], ''),
    'one.test AAAA': (0, [('one.test', 'AAAA', 60, '2001:db8::1')], ''),
    'alias.test A': (0, [('alias.test', 'CNAME', 50, 'real.test'), ('stray.test', 'A', 1, '192.0.2.9'),
                         ('real.test', 'A', 100, '192.0.2.3')], ''),
    'big.test A': (0, [('big.test', 'A', 300, '192.0.2.4')], 'truncated'),
    'huge.test A': (0, [], 'always truncated'),
    'odd.test A': (0, [('odd.test', 'A', 300, '192.0.2.5')], 'garbage'),
    'spoofed.test A': (0, [('spoofed.test', 'A', 300, '192.0.2.6')], 'other id'),
    'empty.test A': (0, [], ''),
    'host.domain.test A': (0, [('host.domain.test', 'A', 300, '192.0.2.7')], ''),
    'host A': (3, [], ''),
    'xn--bcher-kva.test A': (0, [('xn--bcher-kva.test', 'A', 300, '192.0.2.8')], ''),
    '1.2.0.192.in-addr.arpa PTR': (0, [('1.2.0.192.in-addr.arpa', 'PTR', 9, 'one.test'),
                                       ('1.2.0.192.in-addr.arpa', 'PTR', 8, 'two.test')], ''),
    '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR':
        (0, [('1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa', 'PTR', 7, 'six.test')], ''),
    **{f'error{code}.test A': (code, [], '') for code in range(1, 6)},
    'error3.test.domain.test A': (3, [], ''),
}


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        program = os.path.join(support.HERE, 'name_server.py')
        cls.process = subprocess.Popen([sys.executable, program, json.dumps(DATA)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env=support.plain_env())
        cls.addClassCleanup(cls.process.__exit__, None, None, None)
        cls.port = int(cls.process.stdout.readline())

    def setUp(self):
        super().setUp()
        self.configure(('127.0.0.1', self.port))
        self.addCleanup(coio.dns_shutdown)

    def configure(self, *servers, timeout=support.HANG, attempts=1):
        """As /etc/resolv.conf would."""
        coio.dns_init_force()
        _dns._resolver.servers = list(servers)
        _dns._resolver.search = ['domain.test']
        _dns._resolver.options.update(timeout=timeout, attempts=attempts, ndots=1)

    def fails(self, code, function, *args, **kwargs):
        with self.assertRaises(coio.DnsLookupError) as caught:
            function(*args, **kwargs)
        self.assertEqual(caught.exception.args[0], -code)
        self.assertIsInstance(caught.exception.args[1], str)
        self.assertIsInstance(caught.exception, IOError)


class Questions(Server):
    def test_addresses(self):
        found = coio.dns_resolve_ipv4('one.test')
        self.assertEqual((found.t, found.ttl, found.values), (1, 200, ['192.0.2.1', '192.0.2.2']))
        self.assertRaises(AttributeError, setattr, found, 'ttl', 5)
        self.assertEqual(coio.dns_resolve_ipv6('one.test'), coio.dnsresult(3, 60, ['2001:db8::1']))
        self.assertEqual(coio.dns_resolve_ipv4('ONE.test.').ttl, 200)
        self.assertEqual(coio.dns_resolve_ipv4('b\xfccher.test').values, ['192.0.2.8'])

    def test_alias(self):
        """Its time to live counts, and what belongs to neither name does not."""
        self.assertEqual(coio.dns_resolve_ipv4('alias.test'), coio.dnsresult(1, 50, ['192.0.2.3']))

    def test_reverse(self):
        self.assertEqual(coio.dns_resolve_reverse('192.0.2.1'), coio.dnsresult(2, 8, ['one.test']))
        self.assertEqual(coio.dns_resolve_reverse('2001:db8::1'), coio.dnsresult(2, 7, ['six.test']))
        for wrong in '1.2.3', 'one.test', '', '1:2:3', '1.2.3.256':
            self.assertRaises(ValueError, coio.dns_resolve_reverse, wrong)
        for wrong in b'192.0.2.1', 5, None:
            self.assertRaises(TypeError, coio.dns_resolve_reverse, wrong)

    def test_errors_of_the_server(self):
        for code in range(1, 6):
            self.fails(code, coio.dns_resolve_ipv4, f'error{code}.test', coio.DNS_QUERY_NO_SEARCH)
        self.fails(66, coio.dns_resolve_ipv4, 'empty.test', coio.DNS_QUERY_NO_SEARCH)
        self.fails(65, coio.dns_resolve_ipv4, 'huge.test')
        self.assertRaises(coio.DnsResultParseError, coio.dns_resolve_ipv4, 'odd.test')

    def test_wrong_names(self):
        for wrong in '', '..', 'a' * 64, 'a.' * 200, '.a':
            self.assertRaises(ValueError, coio.dns_resolve_ipv4, wrong, coio.DNS_QUERY_NO_SEARCH)
        self.assertRaises(TypeError, coio.dns_resolve_ipv4, b'one.test')

    def test_truncated_by_udp(self):
        self.assertEqual(coio.dns_resolve_ipv4('big.test').values, ['192.0.2.4'])

    def test_an_answer_to_another_question(self):
        self.assertEqual(coio.dns_resolve_ipv4('spoofed.test').values, ['192.0.2.6'])

    def test_search(self):
        self.assertEqual(coio.dns_resolve_ipv4('host').values, ['192.0.2.7'])
        self.fails(3, coio.dns_resolve_ipv4, 'host', coio.DNS_QUERY_NO_SEARCH)
        self.fails(3, coio.dns_resolve_ipv4, 'error3.test')

    def test_timeout(self):
        for timeout in SOON, 0, -1:
            self.fails(67, coio.dns_resolve_ipv4, 'silent.test', timeout=timeout)
        self.configure(('127.0.0.1', self.port), timeout=SOON, attempts=2)
        self.fails(67, coio.dns_resolve_ipv4, 'silent.test')

    def test_next_server(self):
        """One that is not there, one that cannot, and one that answers."""
        with socket.socket(type=socket.SOCK_DGRAM) as free:
            free.bind(('127.0.0.1', 0))
            nobody = free.getsockname()
        self.configure(nobody, ('127.0.0.1', self.port))
        self.assertEqual(coio.dns_resolve_ipv4('one.test').ttl, 200)
        self.configure(nobody)
        self.fails(67, coio.dns_resolve_ipv4, 'one.test')

    def test_shutdown(self):
        """Who waits is told; the next question reads the configuration again."""
        def ask():
            try:
                coio.dns_resolve_ipv4('silent.test')
            except coio.DnsLookupError as error:
                errors.append(error.args[0])

        def wait(link, event):
            begun.set()
            real_wait(link, event)

        errors, resolver, begun, real_wait = [], _dns._resolver, threading.Event(), _dns._Link.wait
        with mock.patch.object(_dns._Link, 'wait', wait), support.Crew() as crew:
            crew.start(ask)
            begun.wait()
            coio.dns_shutdown(fail_requests=0)
            self.assertEqual((errors, _dns._resolver), ([], None))
            _dns._resolver = resolver
            coio.dns_shutdown()
        self.assertEqual(errors, [-68])
        self.assertIsNone(_dns._resolver)
        coio.dns_init()
        first = _dns._resolver
        coio.dns_init()
        self.assertIs(_dns._resolver, first)

    def test_resolv_conf(self):
        path = f'/proc/self/fd/{os.memfd_create("resolv.conf")}'
        with open(path, 'w') as file:
            file.write('# a comment\nnameserver 192.0.2.1\nnameserver ::1\n'
                       'nameserver 192.0.2.2\nnameserver 192.0.2.3\n'
                       'domain a.test\nsearch b.test c.test\noptions ndots:2 rotate timeout:0 attempts:4\n')
        found = _dns._Resolver(path)
        self.assertEqual(found.servers, [('192.0.2.1', 53), ('::1', 53), ('192.0.2.2', 53)])
        self.assertEqual(found.options, {'ndots': 2, 'timeout': 1, 'attempts': 4})
        self.assertEqual(found.candidates('x.y', 0), ['x.y.b.test', 'x.y.c.test', 'x.y'])
        self.assertEqual(found.candidates('x.y.z', 0), ['x.y.z', 'x.y.z.b.test', 'x.y.z.c.test'])
        self.assertEqual(found.candidates('x.', 0), ['x.'])
        self.assertEqual(_dns._Resolver('/no/such/file').servers, [('127.0.0.1', 53)])

    def test_no_answer_breaks_it(self):
        """Whatever a server sends is an answer, or one of the two errors."""
        good = bytes.fromhex('00018180000100020000000004746573740000010001c00c00050001000000050002c00c'
                             'c00c00010001000000050004c0000201')
        for at in range(len(good)):
            for value in 0, 1, 0x3f, 0xc0, 0xff:
                wire = bytearray(good)
                wire[at] = value
                for message in bytes(wire), bytes(wire[:at]):
                    try:
                        self.assertTrue(_dns._parse(message, 'test', 1).values)
                    except (coio.DnsLookupError, coio.DnsResultParseError):
                        pass


class Hosts(unittest.TestCase):
    LINES = ['# 192.0.2.9 comment\n', '127.0.0.1\tlocalhost loop\n', '192.0.2.1 first alias # word\n', '\n',
             '192.0.2.7\n', '192.0.2.1 second\n', '192.0.2.2 first\n', '::1 localhost6\n']

    def check(self):
        one = ['192.0.2.1', 'first', 'alias', '#', 'word']
        self.assertEqual(coio.names_by_ip, {'127.0.0.1': ['127.0.0.1', 'localhost', 'loop'], '192.0.2.1': one,
                                            '192.0.2.2': ['192.0.2.2', 'first']})
        self.assertIs(coio.names_by_nameip['first'], coio.names_by_ip['192.0.2.1'])
        self.assertEqual(coio.names_by_nameip['alias'], one)
        self.assertEqual(coio.names_by_nameip['second'], ['192.0.2.1', 'second'])
        self.assertIs(coio.names_by_nameip['192.0.2.2'], coio.names_by_ip['192.0.2.2'])
        self.assertNotIn('localhost6', coio.names_by_nameip)

    def test_tables(self):
        coio.read_etc_hosts(f=self.LINES)
        self.check()
        path = f'/proc/self/fd/{os.memfd_create("hosts")}'
        with open(path, 'w') as file:
            file.writelines(self.LINES)
        coio.read_etc_hosts(path)
        self.check()
        self.assertRaises(OSError, coio.read_etc_hosts, '/no/such/file')

    def test_as_the_standard_library(self):
        for name in 'gethostbyname', 'gethostbyname_ex', 'gethostbyaddr', 'getfqdn':
            for argument in '127.0.0.1', '::1', '999.1.2.3', 'localhost', 'no such name', '':
                outcomes = []
                for module in coio, socket:
                    try:
                        outcomes.append(getattr(module, name)(argument))
                    except OSError as error:
                        outcomes.append((type(error), error.args))
                self.assertEqual(*outcomes, (name, argument))
        self.assertEqual(coio.getfqdn(), socket.getfqdn())

    def test_constants(self):
        self.assertEqual((coio.HERROR_HOST_NOT_FOUND, coio.HERROR_TRY_AGAIN, coio.HERROR_NO_RECOVERY,
                          coio.HERROR_NO_DATA, coio.HERROR_NO_ADDRESS), (1, 2, 3, 4, 4))


class BesideOthers(Server, Coio):
    def test_many_at_once(self):
        cos = [coio.spawn(coio.dns_resolve_ipv4, name) for name in ('one.test', 'big.test') * 50]
        silent = coio.spawn(coio.dns_resolve_ipv4, 'silent.test')
        self.assertEqual({co.get().values[0] for co in cos}, {'192.0.2.1', '192.0.2.4'})
        self.assertFalse(silent.ended)
        silent.kill()

    def test_timeouts_of_others(self):
        with coio.Timeout(SOON, silent=True):
            coio.dns_resolve_ipv4('silent.test')
            self.fail()
        co = until(coio.spawn(coio.dns_resolve_ipv4, 'silent.test'))
        coio.dns_shutdown()
        self.assertRaises(coio.DnsLookupError, co.get)
        self.assertEqual([error.args[0] for error in self.printed], [-68])

    def test_gethostby_with_a_timeout(self):
        for timeout in None, 1000:
            self.assertEqual(coio.gethostbyname('127.0.0.1', timeout=timeout), '127.0.0.1')
            self.assertEqual(coio.gethostbyname_ex('127.0.0.1', timeout)[2], ['127.0.0.1'])
            self.assertEqual(coio.gethostbyaddr('127.0.0.1', timeout), socket.gethostbyaddr('127.0.0.1'))
            self.assertEqual(coio.getfqdn('127.0.0.1', timeout), socket.getfqdn('127.0.0.1'))

        def waits(*_):
            coio.sleep(1000)

        with mock.patch.object(socket, 'gethostbyname', waits), self.assertRaises(socket.gaierror) as caught:
            coio.gethostbyname('silent.test', SOON)
        self.assertEqual(caught.exception.errno, socket.EAI_AGAIN)


if __name__ == '__main__':
    support.main()
