# SPDX-License-Identifier: Apache-2.0
"""In 2010 the way to a MySQL client in C that did not block the others.  Now every client is one."""

__all__ = []


def __getattr__(name):
    if name == 'geventmysql':
        raise ImportError('syncless.fast_mysql.geventmysql is gone, an extension for Python 2.  Any MySQL client takes its '
                          'place, in C or in Python: import MySQLdb, or pymysql, and start the program by '
                          '`syncless run PROGRAM`')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
