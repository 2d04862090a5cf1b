# SPDX-License-Identifier: Apache-2.0
"""multiprocessing: each thread forks a worker, which waits at the gate, and waits for its result."""
import multiprocessing
import urllib.request

import case


def get(url):
    with urllib.request.urlopen(url) as response:
        return response.read().decode()


def get_into(pipe, url):
    pipe.send(get(url))


class Multiprocessing(case.Client):
    own = (multiprocessing.ProcessError, ValueError, EOFError)  # ValueError: what the worker raised

    def open(self):
        self.peer = case.Peer('stub.py')
        self.context = multiprocessing.get_context('fork')

    def url(self, path):
        return f'http://127.0.0.1:{self.peer.addresses["http"]}/{path}'

    def start(self, path):
        """A pipe from which the answer will come."""
        inlet, outlet = self.context.Pipe(False)
        self.context.Process(target=get_into, args=(outlet, self.url(path)), daemon=True).start()
        outlet.close()
        return inlet

    def wait(self, number):
        return self.start(f'hold/answer-{number}').recv()

    def call(self, function, word, seconds=None):
        """function(word), by a pool."""
        with self.context.Pool(1) as pool:
            return pool.apply_async(function, (word,)).get(seconds)

    def failures(self):
        return {'exception': lambda: self.call(int, 'seven'), 'end': lambda: self.start('status/500').recv()}

    def timeouts(self):
        return {'result': lambda: self.call(get, self.url('mute'), case.SOON),
                'poll': lambda: self.start('mute').poll(case.SOON)}

    def hanging(self):
        pipe = self.start('mute')
        return pipe.recv

    def ping(self):
        assert self.call(get, self.url('hello')) == 'hello'


if __name__ == '__main__':
    case.main(Multiprocessing)
