# SPDX-License-Identifier: Apache-2.0
"""Questions to name servers, for programs that want the record and its time to live.

For addresses alone socket.getaddrinfo() is the better choice: it knows
nsswitch.conf and /etc/hosts.  This asks the servers of /etc/resolv.conf over
ordinary sockets, which park the caller: by UDP, and by TCP what is truncated
there.  The text of the messages is RFC 1035's.
"""
from __future__ import annotations

import contextlib
import ipaddress
import os
import select
import socket
import struct
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .._gone import gone
from ._select import milliseconds
from ._timeout import Timeout

DNS_QUERY_NO_SEARCH = 1
HERROR_HOST_NOT_FOUND = 1
HERROR_TRY_AGAIN = 2
HERROR_NO_RECOVERY = 3
HERROR_NO_DATA = HERROR_NO_ADDRESS = 4

ATTEMPTS, TIMEOUT, NDOTS = 3, 5, 1  # unless resolv.conf says otherwise; seconds
_A, _CNAME, _PTR, _AAAA, _IN = 1, 5, 12, 28, 1
_T = {_A: 1, _PTR: 2, _AAAA: 3}  # dnsresult.t
_TRUNCATED, _UNKNOWN, _TIMED_OUT, _SHUT_DOWN = 65, 66, 67, 68
_NO_SUCH_NAME = 3
_TEXTS = {
    1: 'the query has a wrong format', 2: 'server failure', 3: 'no such name', 4: 'the query is not implemented',
    5: 'the query was refused', _TRUNCATED: 'the answer was truncated', _UNKNOWN: 'no records of this type',
    _TIMED_OUT: 'no answer in time', _SHUT_DOWN: 'the resolver was shut down',
}


class DnsLookupError(IOError):
    """No answer, or one that is an error: args are (-code, text).

    1 format, 2 server failure, 3 no such name, 4 not implemented, 5 refused, 65
    truncated, 66 unknown, or no records of this type, 67 timeout, 68 shut down.
    """


class DnsResultParseError(IOError):
    """The answer cannot be understood."""


class dnsresult(NamedTuple):
    """An answer.

    t       1: A, 2: PTR, 3: AAAA
    ttl     seconds that it may be kept, the least of its records
    values  the addresses, or the name, as text; at least one
    """
    t: int
    ttl: int
    values: List[str]


def _error(code: int) -> DnsLookupError:
    return DnsLookupError(-code, _TEXTS.get(code, f'error {code} of the server'))


# --- Configuration.

class _Resolver:
    """What resolv.conf says; servers are (address, port).  Who waits for an answer also waits at read_end."""

    def __init__(self, filename: str = '/etc/resolv.conf') -> None:
        self.servers: List[Tuple[str, int]] = []
        self.search: List[str] = []
        self.options: Dict[str, int] = {'attempts': ATTEMPTS, 'timeout': TIMEOUT, 'ndots': NDOTS}
        self.pid = os.getpid()
        self.is_shut = False
        self.read_end, self._write_end = os.pipe()
        with contextlib.suppress(OSError), open(filename) as file:
            for line in file:
                self._configure(line.split())
        self.servers = self.servers[:3] or [('127.0.0.1', 53)]

    def shut(self) -> None:
        """Ends the waits, which fail."""
        self.is_shut = True
        os.write(self._write_end, b'.')

    def __del__(self) -> None:
        os.close(self.read_end)
        os.close(self._write_end)

    def _configure(self, words: List[str]) -> None:
        if words[:1] == ['nameserver'] and len(words) > 1:
            self.servers.append((words[1], 53))
        elif words[:1] in (['search'], ['domain']):
            self.search = words[1:]
        elif words[:1] == ['options']:
            for name, _, value in (word.partition(':') for word in words[1:]):
                if name in self.options and value.isdigit():
                    self.options[name] = max(int(value), int(name != 'ndots'))

    def candidates(self, name: str, flags: int) -> List[str]:
        """The names to ask for in turn."""
        if name.endswith('.') or flags & DNS_QUERY_NO_SEARCH:
            return [name]
        searched = [f'{name}.{domain}' for domain in self.search]
        return [name, *searched] if name.count('.') >= self.options['ndots'] else [*searched, name]


_resolver: Optional[_Resolver] = None


def dns_init() -> None:
    """Reads /etc/resolv.conf, if that has not been done; the first question does so by itself."""
    global _resolver
    if _resolver is None or _resolver.pid != os.getpid():
        _resolver = _Resolver()


def dns_init_force() -> None:
    """Reads /etc/resolv.conf anew; what waits for an answer fails with code 68."""
    dns_shutdown()
    dns_init()


def dns_shutdown(fail_requests: Any = 1) -> None:
    """Forgets the configuration until the next question.

    fail_requests: what waits for an answer fails with code 68; else it goes on.
    """
    global _resolver
    resolver, _resolver = _resolver, None
    if resolver is not None and resolver.pid == os.getpid() and fail_requests:
        resolver.shut()


# --- Messages.

def _encode_name(name: str) -> bytes:
    labels = [label.encode('ascii' if label.isascii() else 'idna') for label in name.rstrip('.').split('.')]
    if not all(0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise ValueError(f'{name!r} is no domain name')
    return b''.join(bytes([len(label)]) + label for label in labels) + b'\0'


def _decode_name(wire: bytes, at: int) -> Tuple[str, int]:
    """The name there, in lower case, and where it ends."""
    labels: List[str] = []
    end = None
    for _ in range(128):  # pointers may form a ring
        n = wire[at]
        if n >= 0xc0:
            end = end or at + 2
            at = (n & 0x3f) << 8 | wire[at + 1]
        elif n:
            labels.append(wire[at + 1:at + 1 + n].decode('ascii', 'backslashreplace'))
            at += 1 + n
        else:
            return '.'.join(labels).lower(), end or at + 1
    raise ValueError('a name without an end')


def _records(wire: bytes, at: int, count: int) -> Iterator[Tuple[str, int, int, int, int]]:
    """(owner, type, ttl, where the data begins, where it ends) of each."""
    for _ in range(count):
        owner, at = _decode_name(wire, at)
        kind, rclass, ttl, length = struct.unpack_from('>HHIH', wire, at)
        at += 10 + length
        if at > len(wire):
            raise ValueError('the answer is cut off')
        if rclass == _IN:
            yield owner, kind, ttl, at - length, at


def _value(wire: bytes, kind: int, at: int, end: int) -> str:
    if kind == _PTR:
        return _decode_name(wire, at)[0]
    return str(ipaddress.ip_address(wire[at:end]))


def _parse(wire: bytes, name: str, kind: int) -> dnsresult:
    """The answer to the question for name, which is in lower case.  DnsLookupError: it is one; DnsResultParseError."""
    try:
        _, flags, _, answers, _, _ = struct.unpack_from('>6H', wire)
        if flags & 0xf:
            raise _error(flags & 0xf)
        owners, ttls, values = {name}, [], []
        at = _decode_name(wire, 12)[1] + 4
        for owner, found, ttl, begin, end in _records(wire, at, answers):
            if owner in owners and found == _CNAME:
                owners.add(_decode_name(wire, begin)[0])
                ttls.append(ttl)
            elif owner in owners and found == kind:
                values.append(_value(wire, kind, begin, end))
                ttls.append(ttl)
    except (ValueError, IndexError, struct.error) as error:
        raise DnsResultParseError(f'the answer for {name} cannot be understood: {error}') from None
    if not values:
        raise _error(_TRUNCATED if flags & 0x200 else _UNKNOWN)
    return dnsresult(_T[kind], min(ttls), values)


# --- Questions.

def _is_answer(wire: bytes, query: bytes) -> bool:
    """To that query: its number, and the same question."""
    return (len(wire) >= len(query) and wire[:2] == query[:2] and bool(wire[2] & 0x80)
            and wire[12:len(query)].lower() == query[12:].lower())


class _Link:
    """A socket to a server, whose waits end at a time (time.monotonic()), or when the resolver is shut."""

    def __init__(self, resolver: _Resolver, server: Tuple[str, int], until: float, tcp: bool) -> None:
        self._resolver = resolver
        self._until = until
        family = socket.AF_INET6 if ':' in server[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self.sock.connect(server)

    def wait(self, event: int) -> None:
        """OSError: the time has come.  DnsLookupError: the resolver was shut."""
        poll = select.poll()
        poll.register(self.sock, event)
        poll.register(self._resolver.read_end, select.POLLIN)
        ready = poll.poll(milliseconds(self._until - time.monotonic()))
        if self._resolver.is_shut:
            raise _error(_SHUT_DOWN)
        if not ready:
            raise socket.timeout('timed out')

    def send(self, data: bytes) -> None:
        self.wait(select.POLLOUT)
        self.sock.sendall(data)

    def receive(self, n: int) -> bytes:
        while True:
            self.wait(select.POLLIN)
            with contextlib.suppress(BlockingIOError):
                return self.sock.recv(n)

    def receive_exactly(self, n: int) -> bytes:
        data = b''
        while len(data) < n:
            more = self.receive(n - len(data))
            if not more:
                raise ConnectionError('the server has hung up')
            data += more
        return data


def _ask_server(resolver: _Resolver, server: Tuple[str, int], query: bytes, until: float, tcp: bool) -> bytes:
    """The answer's message.  OSError: none in time, or the server is not there."""
    link = _Link(resolver, server, until, tcp)
    with link.sock:
        link.send(struct.pack('>H', len(query)) + query if tcp else query)
        while True:
            if tcp:
                wire = link.receive_exactly(*struct.unpack('>H', link.receive_exactly(2)))
            else:
                wire = link.receive(65535)
            if _is_answer(wire, query):
                return wire


def _ask(resolver: _Resolver, name: str, kind: int, until: Optional[float]) -> dnsresult:
    """Asks each server in turn, as often as resolv.conf says."""
    wire_name = _encode_name(name)
    query = struct.pack('>2s5H', os.urandom(2), 0x100, 1, 0, 0, 0) + wire_name + struct.pack('>HH', kind, _IN)
    name = _decode_name(wire_name, 0)[0]
    error = _error(_TIMED_OUT)
    for server in resolver.servers * resolver.options['attempts']:
        limit = time.monotonic() + resolver.options['timeout']
        if until is not None:
            limit = min(limit, until)
            if limit <= time.monotonic():
                break
        try:
            wire = _ask_server(resolver, server, query, limit, tcp=False)
            if wire[2] & 0x02:  # truncated
                wire = _ask_server(resolver, server, query, limit, tcp=True)
            return _parse(wire, name, kind)
        except DnsLookupError as failed:
            if failed.args[0] not in (-2, -4, -5):  # those are this server's alone
                raise
            error = failed
        except DnsResultParseError:
            raise
        except OSError:
            pass
    raise error


def _resolve(name: str, kind: int, flags: int, timeout: Optional[float]) -> dnsresult:
    if not isinstance(name, str):
        raise TypeError(f'a name must be a str, not {name!r}')
    dns_init()
    resolver = _resolver
    until = None if timeout is None else time.monotonic() + timeout
    first = None
    for candidate in resolver.candidates(name, flags):
        try:
            return _ask(resolver, candidate, kind, until)
        except DnsLookupError as error:
            if error.args[0] not in (-_NO_SUCH_NAME, -_UNKNOWN):
                raise
            first = first or error
    raise first


def dns_resolve_ipv4(name: str, flags: int = 0, timeout: Optional[float] = None) -> dnsresult:
    """The A records of name, from a name server.

    flags       DNS_QUERY_NO_SEARCH: without the domains that resolv.conf lists
    timeout     seconds for the whole call; None: as resolv.conf says

    DnsLookupError, which see; DnsResultParseError; ValueError: no domain name; TypeError: no str.
    """
    return _resolve(name, _A, flags, timeout)


def dns_resolve_ipv6(name: str, flags: int = 0, timeout: Optional[float] = None) -> dnsresult:
    """The AAAA records of name; as dns_resolve_ipv4()."""
    return _resolve(name, _AAAA, flags, timeout)


def dns_resolve_reverse(ip: str, flags: int = 0, timeout: Optional[float] = None) -> dnsresult:
    """The PTR record of an address, the first if there are several; as dns_resolve_ipv4().

    ValueError: it is no IPv4 or IPv6 address.
    """
    if not isinstance(ip, str):
        raise TypeError(f'an address must be a str, not {ip!r}')
    found = _resolve(ipaddress.ip_address(ip).reverse_pointer, _PTR, flags | DNS_QUERY_NO_SEARCH, timeout)
    return found._replace(values=found.values[:1])


# --- The hosts file, and socket's calls.

names_by_ip: Dict[str, List[str]] = {}
names_by_nameip: Dict[str, List[str]] = {}


def read_etc_hosts(filename: str = '/etc/hosts', f: Any = None) -> None:
    """Fills names_by_ip {address: [address, name, alias...]} and names_by_nameip, which has the names as well.

    f: a file that is open, or an iterable of lines, instead.  Addresses of IPv4 alone; of two entries for an
    address or a name the first counts.  OSError: it cannot be read.  Nothing here needs the tables:
    getaddrinfo() and gethostbyname() look into the file themselves.
    """
    if f is None:
        with open(filename) as file:
            return read_etc_hosts(f=file)
    names_by_ip.clear()
    names_by_nameip.clear()
    for line in f:
        words = line.split()
        if line.startswith('#') or len(words) < 2 or ':' in words[0]:
            continue
        names_by_ip.setdefault(words[0], words)
        for word in words:
            names_by_nameip.setdefault(word, words)
    return None


def _within(timeout: Optional[float], function: Any, *args: Any) -> Any:
    with Timeout(timeout, socket.gaierror(socket.EAI_AGAIN, 'no answer in time')) if timeout is not None \
            else contextlib.nullcontext():
        return function(*args)


def gethostbyname(name: str, timeout: Optional[float] = None) -> str:
    """socket.gethostbyname(), for so many seconds at most; then gaierror with EAI_AGAIN."""
    return _within(timeout, socket.gethostbyname, name)


def gethostbyname_ex(name: str, timeout: Optional[float] = None) -> Tuple[str, List[str], List[str]]:
    """socket.gethostbyname_ex(), for so many seconds at most; then gaierror with EAI_AGAIN."""
    return _within(timeout, socket.gethostbyname_ex, name)


def gethostbyaddr(ip: str, timeout: Optional[float] = None) -> Tuple[str, List[str], List[str]]:
    """socket.gethostbyaddr(), for so many seconds at most; then gaierror with EAI_AGAIN."""
    return _within(timeout, socket.gethostbyaddr, ip)


def getfqdn(name: str = '', timeout: Optional[float] = None) -> str:
    """socket.getfqdn(), for so many seconds at most; then, as if there were no answer, name."""
    try:
        return _within(timeout, socket.getfqdn, name)
    except socket.gaierror:
        return name


def partial_getaddrinfo(*args: Any, **kwargs: Any) -> Any:
    """Raises Gone, an ImportError: socket.getaddrinfo() works whole."""
    raise gone('syncless.coio', 'partial_getaddrinfo', 'use socket.getaddrinfo(), which is cooperative')
