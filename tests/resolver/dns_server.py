# SPDX-License-Identifier: Apache-2.0
"""A DNS server whose every word is scripted, right or wrong.

What it answers depends on the question alone, never on what was asked before: each run of the
same look-ups meets the same world.  Ordinary servers cannot be made to answer wrongly, late or
never, hence this one.

A zone maps names to records; a record set may carry a deed, something else than plainly answering:

    rcode:N         no answer but this code          drop        no answer
    tc              cut short over UDP               tc-part     likewise, with what fits
    tc-close        cut short, and by TCP the connection is closed
    tc-late         likewise, after LATE seconds: libc waits for ever for an answer by TCP
    wrong-id, wrong-question, no-response-bit, short, no-question
                    first a datagram that is wrong in this way, then the right one
    only-X          that datagram alone
    bad-pointer, bad-length, other-owner, other-class
                    an answer that is wrong within

Each listening address has a role: 'zone' answers from the zone, and the others answer everything alike.
"""
import contextlib
import selectors
import socket
import struct
import threading

A, NS, CNAME, SOA, PTR, TXT, AAAA, DNAME, OPT, RRSIG = 1, 2, 5, 6, 12, 16, 28, 39, 41, 46
TYPES = {'A': A, 'NS': NS, 'CNAME': CNAME, 'PTR': PTR, 'TXT': TXT, 'AAAA': AAAA, 'DNAME': DNAME,
         'RRSIG': RRSIG, '*': 0}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
RCODES = {'formerr': FORMERR, 'servfail': SERVFAIL, 'nxdomain': NXDOMAIN, 'notimp': NOTIMP,
          'refused': REFUSED, 'empty': NOERROR}
PLAIN_UDP = 512
LATE = 1.5


def labels(name):
    """A name as a tuple of bytes; in text, "\\." is a dot inside of a label."""
    if not isinstance(name, str):
        return tuple(name)
    name = name.rstrip('.') if not name.endswith('\\.') else name
    parts = name.replace('\\.', '\0').split('.') if name else []
    return tuple(part.replace('\0', '.').encode('utf-8') for part in parts)


def folded(name):
    return tuple(label.lower() for label in name)


def wire_name(name):
    return b''.join(bytes([len(label)]) + label for label in name) + b'\0'


class Message(bytearray):
    """An answer being written, with names compressed as all servers do it."""

    def __init__(self, head):
        super().__init__(head)
        self.seen = {}

    def put_name(self, name):
        for at in range(len(name)):
            rest = tuple(name[at:])
            if rest in self.seen:
                self += struct.pack('>H', 0xC000 | self.seen[rest])
                return
            if len(self) < 0x4000:
                self.seen[rest] = len(self)
            self.append(len(name[at]))
            self += name[at]
        self.append(0)

    def put_record(self, owner, kind, data, ttl=60, klass=1):
        self.put_name(owner)
        self += struct.pack('>HHIH', kind, klass, ttl, 0)
        begin = len(self)
        if kind in (CNAME, PTR, NS, DNAME):
            self.put_name(data)
        else:
            self += data
        struct.pack_into('>H', self, begin - 2, len(self) - begin)


class Question:
    """What was asked.  Raises if it cannot be read."""

    def __init__(self, packet):
        self.id, self.flags, count, _, _, self.nextra = struct.unpack_from('>6H', packet)
        at, name = 12, []
        while packet[at]:
            name.append(bytes(packet[at + 1:at + 1 + packet[at]]))
            at += 1 + packet[at]
        self.name = tuple(name)
        self.type, self.klass = struct.unpack_from('>HH', packet, at + 1)
        self.wire = bytes(packet[12:at + 5])
        self.udp_room = None
        if self.nextra and len(packet) >= at + 5 + 11:
            kind, size = struct.unpack_from('>HH', packet, at + 6)
            self.udp_room = size if kind == OPT else None
        if count != 1 or self.flags & 0x8000:
            raise ValueError('not a question')

    def text(self):
        return '.'.join(label.decode('utf-8', 'backslashreplace') for label in self.name)

    def head(self, rcode=NOERROR, flags=0x8580, qid=None):
        """An answer's head and question: response, authoritative, recursion wanted and had."""
        flags = flags & ~0x100 | self.flags & 0x100 | rcode
        return struct.pack('>6H', self.id if qid is None else qid, flags, 1, 0, 0, 0) + self.wire


class Zone:
    """Names and what they have: add() writes it, find() reads it."""

    def __init__(self):
        self.sets = {}   # (folded name, type) -> records, each (owner or None, type, data)
        self.deeds = {}  # (folded name, type or 0) -> deed
        self.names = set()

    def add(self, name, kind, *data, deed=None):
        """Records of a name.  Data is an address, a name, or for the kind "+" a list of (owner, kind,
        data): an answer to any type with just these records."""
        name = labels(name)
        key = folded(name)
        for end in range(len(key)):
            self.names.add(key[end:])
        if deed:
            self.deeds[key, TYPES[kind]] = deed
        records = self.sets.setdefault((key, TYPES[kind]), [])
        for item in data:
            if kind == '*':
                owner, item_kind, value = item
                records.append((labels(owner), TYPES[item_kind], self.rdata(item_kind, value)))
            else:
                records.append((None, TYPES[kind], self.rdata(kind, item)))

    @staticmethod
    def rdata(kind, value):
        if kind in ('CNAME', 'PTR', 'NS', 'DNAME'):
            return labels(value)
        if isinstance(value, bytes):
            return value
        return socket.inet_pton(socket.AF_INET if kind == 'A' else socket.AF_INET6, value)

    def known_as(self, name):
        """The key that answers for a name: its own, or a wildcard's; or None."""
        key = folded(name)
        if key in self.names or not key:
            return key
        for end in range(1, len(key)):
            wild = (b'*', *key[end:])
            if wild in self.names:
                return wild
            if key[end:] in self.names:
                return None
        return None

    def find(self, name, kind, depth=0):
        """(exists, records of an answer with what CNAMEs lead to, deed)."""
        key = self.known_as(name)
        if key is None:
            return False, [], None
        deed = self.deeds.get((key, kind), self.deeds.get((key, 0)))
        if (key, 0) in self.sets:
            return True, self.sets[key, 0], deed
        found = [(name, kind, data) for _, kind, data in self.sets.get((key, kind), ())]
        if not found and kind != CNAME and (key, CNAME) in self.sets:
            for _, _, data in self.sets[key, CNAME]:
                found.append((name, CNAME, data))
            exists, more, _ = self.find(found[-1][2], kind, depth + 1) if depth < 40 else (True, [], None)
            return exists, found + more, deed
        return True, found, deed


class Server:
    """Serves a zone on addresses, {(host, port): role}, from a thread of its own.

    on_question, if set, sees each Question and (transport, reply) first; where it returns True it answers
    by itself, later, by calling reply(packet).
    """

    def __init__(self, zone, addresses, on_question=None):
        self.zone, self.on_question = zone, on_question
        self.error = None
        self.log = []  # (role, transport, name as asked, type, EDNS size or None, flags)
        self.selector = selectors.DefaultSelector()
        self.stop_reader, self.stop_writer = socket.socketpair()
        self.selector.register(self.stop_reader, selectors.EVENT_READ, None)
        self.sockets = [self.stop_reader, self.stop_writer]
        for (host, port), role in addresses.items():
            self.listen(host, port, role)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def listen(self, host, port, role):
        where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM,
                                   flags=socket.AI_NUMERICHOST)[0]
        # A thousand may ask at once.  Only root can have a buffer for all; others have some buffers.
        room = 0
        for _ in range(16):
            if room < 4 << 20:
                room += self.listen_udp(where, role)
        if role == 'no-tcp':
            return
        tcp = socket.socket(where[0], socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(where[4])
        tcp.listen(1024)
        tcp.setblocking(False)
        self.sockets.append(tcp)
        self.selector.register(tcp, selectors.EVENT_READ, lambda: self.on_connection(tcp, role))

    def listen_udp(self, where, role):
        """The size of the receive buffer."""
        SO_RCVBUFFORCE = 33
        udp = socket.socket(where[0], socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with contextlib.suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        udp.bind(where[4])
        udp.setblocking(False)
        self.sockets.append(udp)
        self.selector.register(udp, selectors.EVENT_READ, lambda: self.on_datagram(udp, role))
        return udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def run(self):
        try:
            while True:
                for key, _ in self.selector.select():
                    if key.data is None:
                        return
                    key.data()
        except Exception as error:  # close() tells
            self.error = error

    def close(self):
        self.stop_writer.send(b'.')
        self.thread.join()
        if self.error:
            raise self.error
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.stop_writer.close()

    def on_datagram(self, udp, role):
        for _ in range(100):
            try:
                packet, peer = udp.recvfrom(4096)
            except BlockingIOError:
                return

            def reply(answer, peer=peer):
                with contextlib.suppress(OSError):
                    udp.sendto(answer, peer)
            self.take(packet, role, 'udp', reply, None)

    def on_connection(self, tcp, role):
        try:
            connection, _ = tcp.accept()
        except BlockingIOError:
            return
        received = bytearray()

        def leave():
            with contextlib.suppress(OSError):  # the end of it is seen by read(), if not seen already
                connection.shutdown(socket.SHUT_RDWR)

        def reply(answer):
            with contextlib.suppress(OSError):
                connection.sendall(struct.pack('>H', len(answer)) + answer)

        def read():
            try:
                more = connection.recv(65536)
            except OSError:
                more = b''
            if not more:
                self.selector.unregister(connection)
                connection.close()
                return
            received.extend(more)
            while len(received) >= 2 and len(received) >= 2 + struct.unpack_from('>H', received)[0]:
                size = struct.unpack_from('>H', received)[0]
                packet = bytes(received[2:2 + size])
                del received[:2 + size]
                if self.take(packet, role, 'tcp', reply, leave) == 'closed':
                    return
        self.selector.register(connection, selectors.EVENT_READ, read)

    def take(self, packet, role, transport, reply, leave):
        try:
            question = Question(packet)
        except (ValueError, IndexError, struct.error):
            return None
        self.log.append((role, transport, question.text(), question.type, question.udp_room,
                         question.flags))
        if self.on_question and self.on_question(question, transport, reply):
            return None
        if role == 'silent':
            return None
        if role == 'lame':  # it refers us upwards, which nobody who asks for recursion can use
            answer = Message(question.head(flags=0x8100))
            answer.put_record((), NS, labels('a.root-servers.test'))
            struct.pack_into('>H', answer, 8, 1)
            reply(answer)
        elif role in RCODES:
            reply(question.head(RCODES[role]))
        else:
            return self.answer(question, role, transport, reply, leave)
        return None

    def answer(self, question, role, transport, reply, leave):
        exists, records, deed = self.zone.find(question.name, question.type)
        deed = deed or ''
        if role == 'other' and (self.zone.known_as(labels('other.') + question.name)):
            exists, records, deed = self.zone.find(labels('other.') + question.name, question.type)
            records = [(question.name, kind, data) for _, kind, data in records]
            deed = deed or ''
        if deed == 'drop':
            return None
        if deed == 'tc-close' and transport == 'tcp':
            leave()
            return 'closed'
        if deed == 'tc-late' and transport == 'tcp':
            threading.Timer(LATE, leave).start()
            return None
        right = self.packet(question, exists, records, deed)
        if deed.startswith('only-'):
            reply(self.wrong(question, deed[5:], right))
            return None
        wrong = self.wrong(question, deed, right) if transport == 'udp' else None
        if wrong is not None:
            reply(wrong)
        if transport == 'udp':
            room = max(question.udp_room or 0, PLAIN_UDP)
            if deed.startswith('tc') or len(right) > room:
                keep = records[:3] if deed == 'tc-part' else []
                right = self.packet(question, exists, keep, deed, flags=0x8780)
        reply(right)
        return None

    @staticmethod
    def packet(question, exists, records, deed, flags=0x8580):
        if deed.startswith('rcode:'):
            return Message(question.head(int(deed[6:]), flags))
        message = Message(question.head(NOERROR if exists else NXDOMAIN, flags))
        message.seen[question.name] = 12
        for at in range(1, len(question.name)):
            message.seen[question.name[at:]] = 12 + sum(1 + len(one) for one in question.name[:at])
        for owner, kind, data in records:
            if deed == 'other-owner':
                owner = labels('someone.else.test')
            message.put_record(owner, kind, data, klass=3 if deed == 'other-class' else 1)
        struct.pack_into('>H', message, 6, len(records))
        if deed == 'bad-pointer':  # the first owner becomes a pointer to itself
            at = 12 + len(question.wire)
            struct.pack_into('>H', message, at, 0xC000 | at)
        if deed == 'bad-length':
            message = message[:-2]
        if not records and not deed:  # as servers tell how long "no" holds
            message.put_record((b'test',), SOA, wire_name(labels('ns.test')) +
                               wire_name(labels('root.test')) + struct.pack('>5I', 1, 60, 60, 60, 60))
            struct.pack_into('>H', message, 8, 1)
        if question.udp_room is not None:
            message += b'\0' + struct.pack('>HHIH', OPT, 1232, 0, 0)
            struct.pack_into('>H', message, 10, 1)
        return message

    @staticmethod
    def wrong(question, deed, right):
        if deed == 'wrong-id':
            return struct.pack('>H', question.id ^ 0x5555) + right[2:]
        if deed == 'wrong-question':
            head = struct.pack('>6H', question.id, 0x8583, 1, 0, 0, 0)
            return head + wire_name(labels('nobody.asked.test')) + struct.pack('>HH', question.type, 1)
        if deed == 'no-response-bit':
            return right[:2] + bytes([right[2] & 0x7f]) + right[3:]
        if deed == 'short':
            return bytes(right[:5])
        if deed == 'no-question':
            return right[:4] + b'\0\0' + right[6:12] + right[12 + len(question.wire):]
        return None
