# SPDX-License-Identifier: Apache-2.0
"""permessage-deflate (RFC 7692): what is agreed on, and the two streams that follow from it."""
import collections
import zlib

TAIL = b'\0\0\xff\xff'  # of each message, which is not sent
BOTH_TAKEOVERS = ('server_no_context_takeover', 'client_no_context_takeover')
LEAST_BITS, MOST_BITS = 9, 15  # zlib makes no streams of 8

Deflate = collections.namedtuple('Deflate', 'server_bits client_bits server_takeover client_takeover from_bytes level',
                                 defaults=(12, 12, True, True, 64, 6))
Deflate.__doc__ = """How messages are compressed, if the client does it at all: accept(environ, deflate=Deflate(...)).

server_bits, client_bits          the window of each direction, 9 to 15 (int): 2 ** bits bytes of memory, fourfold
                                  for what the server sends
server_takeover, client_takeover  a message is compressed with what came before in mind (bool); without, both sides
                                  forget, and need no memory between messages
from_bytes                        shorter messages are sent as they are
level                             of zlib's, 1 to 9
"""


class TooBig(Exception):
    """A message is longer than it may be, once inflated."""


def check(options):
    """ValueError: these Deflate options cannot be."""
    for name in 'server_bits', 'client_bits':
        if not LEAST_BITS <= getattr(options, name) <= MOST_BITS:
            raise ValueError(f'Deflate.{name} must be {LEAST_BITS} to {MOST_BITS}, not {getattr(options, name)!r}')
    if not 1 <= options.level <= 9:
        raise ValueError(f'Deflate.level must be 1 to 9, not {options.level!r}')


def _offers(header):
    """[(name, [(parameter, value or None)])] of Sec-WebSocket-Extensions."""
    for offer in header.split(','):
        name, *words = (word.strip() for word in offer.split(';'))
        pairs = [tuple(part.strip() for part in word.split('=', 1)) for word in words]
        yield name, [(pair[0], pair[1].strip('"') if len(pair) > 1 else None) for pair in pairs]


def _bits(text):
    return int(text) if text in ('8', '9', '10', '11', '12', '13', '14', '15') else None


def _agree(pairs, options):
    """The settings that an offer comes to, as a Deflate; None: it is no offer that can be taken."""
    found = dict(pairs)
    server = client = MOST_BITS
    if len(found) < len(pairs):
        return None
    for name, value in pairs:
        if name in BOTH_TAKEOVERS:
            if value is not None:
                return None
        elif name == 'server_max_window_bits':
            server = _bits(value)
            if server is None or server < LEAST_BITS:
                return None
        elif name == 'client_max_window_bits':
            client = MOST_BITS if value is None else _bits(value)
            if client is None:
                return None
        else:
            return None
    if 'client_max_window_bits' in found:  # it may be told a bound
        client = min(client, options.client_bits)
    return options._replace(server_bits=min(server, options.server_bits), client_bits=client,
                            server_takeover=options.server_takeover and BOTH_TAKEOVERS[0] not in found,
                            client_takeover=options.client_takeover and BOTH_TAKEOVERS[1] not in found), found


def negotiate(header, options):
    """(what the answer's Sec-WebSocket-Extensions says, the settings); (None, None): nothing is agreed on."""
    for name, pairs in _offers(header):
        agreed = _agree(pairs, options) if name == 'permessage-deflate' else None
        if agreed is None:
            continue
        settings, found = agreed
        words = [name]
        if not settings.server_takeover:
            words.append(BOTH_TAKEOVERS[0])
        if not settings.client_takeover:
            words.append(BOTH_TAKEOVERS[1])
        if settings.server_bits < MOST_BITS or 'server_max_window_bits' in found:
            words.append(f'server_max_window_bits={settings.server_bits}')
        if 'client_max_window_bits' in found:
            words.append(f'client_max_window_bits={settings.client_bits}')
        return '; '.join(words), settings
    return None, None


class Streams:
    """Both directions of one WebSocket.  most: bytes of a message that comes, inflated."""

    def __init__(self, settings, most):
        self.settings = settings
        self.most = most
        self._deflater = self._inflater = None

    def deflate(self, data):
        """A message's bytes as they are sent."""
        settings, deflater = self.settings, self._deflater
        if deflater is None:
            deflater = zlib.compressobj(settings.level, zlib.DEFLATED, -settings.server_bits,
                                        max(1, settings.server_bits - 7))
        if settings.server_takeover:
            self._deflater = deflater
        return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-len(TAIL)]

    def _new_inflater(self):
        return zlib.decompressobj(-max(self.settings.client_bits, LEAST_BITS))

    def inflate(self, data):
        """The inverse.  TooBig: before more than that is made; zlib.error: it is no such stream."""
        inflater = self._inflater or self._new_inflater()
        found = inflater.decompress(data + TAIL, self.most + 1)
        # A stream may end in each message.  Who has ended one begins the next without a memory.
        while inflater.eof and len(found) <= self.most:
            rest, inflater = inflater.unused_data, self._new_inflater()
            if not rest:
                break
            found += inflater.decompress(rest, self.most + 1 - len(found))
        if len(found) > self.most:
            raise TooBig
        if self.settings.client_takeover:
            self._inflater = inflater
        return found
