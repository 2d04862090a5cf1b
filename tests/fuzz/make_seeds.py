#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the fuzz targets' first inputs: the files and answers of the resolver's tests.

    make_seeds.py FOLDER      FOLDER/hosts, FOLDER/conf, FOLDER/answer
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'resolver'))
sys.dont_write_bytecode = True
import configs  # noqa: E402
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


def main():
    folder = sys.argv[1]
    worlds = list(configs.all_configs())
    write(os.path.join(folder, 'hosts'),
          {encoded(world.files['hosts']) for world in worlds if world.files['hosts']})
    write(os.path.join(folder, 'conf'), set(conf_seeds(worlds)))
    write(os.path.join(folder, 'answer'), {seed for seed in answer_seeds() if len(seed) < 4096})


if __name__ == '__main__':
    main()
