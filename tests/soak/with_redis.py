# SPDX-License-Identifier: Apache-2.0
"""redis-py, whose answers hiredis parses: pipelines, blocking pops, subscriptions, killed clients."""
import contextlib
import threading
import time

import redis
from redis.connection import Connection, HiredisParser

from ledger import Wrong, expect, fails_with
from world import HANG, live

KEPT = 30  # seconds after which what a lost operation has left in the server goes


class Redis:
    def __init__(self, hands):
        self.hands = hands
        self.random = hands.random

    def connect(self, **changes):
        at = self.hands.world.redis
        return redis.Redis(connection_pool=redis.ConnectionPool(
            connection_class=Connection, parser_class=HiredisParser, max_connections=2,
            **{**dict(host=at['host'], port=at['port']), **changes}))

    def key(self):
        return f'soak {self.hands.token()}'

    # Each returns True if the connection is of no more use.

    def query(self):
        for _ in range(self.random.choice((1, 1, 5, 20))):
            key, token = self.key(), self.hands.token().encode()
            expect(self.client.set(key, token, ex=KEPT), True)
            expect(self.client.get(key), token)
            expect(self.client.delete(key), 1)
            expect(self.client.get(key), None)

    def pipeline(self):
        """Many orders at once, and their answers in order."""
        key, count = self.key(), self.random.randrange(1, 3000)
        with self.client.pipeline(transaction=self.random.random() < 0.5) as pipe:
            for i in range(count):
                pipe.rpush(key, i)
            pipe.lrange(key, 0, -1)
            pipe.delete(key)
            answers = pipe.execute()
        expect(answers[:count], list(range(1, count + 1)))
        expect(answers[count], [b'%d' % i for i in range(count)])
        expect(answers[-1], 1)

    def large(self):
        key, text = self.key(), self.hands.token().encode() * self.random.randrange(1, 100000)
        self.client.set(key, text, ex=KEPT)
        expect(self.client.get(key) == text, True)
        self.client.delete(key)

    def script(self):
        token = self.hands.token()
        expect(self.client.eval('return {ARGV[1], redis.sha1hex(ARGV[1]), #ARGV[1]}', 0, token)[::2],
               [token.encode(), len(token)])

    def handed(self):
        """Waits for what another connection pushes."""
        key, token = self.key(), self.hands.token().encode()
        with self.hands.beside(self.push, key, token):
            expect(self.client.blpop(key, HANG), (key.encode(), token))

    def push(self, key, token):
        time.sleep(self.random.random() / 20)
        with contextlib.closing(self.connect()) as client:
            client.rpush(key, token)

    def nothing_comes(self):
        began = time.monotonic()
        expect(self.client.blpop(self.key(), 0.05), None)
        expect(time.monotonic() - began >= 0.05, True)

    def subscribed(self):
        channel, tokens = self.key(), [self.hands.token().encode() for _ in range(20)]
        with self.client.pubsub(ignore_subscribe_messages=True) as listener:
            listener.subscribe(channel)
            expect(listener.get_message(timeout=HANG), None)  # it counts as an answer, and is ignored
            with self.hands.beside(self.publish, channel, tokens):
                found = [self.next_message(listener) for _ in tokens]
        expect(found, tokens)

    @staticmethod
    def next_message(listener):
        message = listener.get_message(timeout=HANG)
        if message is None:
            raise Wrong('no message')
        return message['data']

    def publish(self, channel, tokens):
        with contextlib.closing(self.connect()) as client:
            for token in tokens:
                expect(client.publish(channel, token), 1)

    def lock(self):
        place = f'soak lock {self.random.randrange(3)}'
        token = self.hands.token().encode()
        while not self.client.set(place, token, nx=True, ex=2 * HANG):
            time.sleep(self.random.random() / 100)
        with self.hands.alone_inside(f'redis {place}'):
            self.hands.compute(2000)
        expect(self.client.get(place), token)
        self.client.delete(place)

    def error(self):
        key = self.key()
        self.client.set(key, 'text', ex=KEPT)
        with fails_with(redis.ResponseError):
            self.client.rpush(key, 1)
        self.client.delete(key)

    def compute(self):
        self.hands.compute()

    def timeout(self):
        with contextlib.closing(self.connect(socket_timeout=0.06)) as client:
            with fails_with(redis.TimeoutError):
                client.blpop(self.key(), 40)

    def killed(self):
        """Another connection ends this one, which waits for an answer."""
        with self.hands.beside(self.kill, self.client.client_id()):
            with fails_with(redis.ConnectionError):
                self.client.execute_command('BLPOP', self.key(), 40)
        return True

    def kill(self, client_id):
        """Once it waits: a client that is killed between two orders connects anew."""
        with contextlib.closing(self.connect()) as client:
            end = time.monotonic() + HANG
            order = 'CLIENT', 'LIST', 'ID', client_id
            while b'cmd=blpop' not in client.execute_command(*order, NEVER_DECODE=True):
                if time.monotonic() > end:
                    raise Wrong('the client that is to be killed does not wait')
                time.sleep(0.002)
            expect(client.execute_command('CLIENT', 'KILL', 'ID', client_id), 1)

    def closed(self):
        """The connection is closed by another thread while this one waits for an answer."""
        with contextlib.closing(self.connect()) as client:
            connection = client.connection_pool.get_connection('BLPOP')
            connection.send_command('BLPOP', self.key(), 40)
            ending = threading.Event()
            with self.hands.beside(self.shut, connection, ending):
                ending.set()
                with fails_with((redis.ConnectionError, ValueError, OSError)):
                    connection.read_response()
            client.connection_pool.release(connection)

    @staticmethod
    def shut(connection, ending):
        ending.wait(HANG)
        time.sleep(0.005)
        connection._sock.shutdown(2)

    def refused(self):
        with contextlib.closing(self.connect(port=self.hands.world.refused_port)) as client:
            with fails_with(redis.ConnectionError):
                client.ping()

    def mute(self):
        """A peer that takes the connection and does not speak."""
        with contextlib.closing(self.connect(port=self.hands.world.mute_port, socket_timeout=0.3)) as client:
            with fails_with(redis.TimeoutError):
                client.ping()


OPERATIONS = {Redis.query: 30, Redis.pipeline: 10, Redis.large: 5, Redis.script: 8, Redis.handed: 6,
              Redis.nothing_comes: 4, Redis.subscribed: 4, Redis.lock: 6, Redis.error: 5, Redis.compute: 6,
              Redis.timeout: 4, Redis.killed: 5, Redis.closed: 3, Redis.refused: 2, Redis.mute: 1}


def life(hands, operations=OPERATIONS, most=15):
    client = Redis(hands)
    with hands.operation('redis connect'):
        client.client = client.connect()
        expect(client.client.ping(), True)
    try:
        live(hands, 'redis', operations, client, most)
    finally:
        with hands.operation('redis close'):
            client.client.close()
            client.client.connection_pool.disconnect()
