# SPDX-License-Identifier: Apache-2.0
"""What needs no driver: names, sockets, threads, locks, children, files, and computing without the GIL."""
import asyncio
import concurrent.futures
import contextlib
import fcntl
import gc
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import zlib

from ledger import Wrong, expect, fails_with
from world import HANG, live

RANDOM_BYTES = os.urandom(200000)


class System:
    def __init__(self, hands):
        self.hands = hands
        self.world = hands.world
        self.random = hands.random

    def names(self):
        found = socket.getaddrinfo('localhost', self.world.http_port, socket.AF_INET, socket.SOCK_STREAM)
        expect([entry[4] for entry in found], [('127.0.0.1', self.world.http_port)] * len(found))
        expect(bool(found), True)
        expect(socket.gethostbyname('localhost'), '127.0.0.1')
        expect(socket.getnameinfo(('127.0.0.1', 7), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
               ('127.0.0.1', '7'))

    def talk(self):
        """HTTP by hand, with and without a timeout."""
        token = self.hands.token()
        with socket.create_connection(('localhost', self.world.http_port)) as peer:
            peer.settimeout(self.random.choice((None, HANG)))
            with peer.makefile('rb') as lines:
                for _ in range(3):
                    peer.sendall(f'GET /echo/{token} HTTP/1.1\r\n\r\n'.encode())
                    while lines.readline() != b'\r\n':
                        pass
                    expect(lines.read(len(token)), token.encode())

    def time_out(self):
        with socket.create_connection(('127.0.0.1', self.world.mute_port)) as peer:
            peer.settimeout(self.random.random() / 5 + 0.001)
            with fails_with(socket.timeout):
                peer.recv(1)

    def pair(self):
        """Back and forth with another thread, by turns small and large."""
        left, right = socket.socketpair()
        with left, right:
            with self.hands.beside(self.echo, right):
                try:
                    for size in (1, 10, 300000, 1000):
                        sent = os.urandom(size)
                        with self.hands.beside(left.sendall, sent):
                            got = b''
                            while len(got) < size:
                                got += left.recv(65536)
                        expect(got == sent, True)
                finally:
                    left.shutdown(socket.SHUT_WR)

    @staticmethod
    def echo(peer):
        while True:
            piece = peer.recv(65536)
            if not piece:
                return
            peer.sendall(piece)

    def threads(self):
        """Each sees its own thread-local value after a wait."""
        local, found = threading.local(), []

        def body(i):
            local.value = i
            time.sleep(i / 2000)
            found.append((i, local.value))
        crew = [threading.Thread(target=body, args=(i,), daemon=True) for i in range(8)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join(HANG)
        expect(sorted(found), [(i, i) for i in range(8)])

    def pool(self):
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            expect(list(pool.map(zlib.crc32, [b'a', b'b', b'c', b'd'] * 5)),
                   [zlib.crc32(text) for text in (b'a', b'b', b'c', b'd')] * 5)

    def event_loop(self):
        """An asyncio program in this thread."""
        tokens = [self.hands.token() for _ in range(4)]

        async def ask(token):
            reader, writer = await asyncio.open_connection('127.0.0.1', self.world.http_port)
            writer.write(f'GET /slow/0.01/{token} HTTP/1.1\r\n\r\n'.encode())
            await reader.readuntil(b'\r\n\r\n')
            got = await reader.readexactly(len(token))
            writer.close()
            return got.decode()

        async def ask_all():
            return await asyncio.gather(*map(ask, tokens))
        expect(asyncio.run(ask_all()), tokens)

    def collect(self):
        gc.collect()

    def native(self):
        """A kernel thread of its own in either mode, which computes while this one waits for it."""
        with self.world.may_be_native, self.world.engine.native_threads():
            with self.hands.beside(self.random.choice((self.hands.compute, self.guarded))):
                with socket.create_connection(('127.0.0.1', self.world.mute_port)):
                    time.sleep(0.001)

    def guarded(self):
        """Reads, computes without the GIL, and writes, under a lock that all share."""
        if not self.world.lock.acquire(timeout=self.random.choice((0.001, HANG))):
            return
        try:
            before = self.world.counter
            self.hands.compute(2000)
            self.world.counter = before + 1
            self.hands.account.tallies['guarded'] += 1
        finally:
            self.world.lock.release()

    def hand_on(self):
        """To the one thread that empties the queue."""
        number = self.random.randrange(1000)
        self.world.queue.put(number)
        self.hands.account.tallies['put'] += 1
        self.hands.account.tallies['sum put'] += number

    def sleep(self):
        length = self.random.random() / 20
        begun = time.monotonic()
        time.sleep(length)
        slept = time.monotonic() - begun
        if slept < length:
            raise Wrong(f'slept for {slept} of {length} s')

    def child(self):
        token = self.hands.token()
        done = subprocess.run(['/bin/sh', '-c', 'read line; echo "got $line"; exit 7'], input=token + '\n',
                              stdout=subprocess.PIPE, universal_newlines=True)
        expect((done.returncode, done.stdout), (7, f'got {token}\n'))

    def killed_child(self):
        with subprocess.Popen(['sleep', '60']) as child:
            with fails_with(subprocess.TimeoutExpired):
                child.wait(self.random.random() / 50 + 0.001)
            child.terminate()
        expect(child.returncode, -signal.SIGTERM)

    def fork(self):
        """The child has one thread, starts another, and ends without ceremony."""
        token = self.hands.token().encode()
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os._exit(self.in_child(token, writer))
        os.close(writer)
        with open(reader, 'rb') as answer:
            got = answer.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        expect((got, status), (b'%d' % zlib.crc32(token), 5))

    def in_child(self, token, writer):
        gc.disable()  # what is garbage here belongs to threads of the parent
        found = []

        def body():
            self.world.engine.expect_green_threads(1)
            found.append(zlib.crc32(token))
        with contextlib.suppress(BaseException):
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
            os.write(writer, b'%d' % found[0])
            return 5
        return 6

    def file(self):
        """Disk, which no call of the library's waits for."""
        token = self.hands.token().encode() * 2000
        with self.world.may_be_stuck, tempfile.TemporaryFile() as file:
            file.write(token)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            expect(file.read() == token, True)

    def stuck(self):
        """Sleeps in a system call that the library does not see."""
        with self.world.may_be_stuck:
            expect(os.waitstatus_to_exitcode(os.system('sleep 0.02; exit 3')), 3)

    def file_lock(self):
        """As well, and what it waits for is done by another thread: only where a stuck one holds nobody up."""
        if self.world.engine.functions and not self.world.engine.should_hand_off():
            return
        with self.world.may_be_stuck, open(__file__, 'rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with self.hands.alone_inside('the file lock'):
                time.sleep(0.002)
            fcntl.flock(file, fcntl.LOCK_UN)

    def compute(self):
        self.hands.compute()

    def compress(self):
        start = self.random.randrange(len(RANDOM_BYTES) // 2)
        data = RANDOM_BYTES[start:] + bytes(300000)
        expect(zlib.decompress(zlib.compress(data)) == data, True)

    def compute_in_python(self):
        count = self.random.randrange(1, 30000)
        expect(sum(i & 3 for i in range(4 * count)), 6 * count)


OPERATIONS = {System.names: 15, System.talk: 10, System.time_out: 5, System.pair: 5, System.threads: 4,
              System.pool: 2, System.event_loop: 2, System.native: 2, System.guarded: 10, System.hand_on: 15,
              System.sleep: 10, System.child: 2, System.killed_child: 1, System.fork: 2, System.file: 2,
              System.stuck: 1, System.file_lock: 2, System.compute: 5, System.compress: 3,
              System.compute_in_python: 5, System.collect: 1}


def life(hands, operations=OPERATIONS, most=15):
    live(hands, 'system', operations, System(hands), most)
