# SPDX-License-Identifier: Apache-2.0
"""What the loaded server serves: the body's size, or, at /large, more than a socket takes."""


def application(environ, start_response):
    if environ['PATH_INFO'] == '/large':
        start_response('200 OK', [])
        return iter([b'x' * 100000] * 200)
    size = len(environ['wsgi.input'].read())
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'%d\n' % size]
