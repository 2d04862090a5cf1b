#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""scripts/services: the servers answer, and nothing of them is left behind.

A server is recognised by its working folder, which lies in the temporary
folder of its set: titles change, and pids are only known to the keeper.  That
processes are gone is awaited through pidfds; limits only end a hang.
"""
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVICES = os.path.join(ROOT, 'scripts', 'services')
HANG = 120
CONNECTIONS = 500

# What a command under `run` is made to do: tell what it sees, then wait.
TELL = ('import os, sys\n'
        'print(*(f"{k}={v}" for k, v in os.environ.items() if k.startswith("SYNCLESS_")),\n'
        '      "", sep="\\n", flush=True)\n'
        'sys.stdin.read()\n')


def members(folder):
    """The processes that work in a folder, and their parents' pids."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            if os.readlink(f'/proc/{pid}/cwd').startswith(folder):
                with open(f'/proc/{pid}/stat') as stat:
                    found[int(pid)] = int(stat.read().rpartition(')')[2].split()[1])
    return found


# Of those that are not databases, what to say, and how the answer begins.
GREETINGS = {
    'MEMCACHED': (b'version\r\n', b'VERSION '),
    'LDAP': (bytes.fromhex('300c020101600702010304008000'), b'0'),  # an anonymous bind
    'AMQP': (b'AMQP\0\0\x09\x01', b'\x01\0\0'),  # of version 0.9.1; a method on channel 0
    'SSH': (b'', b'SSH-2.0-'),
}


class Watch:
    """Pidfds of a set's servers and their keeper, to await their end."""

    def __init__(self, variables):
        self.folder = os.path.dirname(os.path.dirname(variables['SYNCLESS_REDIS_SOCKET']))
        self.members = members(self.folder)
        (keeper,) = set(self.members.values()) - set(self.members)
        self.pidfds = [os.pidfd_open(pid) for pid in (keeper, *self.members)]

    def assert_gone(self, test):
        for pidfd in self.pidfds:
            test.assertTrue(select.select([pidfd], [], [], HANG)[0], 'a process is left')
            os.close(pidfd)
        test.assertFalse(os.path.exists(self.folder))
        test.assertEqual(members(self.folder), {})


def parse(lines):
    return dict(line.split('=', 1) for line in lines if line.startswith('SYNCLESS_'))


def say_to(port, words, count):
    with socket.create_connection(('127.0.0.1', int(port)), timeout=HANG) as peer:
        peer.sendall(words)
        return peer.recv(count, socket.MSG_WAITALL)


class Run(unittest.TestCase):
    @contextlib.contextmanager
    def running(self, *names):
        """A `run` whose command waits for its stdin to end; and what it saw."""
        with subprocess.Popen([SERVICES, 'run', *names, '--', sys.executable, '-c', TELL],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            try:
                variables = parse(line.rstrip('\n') for line in iter(process.stdout.readline, '\n'))
                if 'SYNCLESS_REDIS_PORT' not in variables:
                    process.stdin.close()
                    self.skipTest(process.stderr.read().strip())
                yield process, variables
            except BaseException:
                process.terminate()
                raise

    def test_servers_answer_and_go(self):
        with self.running('mariadb', 'postgres', 'redis') as (process, variables):
            watch = Watch(variables)
            self.assertEqual(say_to(variables['SYNCLESS_REDIS_PORT'], b'PING\r\n', 7), b'+PONG\r\n')
            if 'SYNCLESS_MYSQL_PORT' in variables:
                self.check_mariadb(variables)
            if 'SYNCLESS_PG_PORT' in variables:
                self.check_postgres(variables)
            if os.geteuid() == 0:
                for pid in watch.members:
                    self.assertNotEqual(os.stat(f'/proc/{pid}').st_uid, 0)
            process.stdin.close()
            self.assertEqual(process.wait(HANG), 0)
            watch.assert_gone(self)

    def check_mariadb(self, variables):
        """All its connections at once get its greeting, not "too many"."""
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(socket.create_connection(
                ('127.0.0.1', int(variables['SYNCLESS_MYSQL_PORT'])), timeout=HANG))
                for _ in range(CONNECTIONS)]
            greetings = {peer.recv(5, socket.MSG_WAITALL)[4:] for peer in peers}
        self.assertEqual(greetings, {b'\n'})

    def check_postgres(self, variables):
        # SSLRequest; "N": it has no TLS, but it talks.
        self.assertEqual(say_to(variables['SYNCLESS_PG_PORT'],
                                bytes.fromhex('0000000804d2162f'), 1), b'N')
        done = subprocess.run(
            ['psql', '-h', variables['SYNCLESS_PG_HOST'], '-p', variables['SYNCLESS_PG_PORT'],
             '-U', variables['SYNCLESS_PG_USER'], '-Atc', 'SHOW max_connections',
             variables['SYNCLESS_PG_DB']],
            env={**os.environ, 'PGPASSWORD': variables['SYNCLESS_PG_PASSWORD']},
            stdout=subprocess.PIPE, text=True, timeout=HANG)
        self.assertEqual(done.stdout, f'{CONNECTIONS}\n')

    def test_signals_reach_the_command_and_end_all(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number), self.running('redis') as (process, variables):
                watch = Watch(variables)
                process.send_signal(number)
                self.assertEqual(process.wait(HANG), 128 + number)
                watch.assert_gone(self)

    def test_even_a_killed_run_leaves_nothing(self):
        with self.running('redis', 'rabbitmq') as (process, variables):
            watch = Watch(variables)
            process.kill()
            watch.assert_gone(self)

    def test_others_answer_and_go(self):
        with self.running('redis', 'memcached', 'slapd', 'rabbitmq', 'sshd') as (process, variables):
            watch = Watch(variables)
            for name, (words, answer) in GREETINGS.items():
                if f'SYNCLESS_{name}_PORT' in variables:
                    self.assertEqual(say_to(variables[f'SYNCLESS_{name}_PORT'], words, len(answer)), answer)
            process.stdin.close()
            self.assertEqual(process.wait(HANG), 0)
            watch.assert_gone(self)

    def status_of(self, *command):
        return subprocess.run([SERVICES, 'run', 'redis', '--', *command], timeout=HANG,
                              stderr=subprocess.DEVNULL).returncode

    def test_status_is_the_commands(self):
        self.assertEqual(self.status_of('true'), 0)
        self.assertEqual(self.status_of('sh', '-c', 'exit 7'), 7)
        self.assertEqual(self.status_of('sh', '-c', 'kill -KILL $$'), 128 + signal.SIGKILL)
        self.assertEqual(self.status_of('/nonexistent'), 127)
        self.assertEqual(self.status_of('/'), 126)

    def test_what_is_not_installed_is_a_visible_skip(self):
        with tempfile.TemporaryDirectory() as programs:
            os.symlink(sys.executable, os.path.join(programs, 'python3'))
            done = subprocess.run(
                [SERVICES, 'run', 'redis', '--', sys.executable, '-c', TELL],
                env={**os.environ, 'PATH': programs}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=HANG)
        self.assertEqual(done.stderr, 'SKIP redis: redis-server is not installed\n')
        self.assertEqual(parse(done.stdout.splitlines()).keys() & {'SYNCLESS_REDIS_PORT'}, set())
        self.assertEqual(done.returncode, 0)


class Start(unittest.TestCase):
    def setUp(self):
        build = tempfile.TemporaryDirectory()
        self.addCleanup(build.cleanup)
        self.env = {**os.environ, 'BUILD': build.name}

    def services(self, *words):
        return subprocess.run([SERVICES, *words], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=HANG)

    def test_start_env_status_stop(self):
        self.assertEqual(self.services('status').returncode, 1)
        started = self.services('start', 'redis')
        self.addCleanup(self.services, 'stop')
        self.assertEqual(started.returncode, 0, started.stderr)
        if not started.stdout:
            self.skipTest(started.stderr.strip())
        told = subprocess.run(['sh', '-c', 'eval "$1"; env', 'sh', started.stdout], timeout=HANG,
                              stdout=subprocess.PIPE, text=True).stdout
        variables = parse(told.splitlines())
        watch = Watch(variables)
        self.assertEqual(say_to(variables['SYNCLESS_REDIS_PORT'], b'PING\r\n', 7), b'+PONG\r\n')
        self.assertEqual(self.services('env').stdout, started.stdout)
        self.assertEqual(self.services('status').returncode, 0)
        self.assertEqual(self.services('start', 'redis').returncode, 1)
        stopped = self.services('stop')
        self.assertEqual((stopped.returncode, stopped.stdout, stopped.stderr), (0, '', ''))
        watch.assert_gone(self)
        self.assertEqual(self.services('env').stdout, '')
        self.assertEqual(self.services('stop').returncode, 0)

    def test_misuse(self):
        for words in ((), ('start',), ('start', 'oracle'), ('run', 'redis'), ('run', '--', 'true')):
            done = self.services(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn('scripts/services start NAME', done.stderr)


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    if result.wasSuccessful() and len(result.skipped) == result.testsRun:
        sys.exit(77)
    sys.exit(not result.wasSuccessful())
