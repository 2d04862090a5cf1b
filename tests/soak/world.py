# SPDX-License-Identifier: Apache-2.0
"""What all threads of the soak share: where the servers are, and things that they guard together."""
import contextlib
import ctypes
import hashlib
import os
import queue
import random
import signal
import socket
import sys
import threading

from ledger import Ledger, Wrong, expect

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GREEN = 'libsyncless' in os.environ.get('LD_PRELOAD', '') and os.environ.get('SYNCLESS') != '0'
HANG = 60  # seconds after which something that should have ended is a hang
NATIVE_AT_ONCE = STUCK_AT_ONCE = 4
ROUNDS = 2000, 20000, 100000  # of PBKDF2: from about one to some tens of milliseconds


class Stats(ctypes.Structure):
    """struct syncless_stats; without the last field in a library that hands nothing off."""
    _fields_ = [('size', ctypes.c_size_t), ('switches', ctypes.c_uint64), ('green_threads', ctypes.c_int64),
                ('coroutines', ctypes.c_int64), ('handoffs', ctypes.c_uint64)]


class Engine:
    """What the preloaded library tells of itself; plainly, nothing."""

    def __init__(self):
        self.functions = ctypes.PyDLL(None) if GREEN else None  # keeps the GIL
        self.hands_off = GREEN and self.ask(ctypes.sizeof(Stats)) is not None

    def ask(self, size):
        stats = Stats(size=size)
        return None if self.functions.syncless_get_stats(ctypes.byref(stats)) else stats

    def stats(self):
        if not GREEN:
            return Stats()
        return self.ask(ctypes.sizeof(Stats)) or self.ask(Stats.handoffs.offset)

    def should_hand_off(self):
        return (self.hands_off and os.environ.get('SYNCLESS_HANDOFF_MS') != '0'
                and os.environ.get('SYNCLESS_BACKEND') != 'io_uring')

    def verify(self):
        if GREEN and self.functions.syncless_verify():
            raise Wrong('an invariant of the scheduler does not hold; stderr says which')

    def expect_green_threads(self, count):
        if GREEN:
            expect(self.functions.syncless_green_threads(), count)

    def native_threads(self):
        """Inside, threads are kernel threads in either mode."""
        if not GREEN:
            return contextlib.nullcontext()
        if ROOT + '/pyglue' not in sys.path:
            sys.path.insert(0, ROOT + '/pyglue')
        import syncless
        return syncless.native_threads()


def service(name):
    """Where a server of scripts/services is and who may use it; None: it could not be had."""
    keys = 'HOST', 'PORT', 'USER', 'PASSWORD', 'DB'
    if not os.environ.get(f'SYNCLESS_{name}_PORT'):
        return None
    found = {key.lower(): os.environ.get(f'SYNCLESS_{name}_{key}') for key in keys}
    found['port'] = int(found['port'])
    return found


class World:
    def __init__(self, seed):
        self.seed = seed
        self.ledger = Ledger()
        self.engine = Engine()
        self.stopping = threading.Event()
        self.mysql, self.postgres, self.redis = service('MYSQL'), service('PG'), service('REDIS')
        self.http_port, self.mute_port = map(int, os.environ['SOAK_PORTS'].split())
        self.refusing = socket.socket()  # bound and not listening: nobody else can have the port
        self.refusing.bind(('127.0.0.1', 0))
        self.refused_port = self.refusing.getsockname()[1]
        self.digests = {(text, rounds): hashlib.pbkdf2_hmac('sha256', text, b'salt', rounds)
                        for text in (b'first', b'second', b'third') for rounds in ROUNDS}
        self.local = threading.local()
        self.lock = threading.Lock()
        self.counter = 0       # changed under the lock, with a computation between reading and writing
        self.inside = {}       # who has which lock of a server
        self.queue = queue.Queue(20)
        self.may_be_native = threading.Semaphore(NATIVE_AT_ONCE)
        self.may_be_stuck = threading.Semaphore(STUCK_AT_ONCE)

    def hands(self, owner):
        return Hands(self, owner)


class Hands:
    """What one thread works with: its dice, its account, its helpers."""

    def __init__(self, world, owner):
        self.world = world
        self.owner = owner
        self.random = random.Random(f'{world.seed} {owner}')
        self.account = world.ledger.open_account(owner)
        self.operation = self.account.operation

    def token(self):
        return f'{self.random.randrange(1 << 48):012x}'

    def pick(self, weighted):
        return self.random.choices(list(weighted), weighted.values())[0]

    def compute(self, *rounds):
        """Without the GIL, for so many rounds or some number of them; who does it is the same afterwards."""
        before = self.identity()
        text, rounds = self.random.choice(
            [key for key in self.world.digests if not rounds or key[1] in rounds])
        if hashlib.pbkdf2_hmac('sha256', text, b'salt', rounds) != self.world.digests[text, rounds]:
            raise Wrong('a wrong digest')
        expect(self.identity(), before)

    def identity(self):
        """What the thread has of its own, as C code and Python see it."""
        number = getattr(self.world.local, 'number', None)
        if number is None:
            number = self.world.local.number = self.random.random()
        return (threading.get_ident(), threading.get_native_id(), number,
                signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    def choose_mask(self):
        """Some threads block the signal that others are sent; main never does."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self.random.choice(((), (), (signal.SIGUSR1,))))

    @contextlib.contextmanager
    def beside(self, function, *args):
        """A function runs in a thread of its own meanwhile.  What it raises is raised here."""
        errors = []

        def body():
            try:
                function(*args)
            except Exception as error:
                errors.append(error)
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(HANG)
        if thread.is_alive():
            raise Wrong(f'{function.__name__} does not end')
        if errors:
            raise errors[0]

    @contextlib.contextmanager
    def alone_inside(self, place):
        """A server has granted a lock: nobody else may think that he has it."""
        before = self.world.inside.get(place)
        self.world.inside[place] = self.owner
        try:
            if before:
                raise Wrong(f'{place} is held by {before} as well')
            yield
            if self.world.inside[place] != self.owner:
                raise Wrong(f'{place} is held by {self.world.inside[place]} as well')
        finally:
            self.world.inside[place] = None


def live(hands, name, operations, subject, most):
    """One to `most` operations at random on a connection; one that returns True has used it up."""
    for _ in range(hands.random.randint(1, most)):
        if hands.world.stopping.is_set():
            return
        verb = hands.pick(operations)
        with hands.operation(f'{name} {verb.__name__}'):
            if verb(subject):
                return
