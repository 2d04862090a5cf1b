# SPDX-License-Identifier: Apache-2.0
"""The load of the soak: one process, plainly or under the preload.  scripts/soak starts it.

    load.py SECONDS THREADS SEED

First a rehearsal: each operation once, in one thread.  Then a warm-up, and two equal halves; for each of
them the crew of threads is made anew, and when it has ended everything is at rest and is looked at: the
books, the threads, the descriptors, the memory, the structures of the library.
"""
import collections
import ctypes
import faulthandler
import gc
import itertools
import os
import queue
import re
import signal
import sys
import threading
import time
import warnings

from ledger import MOST_FAULTS, Wrong
from world import GREEN, HANG, World
import with_system

PRINT_EVERY = 30       # seconds
COMPUTERS = 3          # threads that mostly compute without the GIL
MOST_GROWTH = {'allocated_kb': 2048, 'memory_kb': 24576, 'mappings': 100}  # at rest, over the second half
# The drivers lose memory, plainly as well: pycurl a block for each error.  Three or four bytes an operation.
ALLOWED_PER_OPERATION = 10
SPARE_THREADS = 24     # kernel threads that are there beside the crew's: native ones, workers, hosts
DRIVERS = {'with_mysql': 'mysql', 'with_postgres': 'postgres', 'with_redis': 'redis', 'with_curl': None}
PF_EXITING = 0x4


def find_lives(world):
    """The lives that a worker may choose from; what cannot be had is named."""
    lives = {with_system: 3}
    for name, server in DRIVERS.items():
        try:
            if server and not getattr(world, server):
                raise ImportError(f'no {server} service')
            lives[__import__(name)] = 4
        except ImportError as error:
            print(f'left out: {name}: {error}', flush=True)
    return lives


def rehearse(world, lives):
    for module in lives:
        for verb in module.OPERATIONS:
            hands = world.hands(f'rehearsal of {verb.__qualname__}')
            module.life(hands, {verb: 1}, 1)
            world.ledger.settle(hands.account)


# --- The crew

class Crew:
    """The threads of one phase.  One of them may end and leave its work to a successor."""

    def __init__(self, world, lives, size, phase):
        self.world, self.lives = world, lives
        self.threads = collections.deque()
        self.names = map((phase + ' {}').format, itertools.count())
        for body, count in ((self.work, size), (self.compute, COMPUTERS), (self.signals, 1), (self.verify, 1)):
            for _ in range(count):
                self.start(body)
        self.receiver = threading.Thread(target=self.receive, daemon=True,
                                         args=(world.ledger.open_account(phase + ' receiver').tallies,))
        self.receiver.start()

    def start(self, body):
        def run():
            try:
                body(hands)
            except BaseException:
                self.world.ledger.fault_now(f'{hands.owner}: {body.__name__}')
            finally:
                self.world.ledger.settle(hands.account)
        hands = self.world.hands(next(self.names))
        thread = threading.Thread(target=run, daemon=True, name=f'{hands.owner} {body.__name__}')
        self.threads.append(thread)
        thread.start()

    def work(self, hands):
        hands.choose_mask()
        while not self.world.stopping.is_set():
            try:
                hands.pick(self.lives).life(hands)
            except Exception:
                self.world.ledger.fault_now(f'{hands.owner}: {hands.account.last}')
            if hands.random.random() < 0.05:
                return self.start(self.work)

    def compute(self, hands):
        """About half of the time, in turns of up to some tens of milliseconds."""
        verbs = {with_system.System.compute: 2, with_system.System.compress: 1}
        while not self.world.stopping.is_set():
            with_system.life(hands, verbs, 4)
            time.sleep(hands.random.random() / 10)

    def signals(self, hands):
        """Sends the process a signal, in one way or another, and waits until main has heard of it."""
        ways = (lambda: os.kill(os.getpid(), signal.SIGUSR1), lambda: signal.raise_signal(signal.SIGUSR1),
                lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1))
        while not self.world.stopping.wait(hands.random.random() / 10):
            with hands.operation('signal'):
                hands.random.choice(ways)()
                try:
                    HEARD.get(timeout=HANG)
                except queue.Empty:
                    raise Wrong('main never heard of a signal') from None

    def verify(self, hands):
        while not self.world.stopping.wait(0.2):
            with hands.operation('verify'):
                self.world.engine.verify()

    def receive(self, tallies):
        """What is put into the queue comes out of it, once; None is the last."""
        for number in iter(self.world.queue.get, None):
            tallies['received put'] += 1
            tallies['received sum put'] += number

    def end(self):
        """Joins all.  A successor is in the list before its predecessor has ended."""
        self.world.stopping.set()
        limit = time.monotonic() + HANG
        while self.threads:
            self.join(self.threads.popleft(), limit)
        self.world.queue.put(None)
        self.join(self.receiver, time.monotonic() + HANG)
        self.world.stopping.clear()

    def join(self, thread, limit):
        thread.join(max(0.0, limit - time.monotonic()))
        if thread.is_alive():
            self.world.ledger.fault(f'{thread.name} does not end')


HEARD = queue.SimpleQueue()  # whose put() may be called from a handler
heard = 0


def hear(*_):
    global heard
    heard += 1
    HEARD.put(None)


# --- What the process has

def kernel_threads():
    """Those that are not on their way out."""
    alive = 0
    for tid in os.listdir('/proc/self/task'):
        try:
            with open(f'/proc/self/task/{tid}/stat') as stat:
                alive += not int(stat.read().rpartition(')')[2].split()[6]) & PF_EXITING
        except OSError:
            pass
    return alive


def memory_kb():
    with open('/proc/self/status') as status:
        return int(re.search(r'VmRSS:\s*(\d+)', status.read()).group(1))


class MallocInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        'arena', 'ordblks', 'smblks', 'hblks', 'hblkhd', 'usmblks', 'fsmblks', 'uordblks', 'fordblks',
        'keepcost')]


LIBC = ctypes.CDLL(None)
LIBC.mallinfo2.restype = MallocInfo


def allocated_kb():
    """From malloc() and, at some 60 bytes a block, from Python's own allocator."""
    info = LIBC.mallinfo2()
    return (info.uordblks + info.hblkhd + 60 * sys.getallocatedblocks()) // 1024


def mappings():
    with open('/proc/self/maps') as maps:
        return sum(1 for _ in maps)


def descriptors():
    """{what: how many}"""
    found = collections.Counter()
    for fd in os.listdir('/proc/self/fd'):
        try:
            found[re.sub(r'\[\d+\]', '', os.readlink(f'/proc/self/fd/{fd}'))] += 1
        except OSError:
            pass  # the one of the list itself
    return found


State = collections.namedtuple('State', 'threads fds allocated_kb memory_kb mappings operations')
RECEIVED = 'put', 'sum put'


class Watch:
    """Looks at the process while the crew works, and after."""

    def __init__(self, world, lives, size):
        self.world, self.lives, self.size = world, lives, size
        self.begun = time.monotonic()
        self.next_line = self.begun + PRINT_EVERY
        self.most_threads = 0
        self.at_rest = []
        self.hands = world.hands('main')

    def run_phase(self, phase, seconds):
        crew = Crew(self.world, self.lives, self.size, phase)
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(self.world.ledger.faults) < MOST_FAULTS:
            time.sleep(min(0.5, max(0.0, end - time.monotonic())))
            self.tick()
        crew.end()
        self.rest(phase)

    def tick(self):
        with self.hands.operation('main computes'):
            self.hands.compute()
        self.world.engine.verify()
        self.most_threads = max(self.most_threads, kernel_threads())
        self.world.ledger.look_for_stuck(HANG)
        if time.monotonic() >= self.next_line:
            self.next_line += PRINT_EVERY
            self.print_line()

    def print_line(self):
        ended = self.world.ledger.sum_of('ended')
        kinds = collections.Counter()
        for name, count in ended.items():
            kinds[name.split()[0]] += count
        stats = self.world.engine.stats()
        print(f'{time.monotonic() - self.begun:5.0f} s: {sum(ended.values())} operations (' +
              ', '.join(f'{kinds[kind]} {kind}' for kind in sorted(kinds)) +
              f'), {kernel_threads()} kernel threads (most {self.most_threads}), {memory_kb() // 1024} MB, '
              f'{stats.switches} switches, {stats.handoffs} hand-offs, {len(self.world.ledger.faults)} faults',
              flush=True)

    def rest(self, phase):
        """The crew has gone: nothing of it may be left."""
        ledger = self.world.ledger
        ledger.close()
        tallies = ledger.sum_of('tallies')
        if tallies['guarded'] != self.world.counter:
            ledger.fault(f'{tallies["guarded"]} changes under the lock have become {self.world.counter}')
        for name in RECEIVED:
            if tallies['received ' + name] != tallies[name]:
                ledger.fault(f'the queue: {name} {tallies[name]}, received {tallies["received " + name]}')
        if threading.active_count() != 1:
            ledger.fault(f'threads are left: {threading.enumerate()}')
        await_rest(lambda: kernel_threads() == 1)
        gc.collect()
        LIBC.malloc_trim(0)
        self.world.engine.verify()
        state = State(kernel_threads(), descriptors(), allocated_kb(), memory_kb(), mappings(),
                      sum(ledger.sum_of('ended').values()))
        self.at_rest.append(state)
        print(f'{phase}: at rest: {state.threads} kernel threads, {sum(state.fds.values())} descriptors, '
              f'{state.allocated_kb} kB allocated, {state.memory_kb} kB resident, {state.mappings} mappings',
              flush=True)

    def judge(self):
        """What has grown from one rest to the next?"""
        warm, before, after = self.at_rest
        fault = self.world.ledger.fault
        if after.fds != warm.fds:
            fault(f'descriptors: {dict(warm.fds - after.fds)} have gone, '
                  f'{dict(after.fds - warm.fds)} have come')
        lost_by_drivers_kb = (after.operations - before.operations) * ALLOWED_PER_OPERATION // 1024
        for name, most in MOST_GROWTH.items():
            grown = getattr(after, name) - getattr(before, name)
            if grown > most + lost_by_drivers_kb * (name != 'mappings'):
                fault(f'at rest {name} has grown by {grown}')
        allowed = SPARE_THREADS + (0 if GREEN and not os.environ.get('SYNCLESS_CHAOS') else 3 * self.size)
        if self.most_threads > allowed:
            fault(f'{self.most_threads} kernel threads; {allowed} at most were to be')
        if after.threads > (SPARE_THREADS if GREEN else 1):
            fault(f'{after.threads} kernel threads at rest')
        if self.world.engine.should_hand_off() and not self.world.engine.stats().handoffs:
            fault('nothing was handed off')
        if heard < self.world.ledger.sum_of('ended')['signal']:
            fault(f'only {heard} signals were heard')


def await_rest(condition, limit=2):
    """Ended kernel threads are seen for a while, and idle ones of the library go in their own time."""
    end = time.monotonic() + limit
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


def main():
    seconds, size, seed = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    warnings.simplefilter('ignore', DeprecationWarning)  # of fork() beside threads
    faulthandler.register(signal.SIGUSR2)
    signal.signal(signal.SIGUSR1, hear)
    world = World(seed)
    lives = find_lives(world)
    rehearse(world, lives)
    if world.ledger.faults:
        sys.exit(1)
    watch = Watch(world, lives, size)
    warm_up = min(30, seconds / 5)
    for phase, length in (('warm-up', warm_up), ('first half', (seconds - warm_up) / 2),
                          ('second half', (seconds - warm_up) / 2)):
        watch.run_phase(phase, length)
        if len(world.ledger.faults) >= MOST_FAULTS:
            break
    else:
        watch.judge()
    watch.print_line()
    print(f'{len(world.ledger.faults)} faults' if world.ledger.faults else 'all was right', flush=True)
    sys.exit(bool(world.ledger.faults))


if __name__ == '__main__':
    main()
