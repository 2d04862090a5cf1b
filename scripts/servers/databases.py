# SPDX-License-Identifier: Apache-2.0
"""MariaDB, PostgreSQL and Redis."""
import contextlib
import os
import signal

from .base import CONNECTIONS, OPEN_FILES, PASSWORD, USER, Service, find_program


class MariaDB(Service):
    name = 'mariadb'
    prefix = 'SYNCLESS_MYSQL_'

    def begin(self):
        self.server = find_program('mariadbd', 'mysqld')
        install = find_program('mariadb-install-db', 'mysql_install_db')
        find_program('my_print_defaults')
        self.make_folders('mysql')
        self.init = self.write('init.sql', (
            f'CREATE DATABASE {USER};\n'
            f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%';\n"))
        return self.popen([install, '--no-defaults', f'--datadir={self.data}', '--skip-test-db',
                           '--skip-name-resolve', '--auth-root-authentication-method=socket',
                           *self.small()])

    @staticmethod
    def small():
        return ['--innodb-buffer-pool-size=16M', '--innodb-log-file-size=8M',
                '--innodb-flush-method=nosync', '--innodb-flush-log-at-trx-commit=0',
                '--innodb-doublewrite=0', '--innodb-use-native-aio=0']

    def command(self):
        return [self.server, '--no-defaults', f'--datadir={self.data}', f'--tmpdir={self.folder}',
                f'--socket={self.folder}/socket', f'--pid-file={self.folder}/pid',
                '--bind-address=127.0.0.1', f'--port={self.port}', f'--init-file={self.init}',
                f'--max-connections={CONNECTIONS}', f'--back-log={CONNECTIONS}',
                f'--thread-cache-size={CONNECTIONS}', '--thread-handling=one-thread-per-connection',
                '--connect-timeout=60', '--max-connect-errors=1000000',
                f'--open-files-limit={OPEN_FILES}', '--table-open-cache=64',
                '--performance-schema=0', '--skip-name-resolve', '--skip-log-bin',
                '--key-buffer-size=1M', '--aria-pagecache-buffer-size=1M', *self.small()]

    def is_ready(self):
        # A server speaks first: length, sequence number, then protocol 10.
        return self.ask(b'', 5)[4:] == b'\n'

    def variables(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port), 'SOCKET': f'{self.folder}/socket',
                'USER': USER, 'PASSWORD': PASSWORD, 'DB': USER}


class PostgreSQL(Service):
    name = 'postgres'
    prefix = 'SYNCLESS_PG_'
    end_signal = signal.SIGQUIT  # its "immediate shutdown"; SIGKILL would leave its children

    def begin(self):
        initdb = find_program('initdb')
        self.server = os.path.join(os.path.dirname(os.path.realpath(initdb)), 'postgres')
        if not os.access(self.server, os.X_OK):
            self.server = find_program('postgres')
        self.make_folders('postgres')
        return self.popen([initdb, '-D', self.data, '--no-sync', '--no-locale', '-E', 'UTF8',
                           '-U', USER, '--auth=md5',
                           '--pwfile=' + self.write('password', PASSWORD + '\n')])

    def command(self):
        settings = {
            'listen_addresses': '127.0.0.1', 'unix_socket_directories': self.folder,
            'max_connections': CONNECTIONS, 'shared_buffers': '16MB', 'fsync': 'off',
            'synchronous_commit': 'off', 'full_page_writes': 'off', 'wal_level': 'minimal',
            'max_wal_senders': 0, 'autovacuum': 'off', 'jit': 'off',
            'authentication_timeout': '60s'}
        return [self.server, '-D', self.data, '-p', str(self.port),
                *(word for name, value in settings.items() for word in ('-c', f'{name}={value}'))]

    def is_ready(self):
        # It listens before it can serve; its pid file tells (that is how pg_ctl knows, too).
        with contextlib.suppress(OSError), open(f'{self.data}/postmaster.pid') as file:
            return file.read().splitlines()[7:8] == ['ready   ']
        return False

    def variables(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port), 'SOCKET': self.folder,
                'USER': USER, 'PASSWORD': PASSWORD, 'DB': 'postgres'}


class Redis(Service):
    name = 'redis'
    prefix = 'SYNCLESS_REDIS_'

    def begin(self):
        self.server = find_program('redis-server')
        self.make_folders('redis')

    def command(self):
        return [self.server, '--bind', '127.0.0.1', '--port', str(self.port), '--dir', self.data,
                '--unixsocket', f'{self.folder}/socket', '--maxclients', str(CONNECTIONS),
                '--tcp-backlog', str(CONNECTIONS), '--save', '', '--appendonly', 'no']

    def is_ready(self):
        return self.ask(b'PING\r\n', 7) == b'+PONG\r\n'

    def variables(self):
        return {'HOST': '127.0.0.1', 'PORT': str(self.port), 'SOCKET': f'{self.folder}/socket'}
