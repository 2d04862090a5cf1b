# SPDX-License-Identifier: Apache-2.0
"""dnspython: questions by UDP to a server of our own, which holds the answers back."""
import socketserver
import sys
import threading

import case
import gate

try:
    import dns.exception
    import dns.message
    import dns.resolver
    import dns.rrset
except ImportError as error:
    case.not_here(f'no module {error.name}')

GATE = gate.Gate()


class DNSPython(case.Client):
    packages = ('dnspython',)
    own = (dns.exception.DNSException,)

    def open(self):
        self.peer = case.Peer('client_dnspython.py', 'serve')

    def ask(self, name, seconds=1000.0):
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ['127.0.0.1'], self.peer.addresses['port']
        resolver.timeout = resolver.lifetime = seconds
        return resolver.resolve(name + '.test.', 'TXT')[0].strings[0].decode()

    def wait(self, number):
        return self.ask(f'answer-{number}.hold')

    def failures(self):
        return {'no name': lambda: self.ask('none.missing'), 'refused': lambda: self.ask('x.refused'),
                'name': lambda: self.ask('x' * 70)}

    def timeouts(self):
        return {'answer': lambda: self.ask('x.mute', case.SOON)}

    def hanging(self):
        return lambda: self.ask('x.mute')

    def ping(self):
        assert self.ask('hello.there') == 'hello'


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        query = dns.message.from_wire(data)
        question, answer = query.question[0], dns.message.make_response(query)
        first, kind = question.name.labels[:2]
        if kind == b'hold':
            GATE.hold()
        elif kind == b'mute':
            GATE.never()
        codes = {b'missing': dns.rcode.NXDOMAIN, b'refused': dns.rcode.REFUSED}
        if kind in codes:
            answer.set_rcode(codes[kind])
        else:
            answer.answer.append(dns.rrset.from_text(question.name, 60, 'IN', 'TXT', first.decode()))
        sock.sendto(answer.to_wire(), self.client_address)


def serve():
    server = socketserver.ThreadingUDPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    GATE.attend(port=server.server_address[1])


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        serve()
    case.main(DNSPython)
