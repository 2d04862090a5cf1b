# SPDX-License-Identifier: Apache-2.0
"""redis, with hiredis' parser: each thread waits in BLPOP for a list of its own, which CLIENT LIST shows."""
import case

try:
    import hiredis  # noqa: F401
    import redis
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Redis(case.Client):
    packages = ('redis', 'hiredis')
    own = (redis.RedisError,)

    def connect(self, port=None, **more):
        return redis.Redis(host=self.at['host'], port=port or self.at['port'], **more)

    def open(self):
        self.at = case.service('REDIS')
        self.refusing = case.refusing_port()
        self.observer = self.connect()
        self.observer.flushall()

    def wait(self, number):
        with self.connect() as client:
            return client.blpop(f'gate-{number}', 100)[1].decode()

    def in_flight(self):
        return sum(client['cmd'] == 'blpop' and 'b' in client['flags'] for client in self.observer.client_list())

    def release(self):
        for number in range(case.COUNT):
            self.observer.rpush(f'gate-{number}', f'answer-{number}')

    def fail(self):
        with self.connect() as client:
            client.set('text', 'a')
            client.blpop('text', 100)

    def failures(self):
        return {'refused': self.connect(port=self.refusing).ping, 'password': self.connect(password='no').ping,
                'command': self.fail}

    def timeouts(self):
        return {'answer': lambda: self.connect(socket_timeout=case.SOON).blpop('nothing', 100)}

    def hanging(self):
        client = self.connect()
        client.ping()
        return lambda: client.blpop('nothing', 0)

    def ping(self):
        assert self.connect().ping()


if __name__ == '__main__':
    case.main(Redis)
