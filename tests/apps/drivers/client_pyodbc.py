# SPDX-License-Identifier: Apache-2.0
"""pyodbc: unixODBC, with PostgreSQL's and MariaDB's drivers."""
import glob

import case
import dbapi

try:
    import pyodbc
except ImportError as error:
    case.not_here(f'no module {error.name}')

pyodbc.pooling = False


class Odbc:
    """connect() and timeouts() of either."""
    packages = ('pyodbc',)
    own = (pyodbc.Error,)
    DRIVER = ''  # of /usr/lib/*/odbc

    def connect(self, port=None, password=None, **more):
        found = glob.glob(f'/usr/lib/*/odbc/{self.DRIVER}')
        if not found:
            case.not_here(f'no {self.DRIVER}')
        return pyodbc.connect(
            f'DRIVER={found[0]};SERVER={self.at["host"]};PORT={port or self.at["port"]};UID={self.at["user"]};'
            f'PWD={password or self.at["password"]};DATABASE={self.at["db"]}', autocommit=True, **more)

    def timeouts(self):
        return {'connect': lambda: self.connect(port=self.mute, **self.LIMIT)}


class PostgreSQL(Odbc, dbapi.PostgreSQL):
    DRIVER = 'psqlodbcw.so'
    LIMIT = {'timeout': 2}


class MariaDB(Odbc, dbapi.MariaDB):
    DRIVER = 'libmaodbc.so'
    LIMIT = {'CONN_TIMEOUT': '1'}  # it does not heed ODBC's own attribute


if __name__ == '__main__':
    case.main(PostgreSQL, MariaDB)
