# SPDX-License-Identifier: Apache-2.0
"""A name server for tests of questions that Python asks: an answer for each (name, type), or silence.

It runs without the preload, in a process of its own, and prints its port, the
same for UDP and TCP.  Its answers are the JSON of its argument: {"NAME TYPE":
[error code, [[owner, type, ttl, data], ...], flags]}, with data as text.
Flags: "truncated": by UDP it says so and nothing else; "always truncated": by
TCP, too; "garbage": the answer is cut off; "other id": a wrong number comes first.
It ends when its stdin does.
"""
import json
import selectors
import socket
import struct
import sys

TYPES = {'A': 1, 'CNAME': 5, 'PTR': 12, 'AAAA': 28}


def encode_name(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0'


def encode(kind, data):
    if kind in ('PTR', 'CNAME'):
        return encode_name(data)
    return socket.inet_pton(socket.AF_INET if kind == 'A' else socket.AF_INET6, data)


def question(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    number = struct.unpack_from('>H', query, at + 1)[0]
    kind = next(name for name, value in TYPES.items() if value == number)
    return f'{".".join(labels).lower()} {kind}', query[12:at + 5]


def answers(query, is_tcp):
    """What to send, which may be nothing."""
    key, asked = question(query)
    if key not in DATA:
        return []
    code, records, flags = DATA[key]
    truncated = 'always truncated' in flags or ('truncated' in flags and not is_tcp)
    records = [] if truncated else records
    body = b''
    for owner, kind, ttl, text in records:
        data = encode(kind, text)
        name = b'\xc0\x0c' if owner == key.split()[0] else encode_name(owner)
        body += name + struct.pack('>HHIH', TYPES[kind], 1, ttl, len(data)) + data
    head = struct.pack('>HHHHH', 0x8180 | code | 0x200 * truncated, 1, len(records), 0, 0)
    wire = query[:2] + head + asked + body
    if 'garbage' in flags:
        wire = wire[:-3]
    wrong = [bytes([query[0] ^ 1]) + wire[1:]] if 'other id' in flags else []
    return [*wrong, wire]


def serve():
    udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    tcp.bind(('127.0.0.1', 0))
    udp.bind(tcp.getsockname())
    tcp.listen(100)
    print(tcp.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    for file in udp, tcp, sys.stdin:
        selector.register(file, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is udp:
                query, client = udp.recvfrom(65535)
                for wire in answers(query, False):
                    udp.sendto(wire, client)
            else:
                connection, _ = tcp.accept()
                with connection, connection.makefile('rb') as file:
                    query = file.read(struct.unpack('>H', file.read(2))[0])
                    for wire in answers(query, True):
                        connection.sendall(struct.pack('>H', len(wire)) + wire)


if __name__ == '__main__':
    DATA = json.loads(sys.argv[1])
    serve()
