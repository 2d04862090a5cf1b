# SPDX-License-Identifier: Apache-2.0
"""psycopg2: libpq."""
import case
import dbapi

try:
    import psycopg2
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Psycopg2(dbapi.PostgreSQL):
    packages = ('psycopg2',)
    own = (psycopg2.Error,)

    def connect(self, port=None, password=None, **more):
        connection = psycopg2.connect(host=self.at['host'], port=port or self.at['port'], user=self.at['user'],
                                      password=password or self.at['password'], dbname=self.at['db'], **more)
        connection.autocommit = True
        return connection

    def timeouts(self):
        return {'connect': lambda: self.connect(port=self.mute, connect_timeout=2),
                'statement': lambda: self.ask_once(self.HUNG, options='-c statement_timeout=200')}


if __name__ == '__main__':
    case.main(Psycopg2)
