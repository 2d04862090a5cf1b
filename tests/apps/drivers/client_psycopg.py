# SPDX-License-Identifier: Apache-2.0
"""psycopg 3, with its part in C: libpq, which it has told not to block."""
import case
import dbapi

try:
    import psycopg
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Psycopg(dbapi.PostgreSQL):
    packages = ('psycopg',)
    own = (psycopg.Error,)

    def open(self):
        if psycopg.pq.__impl__ == 'python':
            case.not_here('psycopg without its part in C')
        super().open()

    def connect(self, port=None, password=None, **more):
        return psycopg.connect(host=self.at['host'], port=port or self.at['port'], user=self.at['user'],
                               password=password or self.at['password'], dbname=self.at['db'], autocommit=True, **more)

    def timeouts(self):
        return {'connect': lambda: self.connect(port=self.mute, connect_timeout=2),
                'statement': lambda: self.ask_once(self.HUNG, options='-c statement_timeout=200')}


if __name__ == '__main__':
    case.main(Psycopg)
