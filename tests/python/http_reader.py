# SPDX-License-Identifier: Apache-2.0
"""What a connection's bytes are as requests of HTTP: a second reader, which the server's is compared with.

It has all of the bytes at once, and is made of regular expressions, which are
the grammar of RFC 9110 and 9112 as far as the server takes it (docs/wsgi.md).
"""
import collections
import ipaddress
import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
LINE = re.compile(rb'((?:\r\n)*(%s) ([!-"$-~]+) HTTP/1\.([0-9])\r\n)' % TOKEN)
FIELD = re.compile(rb'(%s):[\t ]*((?:[!-~\x80-\xff]+(?:[\t ]+[!-~\x80-\xff]+)*)?)[\t ]*\r\n' % TOKEN)
NAME = rb"(?:[-._~!$&'()*+;=0-9A-Za-z]|%[0-9A-Fa-f]{2})+"
AUTHORITY = re.compile(rb'(?:\[([^]%%]*)\]|%s)(?::[0-9]*)?' % NAME)
ABSOLUTE = re.compile(rb'(?i:https?)://([^/?]*)(.*)', re.S)
CHUNK = re.compile(rb'([0-9A-Fa-f]{1,15})(?:;[\t -~\x80-\xff]*)?\r\n')
TRAILER = re.compile(rb'%s:[\t -~\x80-\xff]*\r\n' % TOKEN)

LINE_BYTES, HEAD_BYTES, FIELDS, BODY_BYTES, CHUNK_LINE, EXCESS = 8190, 32768, 100, 1 << 30, 4096, 16384

# body: bytes; None if it is broken or not all there.  more: another request may follow.
Request = collections.namedtuple('Request', 'method target body more')


class Bad(Exception):
    pass


class Cut(Exception):
    """The connection ends in the midst of it."""


def demand(condition):
    if not condition:
        raise Bad


def is_authority(text):
    found = AUTHORITY.fullmatch(text)
    if found and found[1] is not None:
        try:
            ipaddress.IPv6Address(found[1].decode('latin-1'))
        except ValueError:
            return False
    return bool(found)


def check_target(method, target):
    if method == b'OPTIONS' and target == b'*':
        return
    path = target
    if not target.startswith(b'/'):
        found = ABSOLUTE.fullmatch(target)
        demand(found and is_authority(found[1]))
        path = found[2]
    demand(b'%00' not in path.partition(b'?')[0])


def members(values):
    return [word.strip(b' \t').lower() for value in values for word in value.split(b',')]


def read_head(data, at):
    """(method, target, version, fields by name, where it ends)"""
    end = data.find(b'\r\n\r\n', at)
    found = LINE.match(data, at)
    if end < 0:
        raise Cut
    demand(found and len(found[1]) <= LINE_BYTES)
    fields, here = collections.defaultdict(list), found.end()
    while data[here:here + 2] != b'\r\n':
        field = FIELD.match(data, here)
        demand(field and b'_' not in field[1])
        fields[field[1].lower()].append(field[2])
        here = field.end()
    here += 2
    demand(here - at <= HEAD_BYTES and sum(map(len, fields.values())) <= FIELDS)
    return found[2], found[3], int(found[4]) and 1, fields, here


def length_of(fields, version):
    """Of the body; None: it comes in chunks."""
    lengths, encodings = fields[b'content-length'], fields[b'transfer-encoding']
    demand(len(lengths) + len(encodings) <= 1)
    if encodings:
        demand(version == 1 and encodings[0].lower() == b'chunked')
        return None
    if not lengths:
        return 0
    demand(re.fullmatch(rb'[0-9]{1,18}', lengths[0]) and int(lengths[0]) <= BODY_BYTES)
    return int(lengths[0])


def line_at(pattern, data, at):
    end = data.find(b'\n', at, at + CHUNK_LINE)
    if end < 0:
        demand(len(data) - at <= CHUNK_LINE)
        raise Cut
    found = pattern.match(data, at)
    demand(found and found.end() == end + 1)
    return found


def read_chunks(data, at):
    body, total, excess, room = [], 0, 0, HEAD_BYTES
    while True:
        found = line_at(CHUNK, data, at)
        size, at = int(found[1], 16), found.end()
        total += size
        excess = max(0, excess + len(found[0]) - 2 - 16 - 2 * size)
        demand(total <= BODY_BYTES and excess <= EXCESS)
        if size == 0:
            break
        if len(data) < at + size:
            raise Cut
        body.append(data[at:at + size])
        at = line_at(re.compile(b'\r\n'), data, at + size).end()
    while True:
        found = line_at(re.compile(b'\r\n|' + TRAILER.pattern), data, at)
        at = found.end()
        room -= len(found[0])
        demand(room >= 0)
        if found[0] == b'\r\n':
            return b''.join(body), at


def read_request(data, at):
    """(Request, where it ends)"""
    method, target, version, fields, at = read_head(data, at)
    demand(method != b'CONNECT')
    check_target(method, target)
    demand(len(fields[b'host']) <= 1 and (fields[b'host'] or version == 0))
    demand(all(not host or is_authority(host) for host in fields[b'host']))
    demand(version == 0 or all(value.lower() == b'100-continue' for value in fields[b'expect']))
    length = length_of(fields, version)
    options = members(fields[b'connection'])
    more = b'close' not in options and (version == 1 or b'keep-alive' in options)
    try:
        if length is None:
            body, at = read_chunks(data, at)
        elif len(data) < at + length:
            raise Cut
        else:
            body, at = data[at:at + length], at + length
    except (Bad, Cut):
        return Request(method, target, None, False), at
    return Request(method, target, body, more), at


def read_all(data):
    """(list of Request, is what follows a bad one?)"""
    requests, at = [], 0
    while not requests or requests[-1].more:
        try:
            request, at = read_request(data, at)
        except Bad:
            return requests, True
        except Cut:
            return requests, False
        requests.append(request)
    return requests, False
