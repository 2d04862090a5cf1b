# SPDX-License-Identifier: Apache-2.0
"""The patches of 2010, for programs that call them: there is nothing left to patch.

    from syncless import patch

    patch.patch_all_std()       # a no-op under `syncless run PROGRAM`; an error that says so elsewhere

In 2010 the standard library was replaced name by name.  Now libc's blocking
calls cooperate, so sockets, files, subprocesses, SSL, DNS and every driver do,
in Python or in C.  With the preload each function here returns None and changes
nothing.  Without it each raises RuntimeError, because the program would block
where it expects not to.
"""
import select
import socket

from . import _glue
from ._gone import gone

__all__ = [
    'fix_all_std', 'fix_popen2_close', 'fix_ssl_init_memory_leak', 'fix_ssl_makefile', 'fix_subprocess_close',
    'get_close_fds', 'get_closerange', 'get_fake_coio_select_module', 'get_fake_coio_socket_module',
    'get_fake_create_connection', 'gevent_hub_main', 'patch_all_std', 'patch_asyncore', 'patch_circuits',
    'patch_concurrence', 'patch_eventlet', 'patch_gevent', 'patch_geventmysql', 'patch_mysql_connector', 'patch_os',
    'patch_popen2', 'patch_pymysql', 'patch_select', 'patch_socket', 'patch_ssl', 'patch_stderr',
    'patch_stdin_and_stdout', 'patch_subprocess', 'patch_time', 'patch_tornado',
]


def _require_preload(name):
    if not _glue.is_preloaded():
        raise RuntimeError(f'syncless.patch.{name}() patches nothing: libsyncless.so makes the calls cooperate, and '
                           'it is not preloaded: start the program by `syncless run PROGRAM`')


# --- The standard library.

def patch_socket():
    """Nothing to do: socket.* waits cooperatively.  RuntimeError without the preload."""
    _require_preload('patch_socket')


def patch_ssl():
    """Nothing to do: ssl.* waits cooperatively.  RuntimeError without the preload."""
    _require_preload('patch_ssl')


def patch_time():
    """Nothing to do: time.sleep() lets the others run.  RuntimeError without the preload."""
    _require_preload('patch_time')


def patch_select():
    """Nothing to do: select, poll and epoll wait cooperatively; none is removed.

    RuntimeError without the preload.
    """
    _require_preload('patch_select')


def patch_os():
    """Nothing to do: os.read() and its kin wait cooperatively, and os.fork() sets the child's scheduler right.

    RuntimeError without the preload.
    """
    _require_preload('patch_os')


def patch_subprocess():
    """Nothing to do: pipes of children and the wait for their end are cooperative.

    RuntimeError without the preload.
    """
    _require_preload('patch_subprocess')


def patch_asyncore():
    """Nothing to do: asyncore's select and poll wait cooperatively.  RuntimeError without the preload."""
    _require_preload('patch_asyncore')


def patch_stdin_and_stdout():
    """Nothing to do: sys.stdin and sys.stdout stay text streams, and wait cooperatively.

    RuntimeError without the preload.
    """
    _require_preload('patch_stdin_and_stdout')


def patch_stderr():
    """Nothing to do: sys.stderr stays as it is.  RuntimeError without the preload."""
    _require_preload('patch_stderr')


def patch_all_std():
    """Nothing to do: see the functions above.  RuntimeError without the preload."""
    _require_preload('patch_all_std')


# --- Repairs of Python 2.6.

def fix_ssl_makefile():
    """A no-op, with or without the preload: the bug of Python 2.6 is gone."""


def fix_ssl_init_memory_leak():
    """A no-op, with or without the preload: the bug of Python 2.6 is gone."""


def fix_subprocess_close():
    """A no-op, with or without the preload: subprocess closes descriptors in C."""


def get_close_fds():
    """A no-op, with or without the preload: subprocess closes descriptors in C."""


def get_closerange():
    """A no-op, with or without the preload: os.closerange() is fast."""


def fix_all_std():
    """A no-op, with or without the preload: there is nothing to repair."""


def fix_popen2_close():
    """Raises Gone, an ImportError: popen2 is not in Python 3; use subprocess."""
    raise gone(__name__, 'fix_popen2_close', 'popen2 is not in Python 3; use subprocess')


def patch_popen2():
    """Raises Gone, an ImportError: popen2 is not in Python 3; use subprocess."""
    raise gone(__name__, 'patch_popen2', 'popen2 is not in Python 3; use subprocess')


# --- Modules to give to one library alone.

def get_fake_create_connection():
    """socket.create_connection itself.  RuntimeError without the preload."""
    _require_preload('get_fake_create_connection')
    return socket.create_connection


def get_fake_coio_socket_module():
    """The module socket itself.  RuntimeError without the preload."""
    _require_preload('get_fake_coio_socket_module')
    return socket


def get_fake_coio_select_module():
    """The module select itself.  RuntimeError without the preload."""
    _require_preload('get_fake_coio_select_module')
    return select


# --- Other libraries.

def patch_mysql_connector():
    """Nothing to do: mysql.connector waits cooperatively.  RuntimeError without the preload."""
    _require_preload('patch_mysql_connector')


def patch_pymysql():
    """Nothing to do: pymysql waits cooperatively.  RuntimeError without the preload."""
    _require_preload('patch_pymysql')


def patch_tornado():
    """Nothing to do: Tornado's loop, which is asyncio's, waits cooperatively.

    RuntimeError without the preload.
    """
    _require_preload('patch_tornado')


def patch_circuits():
    """Nothing to do: the poller of circuits waits cooperatively.  RuntimeError without the preload."""
    _require_preload('patch_circuits')


def patch_eventlet():
    """Nothing to do: eventlet's hub waits cooperatively.  RuntimeError without the preload."""
    _require_preload('patch_eventlet')


def patch_gevent(do_emulate_greenlet=None):
    """Nothing to do: gevent's loop waits cooperatively.  RuntimeError without the preload.

    do_emulate_greenlet     means nothing: greenlets are the greenlet package's
    """
    _require_preload('patch_gevent')


def gevent_hub_main():
    """Runs what gevent has to do until nothing of it is left; what gevent.wait() does.

    RuntimeError without the preload.
    """
    _require_preload('gevent_hub_main')
    import gevent
    gevent.wait()


def patch_geventmysql():
    """Raises Gone, an ImportError: use MySQLdb, whose waits in C are cooperative."""
    raise gone(__name__, 'patch_geventmysql', 'it was an extension of Python 2; use MySQLdb, which needs no patch')


def patch_concurrence():
    """Raises Gone, an ImportError: use coio.spawn() and the standard library's sockets."""
    raise gone(__name__, 'patch_concurrence',
               "Concurrence was given up in 2009; use syncless.coio.spawn() and the standard library's sockets")
