# SPDX-License-Identifier: Apache-2.0
"""pymssql: FreeTDS.  The server is one that SYNCLESS_MSSQL_HOST, _PORT, _USER, _PASSWORD and _DB tell of."""
import case
import dbapi

try:
    import pymssql
except ImportError as error:
    case.not_here(f'no module {error.name}')


class PyMSSQL(dbapi.Database):
    packages = ('pymssql',)
    own = (pymssql.Error,)
    server = 'MSSQL'
    SHUT = "EXEC sp_getapplock 'gate', 'Exclusive', 'Session'; SELECT 1"
    OPEN = "EXEC sp_releaseapplock 'gate', 'Session'; SELECT 1"
    COUNTED = ("SELECT COUNT(*) FROM sys.dm_tran_locks"
               " WHERE resource_type = 'APPLICATION' AND request_status = 'WAIT'")
    HELD = "EXEC sp_getapplock 'gate', 'Shared', 'Session'; SELECT 'answer-%d'"
    HUNG = "WAITFOR DELAY '00:16:40'; SELECT 1"

    def connect(self, port=None, password=None, **more):
        return pymssql.connect(server=self.at['host'], port=str(port or self.at['port']), user=self.at['user'],
                               password=password or self.at['password'], database=self.at['db'], autocommit=True,
                               **more)

    def timeouts(self):
        return {'connect': lambda: self.connect(port=self.mute, login_timeout=1),
                'query': lambda: self.ask_once(self.HUNG, timeout=1)}


if __name__ == '__main__':
    case.main(PyMSSQL)
