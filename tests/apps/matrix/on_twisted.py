# SPDX-License-Identifier: Apache-2.0
"""Twisted, by its epoll reactor, which is parked whole."""
from twisted.internet import epollreactor

NAME, MODULE, ONE = 'Twisted', 'twisted', 'one reactor a process'


def install():
    epollreactor.install()


def run(sock, answer, tick, seconds):
    install()
    from twisted.internet import protocol, reactor, task

    class Peer(protocol.Protocol):
        def dataReceived(self, data):
            reply = answer(data)
            if reply is None:
                self.transport.loseConnection()
            else:
                self.transport.write(reply)

        def connectionLost(self, reason):
            answer(b'')
            reactor.stop()

    factory = protocol.Factory.forProtocol(Peer)
    sock.setblocking(False)
    reactor.callWhenRunning(reactor.adoptStreamConnection, sock.fileno(), sock.family, factory)
    task.LoopingCall(tick).start(seconds)
    reactor.run(installSignalHandlers=False)
    sock.close()
