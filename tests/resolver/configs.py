# SPDX-License-Identifier: Apache-2.0
"""The worlds in which the look-ups are made: files in /etc, servers, addresses and variables."""

MAIN, SECOND, SILENT, NOBODY = '127.0.0.53', '127.0.0.54', '127.0.0.55', '127.0.0.56'
ONCE = 'options timeout:1 attempts:1\n'
PATIENT = 'options timeout:15 attempts:1\n'  # where every question is answered, but the machine may be busy
RESOLV = f'nameserver {MAIN}\n' + PATIENT
NSSWITCH = 'hosts: files dns\nservices: files\nprotocols: files\nnetworks: files\n'
HOSTS = '''\
# comment
127.0.0.1\tlocalhost localhost.localdomain
::1\tlocalhost ip6-localhost ip6-loopback
10.0.0.1 one.hosts one alias1 alias2
10.0.0.2 dup.hosts dup
10.0.0.3 dup.hosts dup2
2001:db8::10 dual.hosts dual
10.0.0.4 dual.hosts dual v4only-alias
10.0.0.5 UPPER.hosts MixedCase
10.0.0.6 commented.hosts # alias-in-comment
  \t10.0.0.7   spaced.hosts\t tab-alias  \t
::ffff:10.0.0.8 mapped.hosts mapped6.hosts
fe80::1%lo scoped.hosts scoped
fe80::2 noscope.hosts
10.0.0.9 both.x.test
10.0.0.300 bad.hosts
2001:db8::g bad2.hosts
garbage
10.0.0.10

\t
10.0.0.11 trailing.hosts. dotted.
10.0.0.12 under_score.hosts -dash.hosts
10.0.0.1 reverse.hosts
::1 only6.hosts loop6
10.1 short.hosts
0x0a.0.0.13 hex.hosts
010.0.0.14 octal.hosts
10.0.0.15 twice.hosts
10.0.0.15 twice.hosts
::2 v6.hosts
10.0.0.16#no.name
10.0.0.17 10.0.0.77
10.0.0.18 crlf.hosts crlf\r
10.0.0.20 percent.hosts
10.0.0.21 mixed.order
2001:db8::21 mixed.order
10.0.0.22 mixed.order
2001:db8::22 mixed.order
192.168.5.5 mixed.order
ff0e::1 mcast.hosts
10.0.0.23 ctrl.hosts\x0bvtab
10.0.0.24 many.hosts ''' + ' '.join(f'many{n}' for n in range(40)) + '\n' + ''.join(
    f'10.0.{n}.60 sixty.hosts sixty{n}\n' for n in range(60)) + '10.0.0.99 last.hosts last'
SERVICES = '''
both-differ 1111/tcp
both-differ 1112/udp
only-tcp 1113/tcp
only-udp 1114/udp
only-sctp 1115/sctp
real-name 1116/tcp alias-of
'''
LABELS = ('label ::1/128 0\nlabel ::/0 1\nlabel 2002::/16 2\nlabel ::/96 3\nlabel ::ffff:0:0/96 4\n'
          'label fec0::/10 5\nlabel fc00::/7 6\nlabel 2001:0::/32 7\n')
V4_FIRST = LABELS + ('precedence ::1/128 50\nprecedence ::/0 40\nprecedence 2002::/16 30\nprecedence ::/96 20\n'
                     'precedence ::ffff:0:0/96 100\n')
SCOPES = ('scopev4 ::ffff:169.254.0.0/112 2\nscopev4 ::ffff:127.0.0.0/104 2\nscopev4 ::ffff:10.0.0.0/104 5\n'
          'scopev4 ::ffff:172.16.0.0/108 5\nscopev4 ::ffff:192.168.0.0/112 5\nscopev4 ::ffff:0.0.0.0/96 14\n')
V4_NET, V6_NET = ['10.1.2.3/24'], ['2001:db8:1::1/64']
WIDE = ['10.1.2.3/24', '192.168.1.9/16', '203.0.113.1/24', '169.254.1.9/16', '2001:db8:1::1/64', 'fd00:1::1/64',
        '2002:c000:201::9/48', '2001::9/32']


class Config:
    def __init__(self, name, *groups, resolv=RESOLV, hosts=HOSTS, nsswitch=NSSWITCH, host_conf='multi on\n',
                 gai='', env=None, addresses=(), device=(), slow=(), servers=None, unbound=False, rule='same',
                 no_v6=False):
        self.name, self.groups, self.slow = name, groups, slow
        self.files = {'resolv.conf': resolv, 'hosts': hosts, 'nsswitch.conf': nsswitch, 'host.conf': host_conf,
                      'gai.conf': gai}  # None: there is no such file
        self.env = env or {}
        self.addresses, self.device = addresses, device  # of lo, and of another device with default routes
        self.servers = {(host, 53): role for host, role in (servers or {MAIN: 'zone'}).items()}
        self.unbound, self.rule, self.no_v6 = unbound, rule, no_v6


def switch(hosts):
    return NSSWITCH.replace('files dns', hosts, 1)


def resolv_worlds():
    yield Config('search1', 'search', resolv='search d1.test\n' + RESOLV)
    yield Config('domain', 'search', resolv='domain d2.test\n' + RESOLV)
    yield Config('search3', 'search', resolv='search d1.test d2.test d3.test\n' + RESOLV)
    yield Config('search7-root', 'search',
                 resolv='search d1.test d2.test . d3.test d4.test d5.test d6.test d7.test\n'
                 + RESOLV)
    yield Config('search-dots', 'search', resolv='search d1.test. .d2.test\nsearch d3.test d1.test\n' + RESOLV)
    yield Config('domain-then-search', 'search', resolv='search d1.test\ndomain d2.test\n' + RESOLV)
    for ndots in (0, 2, 5, 15, 16, 99, -1):
        yield Config(f'ndots{ndots}', 'search',
                     resolv=f'search d1.test d2.test\n{RESOLV}options ndots:{ndots}\n')
    for option in ('edns0', 'trust-ad', 'single-request', 'single-request-reopen', 'use-vc', 'no-aaaa', 'inet6',
                   'no-tld-query', 'no-reload', 'edns0 trust-ad use-vc', 'debug', 'ip6-dotint',
                   'bogus rotate:3 ndots'):
        yield Config('option ' + option, 'few',
                     resolv=f'search d1.test d2.test\n{RESOLV}options {option}\n')
    for option in ('attempts:0', 'attempts:-1', 'attempts:99', 'attempts:', 'timeout:0', 'timeout:-1',
                   'timeout:'):
        yield Config('odd ' + option, 'dead', resolv=f'{RESOLV}options {option}\n')
    yield Config('no-aaaa names', 'flags', 'names', 'bad', resolv=RESOLV + 'options no-aaaa\n')
    yield Config('comments', 'few', resolv=(
        '# comment\n; comment\n\n   nameserver 127.0.0.99\nnameserver\nnameserver not.an.address\n'
        f'nameserver {MAIN} # tail\nbogus line\noptions timeout:1 attempts:1 # ndots:5\n'
        'search\td1.test\td2.test # d3.test\nsortlist 10.0.0.0\nlookup file bind\n'))
    yield Config('comment-tail', 'few', resolv=f'nameserver {MAIN};x\n{RESOLV}search d1.test ;d2.test\n')
    yield Config('crlf', 'few', resolv=RESOLV.replace('\n', '\r\n') + 'search d1.test d2.test\r\n',
                 servers={MAIN: 'zone', '127.0.0.1': 'zone'})
    yield Config('long-lines', 'few', resolv=(
        'search ' + ' '.join(f'x{n}{"y" * 50}.test' for n in range(30)) + ' d1.test d2.test\n' + RESOLV
        + '# ' + 'z' * 10000 + '\noptions ' + 'q' * 5000 + ' ndots:1\n'))
    yield Config('no-newline', 'few', resolv=f'search d1.test d2.test\n{ONCE}nameserver {MAIN}')
    yield Config('sortlist', 'names', 'sort',
                 resolv=RESOLV + 'sortlist 192.0.2.31/255.255.255.255 10.0.0.0 192.0.2.0\n')
    yield Config('v6-server', 'few', resolv='nameserver ::1\n' + PATIENT, servers={'::1': 'zone'})
    yield Config('v6-scoped-server', 'few', resolv='nameserver fe80::53%lo\n' + PATIENT, addresses=['fe80::53/64'],
                 servers={'fe80::53%lo': 'zone'})
    yield Config('four-servers', 'dead',
                 resolv=f'nameserver {NOBODY}\n' * 3 + f'nameserver {MAIN}\n' + ONCE)
    yield Config('missing-resolv', 'few', resolv=None, servers={'127.0.0.1': 'zone'})
    yield Config('empty-resolv', 'few', resolv='', servers={'127.0.0.1': 'zone'})
    yield Config('nobody', 'dead', resolv=f'nameserver {NOBODY}\n' + ONCE)
    yield Config('silent', slow=('dead',), resolv=f'nameserver {SILENT}\n' + ONCE, servers={SILENT: 'silent'})


def server_worlds():
    two = f'nameserver {SECOND}\nnameserver {MAIN}\n' + ONCE + 'search d1.test d2.test\n'
    for role in ('silent', 'refused', 'servfail', 'notimp', 'formerr', 'nxdomain', 'empty', 'lame'):
        groups = {'slow': ('dead',)} if role == 'silent' else {}
        yield Config(f'first-{role}', *(() if groups else ('dead', 'search')), resolv=two,
                     servers={SECOND: role, MAIN: 'zone'}, **groups)
        if role not in ('silent', 'nxdomain', 'empty'):
            yield Config(f'all-{role}', 'dead', resolv=two.replace(f'nameserver {MAIN}\n', ''),
                         servers={SECOND: role})
    yield Config('first-nobody', 'few', resolv=two.replace(SECOND, NOBODY))
    yield Config('no-tcp', 'large', 'dead', 'few', servers={MAIN: 'no-tcp'})
    # Which server is asked first changes from call to call: that either answers is the promise.
    yield Config('rotate', 'whoami', resolv=two + 'options rotate\n', servers={MAIN: 'zone', SECOND: 'other'},
                 rule='either')
    yield Config('rotate names', 'few', 'search', resolv=two + 'options rotate\n',
                 servers={MAIN: 'zone', SECOND: 'zone'})
    yield Config('slow', slow=('slow',))
    yield Config('slow-single', slow=('slow',), resolv=RESOLV + 'options single-request\n')
    # It drops questions when a thousand come at once: they are asked again.
    yield Config('unbound', 'names', 'chains', 'large', 'search', 'few', 'odd',
                 resolv=f'search d1.test\nnameserver {MAIN}\noptions timeout:3 attempts:5\n',
                 servers={SECOND: 'zone'}, unbound=True, rule='cached')


def env_worlds():
    yield Config('LOCALDOMAIN', 'search', env={'LOCALDOMAIN': 'd2.test d3.test'},
                 resolv='search d1.test\n' + RESOLV)
    yield Config('LOCALDOMAIN-empty', 'search', env={'LOCALDOMAIN': ''}, resolv='search d1.test\n' + RESOLV)
    yield Config('RES_OPTIONS', 'search', env={'RES_OPTIONS': 'ndots:3 edns0'},
                 resolv='search d1.test\n' + RESOLV)
    yield Config('RES_OPTIONS-vc', 'few', env={'RES_OPTIONS': 'use-vc no-aaaa'})
    yield Config('HOSTALIASES', 'search', 'few', env={'HOSTALIASES': '/etc/aliases.test'},
                 resolv='search d1.test\n'
                 + RESOLV)
    yield Config('RESOLV_MULTI', 'hosts', env={'RESOLV_MULTI': 'off', 'RESOLV_HOST_CONF': '/etc/none'})
    yield Config('RESOLV_ADD_TRIM_DOMAINS', 'reverse', 'hosts',
                 env={'RESOLV_ADD_TRIM_DOMAINS': '.x.test,.hosts', 'RESOLV_REORDER': 'on'})
    yield Config('C-locale', 'idn', env={'LC_ALL': 'C'})
    yield Config('utf8-locale', 'idn')


def switch_worlds():
    for hosts in ('dns files', 'files', 'dns', 'files [NOTFOUND=return] dns', 'files [SUCCESS=continue] dns',
                  'files [!SUCCESS=return] dns',
                  'dns [!UNAVAIL=return] files', 'dns [TRYAGAIN=return] files',
                  'dns [UNAVAIL=continue] [NOTFOUND=return] files', 'files [notfound=RETURN]dns',
                  'files myhostname dns', 'files mdns4_minimal [NOTFOUND=return] dns', 'fake files dns',
                  'files fake dns', 'files dns fake', 'fake [NOTFOUND=return] dns', 'fake',
                  'nosuchmodule files dns', 'files nosuchmodule', 'files dns # fake', 'files dns [',
                  'files [BOGUS=return] dns', 'files files dns', 'resolve [!UNAVAIL=return] files dns',
                  'FILES DNS', 'db files dns', 'files\tdns', 'compat dns', 'nis files dns',
                  'dns [NOTFOUND=continue] fake'):
        yield Config('hosts: ' + hosts, 'modules', nsswitch=switch(hosts),
                     resolv='search d1.test fake\n' + RESOLV)
    # Not "dns [SUCCESS=merge] files", nor an empty "hosts:": in both glibc 2.36 itself follows wild pointers.
    yield Config('merge', 'merged', nsswitch=switch('files [SUCCESS=merge] dns'))
    yield Config('no-hosts-line', 'modules', nsswitch='services: files\n')
    yield Config('two-hosts-lines', 'modules', nsswitch='hosts: dns\nhosts: files\n')
    yield Config('missing-nsswitch', 'modules', 'services', nsswitch=None)
    yield Config('empty-nsswitch', 'modules', nsswitch='')
    yield Config('spaced-nsswitch', 'modules', nsswitch='  hosts :  files   dns\n')
    yield Config('comment-nsswitch', 'modules', nsswitch='#hosts: dns\nhosts: files # dns\n')
    yield Config('no-services', 'services', nsswitch='hosts: files\nservices: nosuchmodule\n')


def hosts_worlds():
    yield Config('missing-hosts', 'few', 'hosts', hosts=None)
    yield Config('empty-hosts', 'few', hosts='')
    yield Config('localhost-v6-only', 'few', 'hosts', 'nulls_and_flags', hosts='::1 localhost lo6\n')
    yield Config('localhost-v4-only', 'few', hosts='127.0.0.1 localhost\n')
    yield Config('localhost-twice', 'few', 'sort',
                 hosts='127.0.0.1 localhost\n127.0.1.1 localhost box\n::1 localhost\n')
    yield Config('multi-off', 'hosts', host_conf='multi off\n')
    yield Config('multi-missing', 'hosts', host_conf=None)
    yield Config('host-conf', 'hosts', 'few',
                 host_conf='# c\norder bind,hosts\nmulti on\nreorder on\ntrim .hosts\nbogus\n',
                 addresses=V4_NET)
    yield Config('reorder', 'names', 'sort', host_conf='multi on\nreorder on\n',
                 addresses=['10.1.2.3/24', '10.9.9.1/24'])
    yield Config('trim', 'reverse', 'hosts', 'names', host_conf='multi on\ntrim .x.test\ntrim .hosts, .test\n')
    yield Config('nul-in-hosts', 'few', hosts='10.0.0.1 one.hosts\0 one\n10.0.0.2 dual.hosts\n')
    yield Config('long-hosts-line', 'few',
                 hosts='10.0.0.1 one.hosts ' + 'x' * 70000 + ' one\n10.0.0.4 dual.hosts\n')


def address_worlds():
    yield Config('v4-net', 'flags', 'sort', 'nulls_and_flags', addresses=V4_NET)
    yield Config('v6-net', 'flags', 'sort', 'nulls_and_flags', addresses=V6_NET)
    yield Config('both-nets', 'flags', 'sort', 'nulls_and_flags', addresses=V4_NET + V6_NET)
    yield Config('no-v6', 'flags', 'sort', 'few', 'numeric', no_v6=True)
    yield Config('v4-route', 'flags', 'sort', device=V4_NET)
    yield Config('v6-route', 'flags', 'sort', device=V6_NET)
    yield Config('both-routes', 'flags', 'sort', device=V4_NET + V6_NET)
    yield Config('wide', 'sort', device=WIDE)
    yield Config('ula', 'sort', device=['10.1.2.3/24', 'fd00:1::1/64'])
    yield Config('6to4', 'sort', device=['203.0.113.1/24', '2002:c000:201::9/48'])
    yield Config('linklocal', 'sort', device=['169.254.1.9/16'])
    for name, gai in (('v4-first', V4_FIRST), ('scopes', SCOPES), ('reload', 'reload yes\n' + V4_FIRST),
                      ('labels', LABELS.replace('::ffff:0:0/96 4', '::ffff:0:0/96 1')),
                      ('comments', '# c\n\n' + V4_FIRST),
                      ('garbage', 'precedence\nprecedence x 1\nlabel ::/0\n'
                                  'precedence ::/0 999999999999\nbogus 1 2\n'),
                      ('one-line', 'precedence ::ffff:0:0/96 100\n')):
        for kind, addresses in (('wide', WIDE), ('narrow', V4_NET + V6_NET)):
            yield Config(f'gai-{name}-{kind}', 'sort', gai=gai, device=addresses)
    yield Config('missing-gai', 'sort', gai=None, device=WIDE)


def all_configs():
    yield Config('plain', 'names', 'chains', 'large', 'odd', 'bad')
    yield Config('local', 'numeric', 'services', 'nulls_and_flags')
    yield Config('files', 'hosts', 'flags', 'bad_addresses')
    yield Config('back', 'reverse', 'nameinfo', 'buffers')
    yield Config('between', 'between', rule='between')
    for part in (resolv_worlds, server_worlds, env_worlds, switch_worlds, hosts_worlds, address_worlds):
        yield from part()
