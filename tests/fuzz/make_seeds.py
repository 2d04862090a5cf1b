#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the fuzz targets' first inputs: what the tests of the resolver and of HTTP have, frames of WebSocket.

    make_seeds.py FOLDER      FOLDER/hosts, conf, answer, http_head, http_chunked, frames
"""
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'resolver'), os.path.join(HERE, '..', 'python')]
sys.dont_write_bytecode = True
import configs  # noqa: E402
import http_attacks  # noqa: E402
from dns_server import A, AAAA, PTR, Question, Server, wire_name  # noqa: E402
from zone import make_zone  # noqa: E402

LETTERS = {A: b'a', AAAA: b'6', PTR: b'p'}
PARTS_END = b'\xff'


def write(folder, seeds):
    os.makedirs(folder, exist_ok=True)
    for number, seed in enumerate(sorted(seeds)):
        with open(os.path.join(folder, f'seed{number:03}'), 'wb') as file:
            file.write(seed)


def encoded(text):
    return text.encode(errors='surrogateescape')


def conf_seeds(worlds):
    for world in worlds:
        parts = [(b'r', world.files['resolv.conf']), (b'n', world.files['nsswitch.conf']),
                 (b'h', world.files['host.conf']), (b'o', world.env.get('RES_OPTIONS')),
                 (b's', world.env.get('LOCALDOMAIN'))]
        yield PARTS_END.join(letter + encoded(text) for letter, text in parts if text is not None)


def answer_seeds():
    zone = make_zone()
    for name, kind in sorted(zone.sets):
        for asked in ([kind] if kind in LETTERS else [A, AAAA] if kind != PTR else []):
            packet = struct.pack('>6H', 1, 0x100, 1, 0, 0, 0) + wire_name(name) + struct.pack('>HH', asked, 1)
            question = Question(packet)
            exists, records, deed = zone.find(question.name, asked)
            answer = bytes(Server.packet(question, exists, records, deed or ''))
            yield LETTERS[asked] + answer
            if asked != PTR:
                yield b'*' + answer


def frame(first, payload, length=None):
    """With a mask of zeros, which shows the payload as it is.  first: FIN, RSV and the opcode."""
    length = len(payload) if length is None else length
    size = (bytes([0x80 | length]) if length < 126 else b'\xfe' + struct.pack('>H', length) if length < 1 << 16 else
            b'\xff' + struct.pack('>Q', length))
    return bytes([first]) + size + bytes(4) + payload


def frames_seeds():
    """The first byte says in which pieces the others come, and whether they may be compressed."""
    close, ping = frame(0x88, b'\x03\xe8bye'), frame(0x89, b'ping')
    plays = [frame(0x81, b'text') + frame(0x82, bytes(200)) + close, frame(0x01, b'a') + ping + frame(0x80, b'b') + close,
             frame(0xc1, b'\xf2H\xcd\xc9\xc9\x07\0') + close, frame(0x88, b''), frame(0x88, b'\x03'),
             frame(0x82, b'', 4000), frame(0x82, b'', 1 << 40), frame(0x02, bytes(2000)) + frame(0x80, bytes(2000)),
             frame(0x8a, b'') + frame(0x82, b''), b'\x81\x01a', frame(0x83, b''), frame(0x09, b'')]
    for play in plays:
        yield from (bytes([how]) + play for how in (0, 1, 7))


def http_seeds():
    """Those of http_head, and of http_chunked: what comes behind the heads."""
    heads, bodies = set(), set()
    for data in http_attacks.table():
        head, end, body = data.partition(b'\r\n\r\n')
        heads.add(b'\x3f' + head + end)
        bodies.add(b'\x3f\0' + body)
        bodies.add(b'\x03\3' + body)
    return heads, bodies


def main():
    folder = sys.argv[1]
    worlds = list(configs.all_configs())
    write(os.path.join(folder, 'hosts'),
          {encoded(world.files['hosts']) for world in worlds if world.files['hosts']})
    write(os.path.join(folder, 'conf'), set(conf_seeds(worlds)))
    write(os.path.join(folder, 'answer'), {seed for seed in answer_seeds() if len(seed) < 4096})
    write(os.path.join(folder, 'frames'), set(frames_seeds()))
    for name, seeds in zip(('http_head', 'http_chunked'), http_seeds()):
        write(os.path.join(folder, name), {seed for seed in seeds if len(seed) < 8192})


if __name__ == '__main__':
    main()
