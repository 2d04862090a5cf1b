# SPDX-License-Identifier: Apache-2.0
"""What the rows of HTTP clients share: the server is stub.py."""
import case


class Web(case.Client):
    """get(path, timeout=None, port=None) returns the body as text, and raises for a status that tells of an error."""

    def open(self):
        self.peer = case.Peer('stub.py')
        self.refusing = case.refusing_port()

    def url(self, path, port=None):
        return f'http://127.0.0.1:{port or self.peer.addresses["http"]}/{path}'

    def get(self, path, timeout=None, port=None):
        raise NotImplementedError

    def wait(self, number):
        return self.get(f'hold/answer-{number}')

    def failures(self):
        return {'refused': lambda: self.get('x', port=self.refusing), 'status': lambda: self.get('status/500'),
                'dropped': lambda: self.get('drop')}

    def timeouts(self):
        return {'answer': lambda: self.get('mute', timeout=case.SOON)}

    def hanging(self):
        self.ping()
        return lambda: self.get('mute')

    def ping(self):
        assert self.get('hello') == 'hello'
