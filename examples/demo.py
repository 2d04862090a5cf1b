# SPDX-License-Identifier: Apache-2.0
"""A web server and a chat in one process: syncless run demo.py [-s | -h] [PORT [CERTIFICATE [SECONDS]]]

HTTP and HTTPS at the same port, if there is a CERTIFICATE, a file that has its
key as well; -s: HTTPS alone; -h: HTTP alone.  At stdin it takes names of machines and
says their addresses, and asks after SECONDS (3.5) of silence.
"""
import socket
import sys

from syncless import coio, wsgi


def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [f'Hello by {environ["wsgi.url_scheme"]}!\n'.encode()]


def chat(seconds):
    stdin = coio.fdopen(0, do_close=0)
    while True:
        print('Whose address?', flush=True)
        while not stdin.wait_for_readable(seconds):
            print('Are you still there?', flush=True)
        name = stdin.readline_stripend()
        if name is None:
            return
        try:
            print(socket.gethostbyname(name.decode()), flush=True)
        except (OSError, UnicodeError) as error:
            print(error, flush=True)


words = [word for word in sys.argv[1:] if word not in ('-s', '-h')]
upgrade = None
if len(words) > 1 and '-h' not in sys.argv:
    upgrade = wsgi.SslUpgrader({'certfile': words[1]}, use_http='-s' not in sys.argv)
with wsgi.listen(('127.0.0.1', int(words[0]) if words else 8080)) as listener:
    print('listening on', listener.getsockname()[1], flush=True)
    coio.spawn(wsgi.WsgiListener, listener, application, upgrade)
    chat(float(words[2]) if len(words) > 2 else 3.5)
