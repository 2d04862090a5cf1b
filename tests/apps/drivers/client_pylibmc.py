# SPDX-License-Identifier: Apache-2.0
"""pylibmc: libmemcached.  The server answers at once, so a relay before it holds the requests back."""
import case

try:
    import pylibmc
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Pylibmc(case.Client):
    packages = ('pylibmc',)
    own = (pylibmc.Error,)

    def open(self):
        self.at = case.service('MEMCACHED')
        self.refusing, self.mute = case.refusing_port(), case.mute_port()
        self.peer = case.Peer('stub.py', self.at['port'])
        direct = self.connect(self.at['port'])
        for number in range(case.COUNT):
            direct.set(f'hold-{number}', f'answer-{number}')

    def connect(self, port=None, limit=100000):
        behaviors = {'connect_timeout': limit, '_poll_timeout': limit}  # milliseconds
        return pylibmc.Client([f'127.0.0.1:{port or self.peer.addresses["relay"]}'], behaviors=behaviors)

    def wait(self, number):
        return self.connect().get(f'hold-{number}')

    def count_a_text(self):
        client = self.connect()
        client.set('text', 'a')
        client.incr('text')

    def failures(self):
        return {'refused': lambda: self.connect(self.refusing).get('key'), 'command': self.count_a_text}

    def timeouts(self):
        return {'answer': lambda: self.connect(self.mute, limit=int(case.SOON * 1000)).get('key')}

    def hanging(self):
        client = self.connect(limit=-1)
        client.set('key', 'a')
        return lambda: client.get('mute-key')

    def ping(self):
        client = self.connect()
        client.set('key', 'a')
        assert client.get('key') == 'a'


if __name__ == '__main__':
    case.main(Pylibmc)
