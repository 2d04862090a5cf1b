# SPDX-License-Identifier: Apache-2.0
"""Coroutines for programs that make them themselves.

    from syncless import coio

    pages = [coio.spawn(urllib.request.urlopen, url) for url in urls]
    with coio.Timeout(5):
        coio.joinall(pages)

A coroutine is a greenlet, on the thread that has started it.  Calls that block
park it and let others run: those of the standard library and of drivers in C,
unmodified, as in green threads.  So there is nothing to patch and nothing to
replace.

The module also has the names of the coio of 2010: nbfile and nbsocket,
thread_pool, signal, select, wakeup_info, dns_resolve_ipv4 and others.  They are
made of the standard library's calls.  Importing it makes the module
syncless.stackless known as `stackless`.

Needs the preload (`syncless run PROGRAM`) and the package greenlet; without the
preload it can be imported, and what would make a coroutine or wait for one
raises RuntimeError.  All times are in seconds.
"""
from queue import Empty, Full

from greenlet import GreenletExit

from .. import stackless
from .._gone import Gone, look_up
from ._coroutine import Coroutine, current, iwait, join, joinall, kill, killall, spawn, spawn_later, wait
from ._dns import (DNS_QUERY_NO_SEARCH, HERROR_HOST_NOT_FOUND, HERROR_NO_ADDRESS, HERROR_NO_DATA, HERROR_NO_RECOVERY,
                   HERROR_TRY_AGAIN, DnsLookupError, DnsResultParseError, dns_init, dns_init_force,
                   dns_resolve_ipv4, dns_resolve_ipv6, dns_resolve_reverse, dns_shutdown, dnsresult, getfqdn,
                   gethostbyaddr, gethostbyname, gethostbyname_ex, names_by_ip, names_by_nameip,
                   partial_getaddrinfo, read_etc_hosts)
from ._local import local
from ._locks import (Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, LifoQueue, Lock,
                     PriorityQueue, Queue, RLock, Semaphore)
from ._mainloop import (SendExceptionAndScheduleNext, SigIntHandler, cancel_main_loop_wait, get_main_loop_tasklet,
                        has_feature_may_loop_return_1, has_feature_multiple_events_on_same_fd,
                        insert_after_current, max_nonblocking_pipe_write_size, method, nonblocking_loop_for_tests,
                        reinit, set_fd_blocking, version)
from ._nbfile import nbfile
from ._nbopen import fdopen, nblimitreader, popen
from ._pool import Pool
from ._select import select, select_ignorexlist, wakeup_info, wakeup_info_event
from ._server import Server, serve
from ._signal import signal, signal_handler_event
from ._sleep import event_happened_token, sleep
from ._sockets import nbsocket, nbsslsocket, new_realsocket, new_realsocket_fromfd, socketpair, ssl_wrap_socket
from ._threads import thread_pool
from ._timeout import Timeout, receive_with_timeout

__all__ = [
    'Barrier', 'BoundedSemaphore', 'BrokenBarrierError', 'Condition', 'Coroutine', 'DNS_QUERY_NO_SEARCH',
    'DnsLookupError', 'DnsResultParseError', 'Empty', 'Event', 'Full', 'Gone', 'GreenletExit',
    'HERROR_HOST_NOT_FOUND', 'HERROR_NO_ADDRESS', 'HERROR_NO_DATA', 'HERROR_NO_RECOVERY', 'HERROR_TRY_AGAIN',
    'LifoQueue', 'Lock', 'Pool', 'PriorityQueue', 'Queue', 'RLock', 'Semaphore',
    'SendExceptionAndScheduleNext', 'Server', 'SigIntHandler', 'Timeout', 'cancel_main_loop_wait', 'current',
    'dns_init', 'dns_init_force', 'dns_resolve_ipv4', 'dns_resolve_ipv6', 'dns_resolve_reverse',
    'dns_shutdown', 'dnsresult', 'event_happened_token', 'fdopen', 'get_main_loop_tasklet', 'getfqdn',
    'gethostbyaddr', 'gethostbyname', 'gethostbyname_ex', 'has_feature_may_loop_return_1',
    'has_feature_multiple_events_on_same_fd', 'insert_after_current', 'iwait', 'join', 'joinall', 'kill',
    'killall', 'local', 'max_nonblocking_pipe_write_size', 'method', 'names_by_ip', 'names_by_nameip',
    'nbfile', 'nblimitreader', 'nbsocket', 'nbsslsocket', 'new_realsocket', 'new_realsocket_fromfd',
    'nonblocking_loop_for_tests', 'partial_getaddrinfo', 'popen', 'read_etc_hosts', 'receive_with_timeout',
    'reinit', 'select', 'select_ignorexlist', 'serve', 'set_fd_blocking', 'signal', 'signal_handler_event',
    'sleep', 'socketpair', 'spawn', 'spawn_later', 'ssl_wrap_socket', 'stackless', 'thread_pool', 'version',
    'wait', 'wakeup_info', 'wakeup_info_event',
]

_LIBEVENT = 'it belonged to libevent, which is not used any more; wakeup_info() tells which descriptors are ready'
_INNER = 'it was an inner part; use the standard library\'s own, which is cooperative'
_CONCURRENCE = 'Concurrence was given up in 2009; use coio.spawn() and the standard library\'s sockets'
_OLD_SSL = 'Python 3 has nothing of the kind; use ssl.SSLContext.wrap_socket(), or nbsslsocket()'
_GONE = {
    **dict.fromkeys(('EV_TIMEOUT', 'EV_READ', 'EV_WRITE', 'EV_SIGNAL', 'EV_PERSIST', 'EventError'), _LIBEVENT),
    **dict.fromkeys(('selecter', 'socket_impl', 'sslsocket_impl', 'socket_realsocket', 'socket_realsocket_fromfd',
                     'socket_fromfd', 'connect_magic_usec'), _INNER),
    'os_popen': 'use os.popen(), which is cooperative, or popen(), which gives an nbfile',
    **dict.fromkeys(('concurrence_event', 'get_concurrence_triggered', 'get_swap_concurrence_triggered',
                     'get_concurrence_main_tasklets'), _CONCURRENCE),
    **dict.fromkeys(('nbsslobj', 'sslwrap_simple', 'sockwrapper'), _OLD_SSL),
}


def __getattr__(name: str) -> object:
    """Names of 2010 that have gone: Gone, an ImportError that says what to use."""
    return look_up(__name__, _GONE, name)
