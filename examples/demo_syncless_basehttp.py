# SPDX-License-Identifier: Apache-2.0
"""A handler of http.server's on the HTTP server of Syncless: syncless run demo_syncless_basehttp.py [PORT]

demo_orig_basehttp.py has the same handler on the standard library's own server.
"""
import http.server
import sys

from syncless import wsgi


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(f'{self.client_address[0]} has asked for {self.path}\n'.encode())

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.answer(b'%d bytes have come: ' % len(body) + body[:40] + b'\n')

    do_PUT = do_POST

    def answer(self, text):
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(text)

    def log_message(self, *args):
        pass


address = '127.0.0.1', int(sys.argv[1]) if len(sys.argv) > 1 else 6666
if __name__ == '__main__':
    try:
        wsgi.RunHttpServer(Handler, address)
    except KeyboardInterrupt:
        print('over')
