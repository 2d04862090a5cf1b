# SPDX-License-Identifier: Apache-2.0
# modes: preload
# timeout: 120
"""debugpy, unchanged, in a preloaded process: a client of the Debug Adapter Protocol sees green threads, stops one of
them at a breakpoint while others wait, looks at its variables, and lets it go on."""
import contextlib
import json
import socket

import tools_case
from app_case import free_port
from tools_case import PYTHON, support

COUNT = 20
STOPPED = 7  # the one that is
PROGRAM = f'''
import socket, threading
pairs = [socket.socketpair() for _ in range({COUNT})]
told = [None] * {COUNT}
def work(number):
    byte = pairs[number][0].recv(1)
    double = number * 2
    told[number] = double  # breakpoint
    return double
threads = [threading.Thread(target=work, args=(n,), name=f'worker {{n}}') for n in range({COUNT})]
for thread in threads:
    thread.start()
for n, pair in enumerate(pairs):
    pair[1].send(b'x')
for thread in threads:
    thread.join()
print('told', told == [n * 2 for n in range({COUNT})] or told)
'''
LINE = PROGRAM.splitlines().index('    told[number] = double  # breakpoint') + 1


class Client:
    """Requests and events of the protocol: JSON behind headers."""

    def __init__(self, port):
        self.sock = socket.create_connection(('127.0.0.1', port))
        self.sock.settimeout(support.HANG)
        self.file = self.sock.makefile('rb')
        self.number, self.kept = 0, []

    def send(self, command, **arguments):
        self.number += 1
        text = json.dumps({'seq': self.number, 'type': 'request', 'command': command, 'arguments': arguments}).encode()
        self.sock.sendall(b'Content-Length: %d\r\n\r\n%s' % (len(text), text))
        return self.number

    def read(self):
        length = 0
        while (line := self.file.readline()) != b'\r\n':
            if not line:
                raise AssertionError('the adapter has hung up')
            name, _, value = line.partition(b':')
            if name.lower() == b'content-length':
                length = int(value)
        return json.loads(self.file.read(length))

    def until(self, wanted):
        """The first message for which that is true; others are kept for later."""
        for message in self.kept:
            if wanted(message):
                self.kept.remove(message)
                return message
        while not wanted(message := self.read()):
            self.kept.append(message)
        return message

    def response(self, number):
        message = self.until(lambda m: m['type'] == 'response' and m['request_seq'] == number)
        if not message['success']:
            raise AssertionError(message)
        return message.get('body')

    def ask(self, command, **arguments):
        return self.response(self.send(command, **arguments))

    def event(self, name):
        return self.until(lambda m: m['type'] == 'event' and m['event'] == name).get('body')

    def close(self):
        self.file.close()
        self.sock.close()


@tools_case.needs('debugpy')
class Debugpy(tools_case.ToolCase):
    files = {'program': PROGRAM}

    def connect_to(self, process, port):
        """The first connection is the client's: no probe comes before."""
        found = []

        def is_up():
            self.assertIsNone(process.poll(), self.read(process.log))
            with contextlib.suppress(ConnectionRefusedError):
                found.append(Client(port))
            return found
        support.wait_until(is_up, 'debugpy')
        return found[0]

    def attach(self):
        port = free_port()
        process = self.start(PYTHON, '-Xfrozen_modules=off', '-m', 'debugpy', '--listen', f'127.0.0.1:{port}',
                             '--wait-for-client', 'program.py')
        client = self.connect_to(process, port)
        self.addCleanup(client.close)
        client.ask('initialize', adapterID='test', linesStartAt1=True, pathFormat='path')
        return process, client, client.send('attach', justMyCode=True)

    def test_breakpoint_in_a_green_thread(self):
        process, client, attached = self.attach()
        client.event('initialized')
        told = client.ask('setBreakpoints', source={'path': f'{self.folder}/program.py'},
                          breakpoints=[{'line': LINE, 'condition': f'number == {STOPPED}'}])
        self.assertEqual([(point['verified'], point['line']) for point in told['breakpoints']], [(True, LINE)])
        client.ask('configurationDone')
        client.response(attached)

        stop = client.event('stopped')
        self.assertEqual((stop['reason'], stop['allThreadsStopped']), ('breakpoint', True))
        names = {thread['id']: thread['name'] for thread in client.ask('threads')['threads']}
        self.assertEqual(names[stop['threadId']], f'worker {STOPPED}')
        self.assertIn('MainThread', names.values())
        frame = client.ask('stackTrace', threadId=stop['threadId'])['stackFrames'][0]
        self.assertEqual((frame['name'], frame['line']), ('work', LINE))
        for expression, value in ('double', str(2 * STOPPED)), ('number', str(STOPPED)), ('byte', "b'x'"):
            self.assertEqual(client.ask('evaluate', expression=expression, frameId=frame['id'])['result'], value)

        client.ask('next', threadId=stop['threadId'])
        self.assertEqual(client.event('stopped')['reason'], 'step')
        frame = client.ask('stackTrace', threadId=stop['threadId'])['stackFrames'][0]
        self.assertEqual(client.ask('evaluate', expression=f'told[{STOPPED}]', frameId=frame['id'])['result'],
                         str(2 * STOPPED))
        client.ask('continue', threadId=stop['threadId'])
        client.event('terminated')
        self.assertEqual(process.wait(support.HANG), 0, self.read(process.log))
        self.assertIn('told True', self.read(process.log))


if __name__ == '__main__':
    support.main()
