# SPDX-License-Identifier: Apache-2.0
"""subprocess: each thread waits for the end of a child, which waits at the gate."""
import shutil
import subprocess

import case


class Subprocess(case.Client):
    own = (subprocess.SubprocessError, OSError)

    def open(self):
        self.curl = shutil.which('curl') or case.not_here('no curl')
        self.peer = case.Peer('stub.py')

    def ask(self, path):
        url = f'http://127.0.0.1:{self.peer.addresses["http"]}/{path}'
        return subprocess.run([self.curl, '-s', '-f', url], stdout=subprocess.PIPE, text=True, check=True).stdout

    def wait(self, number):
        return self.ask(f'hold/answer-{number}')

    def failures(self):
        return {'program': lambda: subprocess.run(['/nonexistent'], check=True),
                'status': lambda: subprocess.run(['false'], check=True),
                'signal': lambda: subprocess.run(['sh', '-c', 'kill -TERM $$'], check=True)}

    def timeouts(self):
        return {'run': lambda: subprocess.run(['sleep', '1000'], timeout=case.SOON),
                'communicate': lambda: subprocess.Popen(['sleep', '5'], stdout=subprocess.PIPE).communicate(
                    timeout=case.SOON)}

    def hanging(self):
        return lambda: subprocess.run(['sleep', '1000'])

    def ping(self):
        assert self.ask('hello') == 'hello'


if __name__ == '__main__':
    case.main(Subprocess)
