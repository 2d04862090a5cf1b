# SPDX-License-Identifier: Apache-2.0
"""A site of Twisted's on the reactor of Syncless: syncless run demo_twisted.py [PORT]

A LoopingCall and a coroutine tick beside it, all in one thread.  Ctrl-C ends it.
"""
import itertools
import sys

from syncless import coio, reactor

reactor.install()  # before anything imports twisted.internet.reactor

from twisted.internet import reactor, task  # noqa: E402, F811
from twisted.web import resource, server  # noqa: E402


class Page(resource.Resource):
    isLeaf = True

    def render_GET(self, request):  # noqa: N802
        return f'Hello, {request.getClientAddress().host}!\n'.encode()


def tell(who, n):
    if n == 3:
        print('three ticks of', who, flush=True)


def tick():
    for n in range(1, sys.maxsize):
        tell('a coroutine', n)
        coio.sleep(0.05)


port = reactor.listenTCP(int(sys.argv[1]) if len(sys.argv) > 1 else 8080, server.Site(Page()), interface='127.0.0.1')
print('listening on', port.getHost().port, flush=True)
counter = itertools.count(1)
task.LoopingCall(lambda: tell('a LoopingCall', next(counter))).start(0.05)
coio.spawn(tick)
reactor.run()
print('over')
