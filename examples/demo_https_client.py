# SPDX-License-Identifier: Apache-2.0
"""A page by urllib, and dots while it comes: syncless run demo_https_client.py [URL [CERTIFICATES]]"""
import os
import ssl
import sys
import urllib.request

from syncless import coio


def draw_dots():
    while True:
        os.write(2, b'.')
        coio.sleep(0.02)


url = sys.argv[1] if len(sys.argv) > 1 else 'https://www.python.org/'
context = ssl.create_default_context(cafile=sys.argv[2] if len(sys.argv) > 2 else None)
dots = coio.spawn(draw_dots)
with urllib.request.urlopen(url, context=context) as page:
    text = page.read()
dots.kill()
print(f'{page.status}: {len(text)} bytes')
