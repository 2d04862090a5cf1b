# SPDX-License-Identifier: Apache-2.0
"""What an application may do wrong, and what the client sees of it: syncless run demo_wsgiapp.py [PORT]

GET / has a link to each; the log tells the rest.
"""
import html
import itertools
import socket
import sys
import urllib.parse

from syncless import wsgi

TEXT = [('Content-Type', 'text/plain')]
LENGTHS = 0, 5, 10  # said and sent: three times three, of which three are right


def index(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/html; charset=utf-8')])
    names = [*PAGES, *(f'length/{said}/{sent}' for said in LENGTHS for sent in LENGTHS)]
    return ['<ul>\n'.encode(), *(f'<li><a href="/{name}">{name}</a>\n'.encode() for name in names)]


def bad_status(environ, start_response):
    start_response('200', TEXT)
    return [b'not seen']


def bad_head(environ, start_response):
    start_response('200 OK', [('a name with spaces', 'value')])
    return [b'not seen']


def bad_body(environ, start_response):
    start_response('200 OK', TEXT)
    return ['text instead of bytes']


def no_response(environ, start_response):
    return [b'not seen']


def bad_read(environ, start_response):
    environ['wsgi.input'].read('so many')
    return []


def bad_write(environ, start_response):
    start_response('200 OK', TEXT)('text instead of bytes')
    return []


def error(environ, start_response):
    raise ValueError('before the head')


def late_error(environ, start_response):
    start_response('200 OK', TEXT)
    yield b'begun'
    raise ValueError('after the head')


def length(environ, start_response):
    said, sent = map(int, environ['PATH_INFO'].split('/')[2:])
    start_response('200 OK', [*TEXT, ('Content-Length', str(said))])
    yield b'x' * sent  # too much is cut off, too little ends the connection; a wrong list would be a 500


def stream(environ, start_response):
    start_response('200 OK', TEXT)
    return (b'%d\n' % n for n in itertools.count())


def dns(environ, start_response):
    name = urllib.parse.parse_qs(environ['QUERY_STRING']).get('name', ['localhost'])[0]
    try:
        found = socket.gethostbyname(name)  # the others go on meanwhile
    except OSError as failed:
        found = failed.strerror
    start_response('200 OK', [('Content-Type', 'text/html; charset=utf-8')])
    return [f'<form><input name=name value="{html.escape(name)}"> {html.escape(found)}</form>\n'.encode()]


PAGES = {'': index, 'status': bad_status, 'head': bad_head, 'body': bad_body, 'response': no_response, 'read': bad_read,
         'write': bad_write, 'error': error, 'late': late_error, 'stream': stream, 'dns': dns}


def application(environ, start_response):
    page = environ['PATH_INFO'].split('/')[1]
    if page == 'length':
        return length(environ, start_response)
    if page not in PAGES:
        start_response('404 Not Found', TEXT)
        return [b'there is no such page\n']
    return PAGES[page](environ, start_response)


try:
    wsgi.RunHttpServer(application, ('127.0.0.1', int(sys.argv[1]) if len(sys.argv) > 1 else 6666))
except KeyboardInterrupt:
    print('over')
