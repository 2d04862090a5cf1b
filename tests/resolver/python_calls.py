# SPDX-License-Identifier: Apache-2.0
"""What Python's socket module makes of names, in many threads at once.  Prints one line of JSON, which
test_lives.py compares with that of plain Python."""
import concurrent.futures
import json
import socket

NAMES = ('both.x.test', 'v4.x.test', 'v6.x.test', 'cname.x.test', 'nowhere.x.test', 'none.x.test', 'one.hosts',
         'dual.hosts', 'localhost', 'fifty.x.test', 'servfail.bad.test', 'tc.bad.test', '', '127.0.0.1', '::1',
         'fe80::1%lo', 'x' * 64 + '.test', 'b\u00fccher.x.test', 'a..b', None)
ADDRESSES = ('192.0.2.1', '192.0.2.2', '192.0.2.250', '10.0.0.1', '127.0.0.1', '::1', '2001:db8::1')


def outcome(call, *args, **kw):
    try:
        return repr(call(*args, **kw))
    except (OSError, UnicodeError, TypeError) as error:
        return f'{type(error).__name__}: {error}'


def look_up(n):
    found = []
    for name in NAMES:
        found.append(outcome(socket.getaddrinfo, name, 'http', type=socket.SOCK_STREAM))
        found.append(outcome(socket.getaddrinfo, name, 80, socket.AF_INET6,
                             flags=socket.AI_V4MAPPED | socket.AI_CANONNAME))
        found.append(outcome(socket.gethostbyname, name))
        found.append(outcome(socket.gethostbyname_ex, name))
        found.append(outcome(socket.getfqdn, name) if name else '')
        found.append(outcome(socket.create_connection, (name, 1), timeout=30) if name == 'localhost' else '')
    for address in ADDRESSES:
        found.append(outcome(socket.gethostbyaddr, address))
        found.append(outcome(socket.getfqdn, address))
        found.append(outcome(socket.getnameinfo, (address, 80), 0))
        found.append(outcome(socket.getnameinfo, (address, 80), socket.NI_NAMEREQD))
    return found


with concurrent.futures.ThreadPoolExecutor(100) as pool:
    answers = list(pool.map(look_up, range(100)))
assert all(answer == answers[0] for answer in answers), 'the threads disagree'
print(json.dumps(answers[0]))
