# SPDX-License-Identifier: Apache-2.0
"""The handler of demo_syncless_basehttp.py on the standard library's own server: python3 demo_orig_basehttp.py [PORT]

Which serves one connection after the other.
"""
import http.server

from demo_syncless_basehttp import Handler, address

try:
    http.server.HTTPServer(address, Handler).serve_forever()
except KeyboardInterrupt:
    print('over')
