# SPDX-License-Identifier: Apache-2.0
"""The WSGI application that all servers of bench_wsgi.py serve; hello.go answers the same."""

BODY = b'Hello, World!'


def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '13')])
    return [BODY]
