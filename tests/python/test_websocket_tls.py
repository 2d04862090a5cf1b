# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""The tests of WebSocket, and of connections that are taken over, once more with TLS beneath."""
import support
import test_websocket
import test_wsgi_hijack
import test_wsgi_tls


class Hijack(test_wsgi_tls.TlsCase, test_wsgi_hijack.Hijack):
    test_bytes = test_killed = None  # a client that closes one side, and an end without a word: there is none over TLS


class Messages(test_wsgi_tls.TlsCase, test_websocket.Messages):
    pass


class Ends(test_wsgi_tls.TlsCase, test_websocket.Ends):
    test_the_client_never_answers = None  # likewise


class Pings(test_wsgi_tls.TlsCase, test_websocket.Times):
    test_idle = test_a_client_that_takes_nothing = None  # deadlines are looked at once a second, which is too seldom


class Together(test_wsgi_tls.TlsCase, test_websocket.Together):
    test_killed_while_it_sends = None  # likewise


if __name__ == '__main__':
    support.main()
