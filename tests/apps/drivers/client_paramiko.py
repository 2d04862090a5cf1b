# SPDX-License-Identifier: Apache-2.0
"""paramiko: each thread logs in at sshd and has a command run there, which waits.  It has a thread for each login."""
import shlex
import shutil

import case

try:
    import paramiko
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Paramiko(case.Client):
    packages = ('paramiko',)
    own = (paramiko.SSHException, paramiko.ssh_exception.NoValidConnectionsError, TimeoutError)

    def open(self):
        self.at = case.service('SSH', 'USER', 'KEY', 'HOST_KEY')
        self.curl = shutil.which('curl') or case.not_here('no curl')
        self.refusing, self.mute = case.refusing_port(), case.mute_port()
        self.peer = case.Peer('stub.py')

    def connect(self, port=None, key=None, **more):
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(self.at['host'], port or self.at['port'], self.at['user'],
                       pkey=key or paramiko.Ed25519Key(filename=self.at['key']), allow_agent=False,
                       look_for_keys=False, **more)
        return client

    def ask(self, client, path, timeout=None):
        """Over there: the answer of the stub."""
        url = f'http://127.0.0.1:{self.peer.addresses["http"]}/{path}'
        _, out, _ = client.exec_command(shlex.join([self.curl, '-s', url]), timeout=timeout)
        return out.read().decode()

    def wait(self, number):
        with self.connect() as client:
            return self.ask(client, f'hold/answer-{number}')

    def ask_subsystem(self):
        with self.connect() as client:
            client.open_sftp()

    def ask_in_time(self):
        with self.connect() as client:
            return self.ask(client, 'mute', case.SOON)

    def failures(self):
        return {'refused': lambda: self.connect(self.refusing),
                'key': lambda: self.connect(key=paramiko.ECDSAKey.generate()), 'subsystem': self.ask_subsystem}

    def timeouts(self):
        return {'banner': lambda: self.connect(self.mute, banner_timeout=case.SOON), 'answer': self.ask_in_time}

    def hanging(self):
        client = self.connect()
        return lambda: self.ask(client, 'mute')

    def ping(self):
        with self.connect() as client:
            assert self.ask(client, 'hello') == 'hello'


if __name__ == '__main__':
    case.main(Paramiko)
