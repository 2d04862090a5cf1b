# SPDX-License-Identifier: Apache-2.0
"""pyzmq: a REQ socket for each thread, one context; libzmq reads and writes in a thread of its own."""
import json
import sys

import case

try:
    import zmq
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Zmq(case.Client):
    packages = ('pyzmq',)
    own = (zmq.ZMQError,)
    threads = 'ZMQbg'

    def open(self):
        self.peer = case.Peer('client_zmq.py', 'serve')
        self.context = zmq.Context()

    def connect(self, **options):
        sock = self.context.socket(zmq.REQ)
        sock.setsockopt(zmq.LINGER, 0)
        for name, value in options.items():
            sock.setsockopt(getattr(zmq, name), value)
        sock.connect(f'tcp://127.0.0.1:{self.peer.addresses["port"]}')
        return sock

    def ask(self, sock, text):
        sock.send_string(text)
        return sock.recv_string()

    def wait(self, number):
        with self.connect() as sock:
            return self.ask(sock, f'hold answer-{number}')

    def failures(self):
        sock = self.connect()
        return {'bind': lambda: self.context.socket(zmq.REP).bind('tcp://127.0.0.1:99999'),
                'turn': sock.recv, 'address': lambda: sock.connect('nothing://here')}

    def timeouts(self):
        return {'answer': lambda: self.ask(self.connect(RCVTIMEO=int(case.SOON * 1000)), 'mute'),
                'poll': lambda: self.connect().poll(case.SOON * 1000)}

    def hanging(self):
        sock = self.connect()
        return lambda: self.ask(sock, 'mute')

    def ping(self):
        assert self.ask(self.connect(), 'hello') == 'hello'


def serve():
    """As gate.py has it, but for sockets that only one thread may use."""
    sock, held = zmq.Context().socket(zmq.ROUTER), []
    print(json.dumps({'port': sock.bind_to_random_port('tcp://127.0.0.1')}), flush=True)
    while True:
        ready = dict(zmq.zmq_poll([(sock, zmq.POLLIN), (sys.stdin.fileno(), zmq.POLLIN)]))
        if sock in ready:
            client, _, text = sock.recv_multipart()
            if text.startswith(b'hold '):
                held.append((client, text[5:]))
            elif text != b'mute':
                sock.send_multipart([client, b'', text])
        else:
            word = sys.stdin.readline().strip()
            if not word:
                return
            if word == 'open':
                for client, text in held:
                    sock.send_multipart([client, b'', text])
            print(len(held), flush=True)


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        serve()
    else:
        case.main(Zmq)
