# SPDX-License-Identifier: Apache-2.0
"""PyMySQL: sockets of Python's."""
import case
import dbapi

try:
    import pymysql
except ImportError as error:
    case.not_here(f'no module {error.name}')


class PyMySQL(dbapi.MariaDB):
    packages = ('PyMySQL',)
    own = (pymysql.Error,)

    def connect(self, port=None, password=None, **more):
        return pymysql.connect(host=self.at['host'], port=port or self.at['port'], user=self.at['user'],
                               password=password or self.at['password'], database=self.at['db'], autocommit=True,
                               **more)

    def end(self, connection):
        if connection.open:  # it closes what has failed, and minds a second time
            connection.close()

    def timeouts(self):
        return {'connect': lambda: self.connect(port=self.mute, read_timeout=case.SOON),
                'read': lambda: self.ask_once(self.HUNG, read_timeout=case.SOON)}


if __name__ == '__main__':
    case.main(PyMySQL)
