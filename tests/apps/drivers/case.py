# SPDX-License-Identifier: Apache-2.0
"""What the programs of the driver table share: a client, and the checks of it.

    client_NAME.py CLASS version|waits|errors|timeouts|interrupt

A program has one class for each row of the table, with what the checks need of
that library.  It is plain threaded code.  It prints a line `result: JSON`:

    version     a text
    waits       a cell: yes, or why not
    errors      what happened in each case, to be compared with a run without the preload
    timeouts    likewise
    interrupt   a cell

and ends with 77, after a line that says why, where the library or its server is not here.
"""
import contextlib
import importlib.metadata
import json
import os
import platform
import re
import socket
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
COUNT = 50
SOON = 0.3  # seconds after which a limit is meant to be over
REST = 3  # seconds in which threads come to rest
LATE = 10  # seconds after which it does not count as kept
ENOUGH = 60  # seconds after which a wait is a hang
SKIPPED = 77
OURS = re.compile('syncless-')  # kernel threads of the library
IDLE = {'202', '232', '281'} if platform.machine() == 'x86_64' else {'98', '22'}  # futex, epoll_wait, epoll_pwait


def not_here(why):
    print(why, flush=True)
    os._exit(SKIPPED)


def service(name, *keys):
    """The variables of a server of scripts/services, by their names in lower case."""
    prefix = f'SYNCLESS_{name}_'
    if not os.environ.get(prefix + 'PORT'):
        not_here(f'no server: {name.lower()}')
    found = {key.lower(): os.environ.get(prefix + key, '') for key in ('HOST', 'PORT', *keys)}
    return {**found, 'port': int(found['port'])}


def plain_env():
    return {name: value for name, value in os.environ.items() if name != 'LD_PRELOAD'}


class Peer:
    """A server of our own, without the preload, with the gate of gate.py."""

    def __init__(self, program, *words):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, program), *map(str, words)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=plain_env(), text=True)
        line = self.process.stdout.readline()
        if not line:
            not_here(f'{program} does not serve')
        self.addresses = json.loads(line)

    def ask(self, word):
        self.process.stdin.write(word + '\n')
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


class Client:
    """What the checks ask of a library; a row of the table is a class of this kind."""
    packages = ()  # whose versions are told
    own = ()  # the exceptions that are the library's
    threads = None  # a pattern of the names of kernel threads that are the library's own
    peer = None

    def version(self):
        return ' + '.join(importlib.metadata.version(name) for name in self.packages) or platform.python_version()

    def describe(self, error):
        """What is told of an exception besides its type."""
        return str(error)

    def open(self):
        """Gets ready: servers are there, and the gate is closed."""

    def wait(self, number):
        """Waits at the gate; returns `answer-NUMBER`, as it came from the server."""
        raise NotImplementedError

    def in_flight(self):
        """How many wait, as the server sees it."""
        return self.peer.ask('count')

    def release(self):
        """Opens the gate."""
        self.peer.ask('open')

    def failures(self):
        """{name: call that fails with an exception of the library's}."""
        raise NotImplementedError

    def timeouts(self):
        """{name: call that a limit of the library's own ends}; what it returns counts as well."""
        raise NotImplementedError

    def hanging(self):
        """Connects; returns a call that never ends, unless somebody ends it."""
        raise NotImplementedError

    def ping(self):
        """A short exchange by a new connection."""
        raise NotImplementedError


def refusing_port():
    """One at which nobody listens, nor will."""
    refusing_port.kept = kept = socket.socket()
    kept.bind(('127.0.0.1', 0))
    return kept.getsockname()[1]


def mute_port():
    """One at which connections are taken, and then nothing is said."""
    mute_port.kept = kept = socket.create_server(('127.0.0.1', 0), backlog=128)
    return kept.getsockname()[1]


def kernel_threads():
    """The names of this process's, but for the first and for the library's; and how many waits were handed off."""
    names, away, hosts = [], 0, 0
    for tid in os.listdir('/proc/self/task'):
        with contextlib.suppress(OSError):  # it has just ended
            with open(f'/proc/self/task/{tid}/comm') as file:
                name = file.read().strip()
            if name == 'syncless-host':
                hosts += 1
                away += is_away(tid)
            elif int(tid) != os.getpid() and not OURS.match(name):
                names.append(name)
    return names, hosts if hosts >= COUNT else away


def is_away(tid):
    """Does this host wait in the kernel for something else than work, or what drives the loop?"""
    try:
        with open(f'/proc/self/task/{tid}/syscall') as file:
            call = file.read().strip()
            ours = hex(file.fileno())
    except OSError:
        return False  # this kernel does not tell
    number, *arguments = call.split()
    if number in ('running', *IDLE) or arguments[:1] == [ours]:  # it may be the one that reads here
        return False
    print(f'kernel thread {tid} waits in the system call {call}', file=sys.stderr)
    return True


def summary(client, error):
    """Type and text of an exception, without what differs from run to run."""
    kind = type(error)
    text = re.sub(r'\d{5,}|0x[0-9a-f]+|(?<![\d.])\d+\.\d+(?![\d.])', 'N', client.describe(error))
    return [f'{kind.__module__}.{kind.__qualname__}', ' '.join(text.split())]


def in_thread(body):
    """What body() returns in a thread, which is green under the preload."""
    found = []
    thread = threading.Thread(target=lambda: found.append(body()))
    thread.start()
    thread.join()
    return found[0]


def check_waits(client):
    answers, errors = {}, []

    def body(number):
        try:
            answers[number] = client.wait(number)
        except BaseException as error:
            traceback.print_exc()
            errors.append(summary(client, error))
    threads = [threading.Thread(target=body, args=(number,), daemon=True) for number in range(COUNT)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + ENOUGH
    while not errors and (count := client.in_flight()) != COUNT:
        if time.monotonic() > end:
            return f'no: {count} at once'
        time.sleep(0.01)
    verdict = verdict_on_threads(client)
    client.release()
    for thread in threads:
        thread.join()
    if errors:
        return f'no: {errors[0][0]}: {errors[0][1]}'
    if answers != {number: f'answer-{number}' for number in range(COUNT)}:
        return 'no: wrong answers'
    return verdict


def verdict_on_threads(client):
    """told_of_threads(), when who was handed off on its way has got there, and new threads have their names."""
    end = time.monotonic() + REST
    while (cell := told_of_threads(client, *kernel_threads())).startswith('no') and time.monotonic() < end:
        time.sleep(0.01)
    return cell


def told_of_threads(client, names, away):
    """A cell about the kernel threads that were there while all waited."""
    strange = [name for name in names if client.threads is None or not re.match(client.threads, name)]
    if strange:
        return f'no: {len(strange)} kernel threads more: {", ".join(sorted(set(strange)))}'
    if away:
        return f'no: {away} had to be handed off'
    kinds = sorted({re.sub(r'[-/]?\d+$', '', name) for name in names})
    return f'yes; {len(names)} native threads of its own: {", ".join(kinds)}' if names else 'yes'


def outcome(client, deed):
    """[is it as the library says it, what]."""
    try:
        found = deed()
    except BaseException as error:
        traceback.print_exc()
        return [isinstance(error, client.own), summary(client, error)]
    return [True, ['returned', repr(found)]]


def check_errors(client):
    return [[name, *in_thread(lambda: outcome(client, deed))] for name, deed in client.failures().items()]


def check_timeouts(client):
    found = []
    for name, deed in client.timeouts().items():
        began = time.monotonic()
        found.append([name, *in_thread(lambda: outcome(client, deed))])
        if time.monotonic() - began > LATE:
            found[-1][-1].append('late')
    return found


def check_interrupt(client):
    sys.path.insert(0, os.path.join(ROOT, 'pyglue'))
    from syncless import coio

    def body():
        call = client.hanging()
        began = time.monotonic()
        try:
            with coio.Timeout(SOON) as timeout:
                call()
        except coio.Timeout as error:
            if error is not timeout:
                return 'no: another Timeout'
        except BaseException as error:
            traceback.print_exc()
            return f'no: {summary(client, error)[0]} instead'
        else:
            return 'no: it returned'
        if time.monotonic() - began > LATE:
            return f'no: only after {time.monotonic() - began:.0f} s'
        client.ping()
        return 'yes'
    return in_thread(body)


CHECKS = {'version': None, 'waits': check_waits, 'errors': check_errors, 'timeouts': check_timeouts,
          'interrupt': check_interrupt}


def main(*classes):
    """Runs the check that the command names; ends the process, whatever is left waiting in it."""
    name, check = sys.argv[1:]
    client = {kind.__name__: kind for kind in classes}[name]()
    try:
        if check == 'version':
            found = client.version()
        else:
            client.open()
            found = CHECKS[check](client)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    print('result:', json.dumps(found), flush=True)
    os._exit(0)
