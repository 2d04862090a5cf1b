# SPDX-License-Identifier: Apache-2.0
"""A chat of who sits at the console with all who come by telnet: syncless run demo_chat.py [NAME [PORT]]

A member is a channel that takes what the others say.  The console is one more,
over standard input and output.
"""
import sys

from syncless import coio, stackless

members = {}  # {name: channel}


def tell(sender, text):
    for name, channel in list(members.items()):
        if name != sender:
            stackless.tasklet(channel.send)(text)  # who is slow keeps nobody waiting


def member(name, lines, write):
    """Until the lines end."""
    channel = members[name] = stackless.channel()
    listener = coio.spawn(lambda: [write(text) for text in channel])
    tell(name, f'{name} has come')
    try:
        for line in lines:
            tell(name, f'{name}: {line.strip()}')
    finally:
        del members[name]
        listener.kill()
        tell(name, f'{name} has left')


def by_telnet(sock, address):
    with sock.makefile('r') as file:  # for reading alone: a text file that is written to forgets what it has read
        def write(text):
            sock.sendall(text.encode() + b'\r\n')

        write('Your name?')
        name = file.readline().strip()
        if name and name not in members:
            try:
                member(name, file, write)
            except ConnectionError:
                pass  # it is told as having left


port = int(sys.argv[2]) if len(sys.argv) > 2 else 1337
with coio.serve(('127.0.0.1', port), by_telnet) as server:
    print('listening on', server.address[1], flush=True)
    member(sys.argv[1] if len(sys.argv) > 1 else 'console', sys.stdin, lambda text: print(text, flush=True))
    server.kill()
