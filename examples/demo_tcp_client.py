# SPDX-License-Identifier: Apache-2.0
"""What a mail server says first: syncless run demo_tcp_client.py [HOST [PORT]]

An ordinary client; its name look-up waits as cooperatively as the connection.
"""
import socket
import sys

from syncless import coio


def count():
    global ticks
    while True:
        ticks += 1
        coio.sleep(0.001)


ticks = 0
ticker = coio.spawn(count)
host = sys.argv[1] if len(sys.argv) > 1 else 'gmail-smtp-in.l.google.com'
with socket.create_connection((host, int(sys.argv[2]) if len(sys.argv) > 2 else 25), 10) as sock:
    with sock.makefile('rwb') as file:
        print('banner:', file.readline().decode().strip())
        file.write(b'QUIT\r\n')
        file.flush()
        print('answer:', file.readline().decode().strip())
print('meanwhile there were ticks:', ticks > 0)
ticker.kill()
