# SPDX-License-Identifier: Apache-2.0
"""One cell of the matrix, under `syncless run`: the loops of one or two libraries beside coroutines.

    cell.py coroutine LIBRARY       its loop runs in a coroutine of the main thread
    cell.py thread LIBRARY          in a green thread
    cell.py pair LIBRARY LIBRARY    two, each in a green thread

A library is the module on_LIBRARY.py, whose run(sock, answer, tick, seconds) runs
its loop: what comes in by sock is given to answer(), and what that returns is sent
back; at the end of file it is b''.  None: the loop shall end.  Meanwhile tick() is
called every so many seconds, by a timer of the loop's.

Everybody's progress is counted and waits for the others': round trips by a
socket, ticks, beats of a coroutine that sleeps, all of which must go on while
another coroutine is in MySQLdb.  Then the loops end, one by what it is told, the
other by the end of file, and nothing is left.  On stdout: the version.
"""
import faulthandler
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', '..', '..', 'pyglue')]
TRIPS, TICKS, BEATS = 100, 20, 20
SECONDS = 0.005  # between two ticks, and between two beats
IN_QUERY = 5  # ticks and beats
HANG = 40  # seconds


class Failed(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Failed(*what)


class Side:
    """A library's loop, and what it has been seen to do."""

    def __init__(self, library):
        import threading  # which may have been patched
        self.library = library
        self.ticks = self.trips = 0
        self.may_end = lambda: False
        self.over = threading.Event()
        self.error = None

    def tick(self):
        self.ticks += 1

    def answer(self, data):
        self.trips += 1
        return None if not data or self.may_end() else data

    def run(self, sock):
        try:
            self.library.run(sock, self.answer, self.tick, SECONDS)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.over.set()


class Beside:
    """Coroutines of the main thread: one that sleeps, one that asks MySQL."""

    def __init__(self, sides):
        from syncless import coio
        self.sides, self.beats, self.coio = sides, 0, coio
        self.all = [coio.spawn(self.beat)]
        if os.environ.get('SYNCLESS_MYSQL_PORT') and not os.environ.get('MATRIX_WITHOUT_MYSQL'):
            self.all.append(coio.spawn(self.ask))

    def is_live(self):
        return not any(side.over.is_set() for side in self.sides)

    def beat(self):
        while self.is_live() or self.beats < BEATS:
            self.coio.sleep(SECONDS)
            self.beats += 1

    def ask(self):
        """Waits in MySQLdb for a lock of the server, which is given when all have gone on meanwhile."""
        import MySQLdb
        settings = {name: os.environ['SYNCLESS_MYSQL_' + name.upper()] for name in ('host', 'user', 'password')}
        settings['port'] = int(os.environ['SYNCLESS_MYSQL_PORT'])
        holder, waiter = MySQLdb.connect(**settings), MySQLdb.connect(**settings)
        name = f'matrix-{os.getpid()}'
        told, asked, number = holder.cursor(), waiter.cursor(), waiter.thread_id()
        told.execute(f"SELECT GET_LOCK('{name}', 0)")
        waits = self.coio.spawn(asked.execute, f"SELECT GET_LOCK('{name}', {HANG})")
        state = ''
        while state != 'User lock':
            told.execute(f'SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {number}')
            state = told.fetchone()[0]
        before, beats = [side.ticks for side in self.sides], self.beats
        while self.beats - beats < IN_QUERY or any(
                side.ticks - ticks < IN_QUERY for side, ticks in zip(self.sides, before)):
            check(self.is_live(), 'a loop has ended too early')
            self.coio.sleep(SECONDS)
        check(not waits.ended, 'the query has ended too early')
        told.execute(f"SELECT RELEASE_LOCK('{name}')")
        waits.get(HANG)
        holder.close()
        waiter.close()

    def go_on(self):
        """Not before everybody has made progress."""
        others = self.all[1:]
        while not (all(side.ticks >= TICKS for side in self.sides) and self.beats >= BEATS
                   and all(one.ended for one in others)):
            check(self.is_live(), 'a loop has ended too early')
            self.coio.sleep(SECONDS)

    def end(self):
        for one in self.all:
            one.get(HANG)


def beside_coroutines(in_thread, library):
    import socket
    import threading

    from syncless import coio
    ours, theirs = socket.socketpair()
    side = Side(library)
    beside = Beside([side])
    if in_thread:
        thread = threading.Thread(target=side.run, args=(theirs,))
        thread.start()
    else:
        loop = coio.spawn(side.run, theirs)

    def talk():
        for number in range(TRIPS):
            text = b'%d' % number
            ours.sendall(text)
            check(ours.recv(100) == text, 'another answer')
        beside.go_on()
        ours.shutdown(socket.SHUT_WR)
        check(ours.recv(100) == b'', 'not the end')
        ours.close()
    coio.spawn(talk).get(HANG)
    check(side.over.wait(HANG) and not side.error, 'the loop goes on')
    if in_thread:
        thread.join(HANG)
    else:
        loop.get(HANG)
    beside.end()


def beside_each_other(one, other):
    import socket
    import threading
    sides = [Side(one), Side(other)]
    beside = Beside(sides)

    def may_end():
        return sides[0].trips >= TRIPS and min(side.ticks for side in sides) >= TICKS \
            and beside.beats >= BEATS and all(co.ended for co in beside.all[1:])
    sides[0].may_end = may_end
    pairs = list(zip(sides, socket.socketpair()))
    pairs[1][1].sendall(b'x')  # to the first side, and so back and forth
    threads = [threading.Thread(target=side.run, args=(end,)) for side, end in pairs]
    for thread in threads:
        thread.start()
    for side, thread in zip(sides, threads):
        check(side.over.wait(HANG) and not side.error, f'{side.library.NAME}: the loop goes on')
        thread.join(HANG)
    check(abs(sides[0].trips - sides[1].trips) <= 1, 'round trips', sides[0].trips, sides[1].trips)
    beside.end()


def is_hub(greenlet):
    """gevent's, which stays, and may be about to look once more whether there is something to do."""
    hub = sys.modules.get('gevent.hub')
    return hub is not None and isinstance(greenlet, hub.Hub)


def nothing_is_left():
    import gc
    import threading

    from syncless import _glue
    gc.collect()
    threads = threading.enumerate()
    check(len(threads) == 1, 'left:', *threads)
    ready = [task for task in _glue.ready_tasks() if not is_hub(task.greenlet)]
    check(not ready, 'ready:', ready)
    _glue.verify()


def version(library):
    import importlib.metadata
    import platform
    names = {'twisted': 'Twisted', 'gi': 'PyGObject', 'asyncore': 'pyasyncore'}
    try:
        return importlib.metadata.version(names.get(library.MODULE, library.MODULE))
    except importlib.metadata.PackageNotFoundError:
        return getattr(sys.modules.get(library.MODULE), '__version__', None) or platform.python_version()


def main():
    faulthandler.dump_traceback_later(HANG + 10, exit=True)
    how, *names = sys.argv[1:]
    libraries = [importlib.import_module('on_' + name) for name in names]  # one that patches comes first
    if how == 'pair':
        beside_each_other(*libraries)
    else:
        beside_coroutines(how == 'thread', *libraries)
    faulthandler.cancel_dump_traceback_later()
    nothing_is_left()
    print('yes', version(libraries[0]), flush=True)


if __name__ == '__main__':
    main()
