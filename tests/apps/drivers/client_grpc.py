# SPDX-License-Identifier: Apache-2.0
"""grpcio: one channel, calls without protobuf; gRPC's core has threads of its own."""
import concurrent.futures
import sys

import case
import gate

try:
    import grpc
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Grpc(case.Client):
    packages = ('grpcio',)
    own = (grpc.RpcError,)
    threads = r'default-exec|event_engine|grpc|lifeguard|resolver-exec|timer_manager'

    def open(self):
        self.peer = case.Peer('client_grpc.py', 'serve')
        self.refusing = case.refusing_port()
        self.channel = self.connect()

    def describe(self, error):
        return f'{error.code()}: {error.details()}'  # the whole has the time, and no order

    def connect(self, port=None):
        return grpc.insecure_channel(f'127.0.0.1:{port or self.peer.addresses["port"]}')

    def ask(self, text, channel=None, timeout=None):
        call = (channel or self.channel).unary_unary('/gate/ask')
        return call(text.encode(), timeout=timeout).decode()

    def wait(self, number):
        return self.ask(f'hold answer-{number}')

    def failures(self):
        return {'refused': lambda: self.ask('x', self.connect(self.refusing)), 'status': lambda: self.ask('fail'),
                'method': lambda: self.channel.unary_unary('/gate/nothing')(b'')}

    def timeouts(self):
        return {'answer': lambda: self.ask('mute', timeout=case.SOON)}

    def hanging(self):
        self.ping()
        return lambda: self.ask('mute')

    def ping(self):
        assert self.ask('hello', self.connect()) == 'hello'


def serve():
    there = gate.Gate()

    def ask(request, context):
        first, _, rest = request.decode().partition(' ')
        if first == 'hold':
            there.hold()
        elif first == 'mute':
            there.never()
        elif first == 'fail':
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, 'as you wish')
        return (rest or first).encode()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(case.COUNT + 10))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
        'gate', {'ask': grpc.unary_unary_rpc_method_handler(ask)})])
    port = server.add_insecure_port('127.0.0.1:0')
    server.start()
    there.attend(port=port)


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        serve()
    case.main(Grpc)
