# SPDX-License-Identifier: Apache-2.0
"""pycurl: one handle that is used again and again, with its connection or with new ones."""
import contextlib
import hashlib
import io

import pycurl

from ledger import Wrong, expect, fails_with
from world import HANG, live

PARTIAL, GOT_NOTHING, RECV_ERROR = pycurl.E_PARTIAL_FILE, pycurl.E_GOT_NOTHING, pycurl.E_RECV_ERROR


class Curl:
    def __init__(self, hands):
        self.hands = hands
        self.random = hands.random
        self.handle = pycurl.Curl()

    def prepare(self, path, handle=None, host='127.0.0.1', port=None):
        """The handle as new, but for its connections and known names; returns where the body goes."""
        handle, body = handle or self.handle, io.BytesIO()
        handle.reset()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.NOPROXY, '*')
        handle.setopt(pycurl.URL, f'http://{host}:{port or self.hands.world.http_port}/{path}')
        handle.setopt(pycurl.WRITEFUNCTION, body.write)
        handle.setopt(pycurl.TIMEOUT, HANG)
        return body

    def fetch(self, path, **at):
        body = self.prepare(path, **at)
        self.handle.perform()
        expect(self.handle.getinfo(pycurl.RESPONSE_CODE), 200)
        return body.getvalue().decode()

    def get(self):
        for _ in range(self.random.choice((1, 1, 5, 20))):
            token = self.hands.token()
            expect(self.fetch(f'echo/{token}'), token)

    def by_name(self):
        token = self.hands.token()
        body = self.prepare(f'echo/{token}', host='localhost')
        self.handle.setopt(pycurl.FRESH_CONNECT, 1)
        self.handle.setopt(pycurl.DNS_CACHE_TIMEOUT, 0)
        self.handle.perform()
        expect(body.getvalue().decode(), token)

    def slow(self):
        token = self.hands.token()
        expect(self.fetch(f'slow/{self.random.random() / 5:.3f}/{token}'), token)

    def large(self):
        token, size = self.hands.token(), self.random.randrange(1, 2000000)
        expect(self.fetch(f'large/{size}/{token}'), (token * (size // len(token) + 1))[:size])

    def chunks(self):
        token, count = self.hands.token(), self.random.randrange(1, 200)
        expect(self.fetch(f'chunks/{count}/{token}'), token * count)

    def post(self):
        sent = self.hands.token().encode() * self.random.randrange(1, 40000)
        body = self.prepare('digest')
        self.handle.setopt(pycurl.POSTFIELDS, sent)
        self.handle.perform()
        expect(body.getvalue().decode(), hashlib.md5(sent).hexdigest())

    def upload(self):
        """The driver asks Python for each piece."""
        sent = self.hands.token().encode() * self.random.randrange(1, 40000)
        body = self.prepare('digest')
        self.handle.setopt(pycurl.UPLOAD, 1)
        self.handle.setopt(pycurl.READFUNCTION, io.BytesIO(sent).read)
        self.handle.perform()
        expect(body.getvalue().decode(), hashlib.md5(sent).hexdigest())

    def cut(self):
        with fails_with(pycurl.error, PARTIAL, RECV_ERROR):
            self.fetch(f'cut/100000/{self.hands.token()}')

    def gone(self):
        with fails_with(pycurl.error, GOT_NOTHING, RECV_ERROR):
            self.fetch('gone')

    def stall(self):
        self.prepare('stall', port=self.random.choice((None, self.hands.world.mute_port)))
        self.handle.setopt(pycurl.TIMEOUT_MS, self.random.randrange(20, 300))
        with fails_with(pycurl.error, pycurl.E_OPERATION_TIMEDOUT):
            self.handle.perform()

    def stopped(self):
        """By the callback that gets the body."""
        self.prepare(f'large/500000/{self.hands.token()}')
        self.handle.setopt(pycurl.WRITEFUNCTION, lambda piece: 0)
        with fails_with(pycurl.error, pycurl.E_WRITE_ERROR):
            self.handle.perform()

    def refused(self):
        with fails_with(pycurl.error, pycurl.E_COULDNT_CONNECT):
            self.fetch('echo', port=self.hands.world.refused_port)

    def compute(self):
        self.hands.compute()

    def multi(self):
        """Several transfers in one thread."""
        tokens = [self.hands.token() for _ in range(5)]
        with contextlib.ExitStack() as stack:
            multi = stack.enter_context(contextlib.closing(pycurl.CurlMulti()))
            bodies = []
            for token in tokens:
                handle = pycurl.Curl()
                stack.callback(handle.close)
                bodies.append(self.prepare(f'slow/{self.random.random() / 10:.3f}/{token}', handle,
                                           self.random.choice(('127.0.0.1', 'localhost'))))
                multi.add_handle(handle)
                stack.callback(multi.remove_handle, handle)
            await_all(multi, len(tokens))
            expect([body.getvalue().decode() for body in bodies], tokens)


def await_all(multi, count):
    running = count
    while running:
        multi.select(1.0)
        while True:
            result, running = multi.perform()
            if result != pycurl.E_CALL_MULTI_PERFORM:
                break
    queued, good, bad = multi.info_read(count)
    if bad or len(good) != count:
        raise Wrong(f'{len(good)} of {count} transfers, {queued} more messages, {bad}')


OPERATIONS = {Curl.get: 30, Curl.by_name: 10, Curl.slow: 12, Curl.large: 6, Curl.chunks: 5, Curl.post: 5,
              Curl.upload: 5, Curl.cut: 3, Curl.gone: 3, Curl.stall: 6, Curl.stopped: 3, Curl.refused: 3,
              Curl.compute: 6, Curl.multi: 5}


def life(hands, operations=OPERATIONS, most=15):
    client = Curl(hands)
    try:
        live(hands, 'curl', operations, client, most)
    finally:
        with hands.operation('curl close'):
            client.handle.close()
