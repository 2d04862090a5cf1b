# SPDX-License-Identifier: Apache-2.0
"""mysqlclient: MariaDB's client library in C."""
import case
import dbapi

try:
    import MySQLdb
except ImportError as error:
    case.not_here(f'no module {error.name}')


class MySQLClient(dbapi.MariaDB):
    packages = ('mysqlclient',)
    own = (MySQLdb.Error,)

    def connect(self, port=None, password=None, **more):
        return MySQLdb.connect(host=self.at['host'], port=port or self.at['port'], user=self.at['user'],
                               passwd=password or self.at['password'], db=self.at['db'], autocommit=True, **more)

    def timeouts(self):
        return {'connect': lambda: self.connect(port=self.mute, connect_timeout=1),
                'read': lambda: self.ask_once(self.HUNG, read_timeout=1)}


if __name__ == '__main__':
    case.main(MySQLClient)
