# SPDX-License-Identifier: Apache-2.0
"""A server that looks names up, and a hundred clients that ask it at once: syncless run coio_demo.py"""
import socket

from syncless import coio


def answer(sock, address):
    with sock.makefile('rw') as file, coio.Timeout(5):  # for all of a connection's waits together
        for host in file:
            file.write(socket.gethostbyname(host.strip()) + '\n')  # blocks: the others are served meanwhile
            file.flush()


def ask(host):
    with socket.create_connection(server.address) as sock, sock.makefile('rw') as file:
        file.write(host + '\n')
        file.flush()
        return file.readline().strip()


with coio.serve(('127.0.0.1', 0), answer) as server:
    answers = coio.Pool(100).map(ask, ['localhost', '127.0.0.1'] * 50)
    print(len(answers), 'answers:', *sorted(set(answers)))
