# SPDX-License-Identifier: Apache-2.0
"""mysql.connector: by MySQL's client library in C, and by sockets of Python's."""
import contextlib

import case
import dbapi

with contextlib.suppress(ImportError):
    import _mysql_connector  # noqa: F401  before ssl, whose older libssl would not do for it
try:
    import mysql.connector
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Pure(dbapi.MariaDB):
    packages = ('mysql-connector-python',)
    own = (mysql.connector.Error,)
    is_pure = True

    def connect(self, port=None, password=None, **more):
        return mysql.connector.connect(
            host=self.at['host'], port=port or self.at['port'], user=self.at['user'],
            password=password or self.at['password'], database=self.at['db'], autocommit=True, use_pure=self.is_pure,
            charset='utf8mb4', collation='utf8mb4_general_ci', ssl_disabled=True, **more)

    def timeouts(self):
        return {'connect': lambda: self.connect(port=self.mute, connection_timeout=1)}


class C(Pure):
    is_pure = False

    def open(self):
        if not mysql.connector.HAVE_CEXT:
            case.not_here('mysql.connector without its part in C')
        super().open()


if __name__ == '__main__':
    case.main(Pure, C)
