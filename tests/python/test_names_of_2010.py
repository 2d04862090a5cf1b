# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
"""The names of 2010: each takes the calls of that time, or says what takes its place.  None needs the preload."""
import importlib
import inspect
import os
import sys
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
import syncless  # noqa: E402
from syncless import coio  # noqa: E402

# Module: calls as they were written then, with the names of their keywords; or names alone.
KEPT = {
    'coio': '''
        sleep(1.5)  event_happened_token  get_main_loop_tasklet()  insert_after_current(0)
        SendExceptionAndScheduleNext(0, ())  SigIntHandler()  cancel_main_loop_wait()
        nonblocking_loop_for_tests()  has_feature_may_loop_return_1()
        has_feature_multiple_events_on_same_fd()  version()  method()  reinit(do_recreate=0)
        set_fd_blocking(0, True)  max_nonblocking_pipe_write_size  stackless
        receive_with_timeout(1, 0, default_value=None)  signal(2, None)  signal_handler_event(2, 0)
        signal_handler_event.delete(0)  select(0, 0, 0, timeout=None)  select_ignorexlist(0, 0, 0, timeout=None)
        thread_pool(4, thread=None)  thread_pool.__call__(0, 0, 1, 2, a=3)
        dns_resolve_ipv4('', flags=0)  dns_resolve_ipv6('', flags=0)  dns_resolve_reverse('', flags=0)
        dnsresult(1, 300, 0)  DNS_QUERY_NO_SEARCH  DnsLookupError  DnsResultParseError  dns_init()
        dns_init_force()  dns_shutdown(fail_requests=1)  read_etc_hosts(filename='', f=None)  names_by_ip
        names_by_nameip  gethostbyname('')  gethostbyname_ex('')  gethostbyaddr('')  getfqdn(name='')
        HERROR_HOST_NOT_FOUND  HERROR_TRY_AGAIN  HERROR_NO_RECOVERY  HERROR_NO_DATA  HERROR_NO_ADDRESS
        nbsocket(2, 1, 0)  nbsocket(0, socket_impl=None)  nbsocket.accept(0)  nbsocket.bind  nbsocket.close(0)
        nbsocket.connect  nbsocket.connect_ex  nbsocket.dup(0)  nbsocket.fileno  nbsocket.getpeername
        nbsocket.getsockname  nbsocket.getsockopt  nbsocket.gettimeout  nbsocket.listen
        nbsocket.makefile(0, 'r')  nbsocket.makefile_samefd(0, mode='r+', bufsize=-1)  nbsocket.recv
        nbsocket.recv_into  nbsocket.recvfrom  nbsocket.recvfrom_into  nbsocket.send  nbsocket.sendall
        nbsocket.sendto  nbsocket.setblocking  nbsocket.setsockopt  nbsocket.settimeout  nbsocket.shutdown
        nbsocket.setdoclose(0, 1)  nbsocket._sock  nbsocket.family  nbsocket.type  nbsocket.proto
        nbsocket.timeout  nbsocket.do_close  new_realsocket(2, 1, 0)  new_realsocket_fromfd(0, 2, 1)
        socketpair(1, 1)
        nbsslsocket(0, keyfile=0, certfile=0, server_side=0, cert_reqs=0, ssl_version=0, ca_certs=0)
        nbsslsocket(0, do_handshake_on_connect=1, suppress_ragged_eofs=1, sslsocket_impl=None)
        ssl_wrap_socket(0, 0, 0, 0, 0, 0, 0, 1, 1)
        nbfile(0, 1, write_buffer_limit=-1, min_read_buffer_size=-1, do_set_fd_nonblocking=1)
        nbfile(0, 1, do_close=0, close_ref=None, mode='r+', name=None, sslobj=None, timeout_double=-1.0)
        nbfile.write_buffer_limit  nbfile.read(0, n=-1)  nbfile.read_at_most(0, 9)
        nbfile.readline(0, limit=-1, delim=None)  nbfile.readline_stripend(0, limit=-1, delim=None)
        nbfile.read_upto(0, 9)  nbfile.read_more(0, 9)  nbfile.discard(0, 9)  nbfile.__iter__(0)
        nbfile.readlines(0)  nbfile.read_buffer_len  nbfile.read_buffer_misalign  nbfile.read_buffer_totallen
        nbfile.find(0, b'', start=0, end=None)  nbfile.rfind(0, b'', start=0, end=None)
        nbfile.get_string(0, start=0, end=None)  nbfile.get_read_buffer(0, 0, 9)  nbfile.unread(0, b'')
        nbfile.unread_append(0, b'')  nbfile.wait_for_readable(0, timeout=None)  nbfile.write(0, b'')
        nbfile.writelines(0, 0)  nbfile.flush(0)  nbfile.discard_write_buffer(0)  nbfile.write_buffer_len
        nbfile.timeout  nbfile.settimeout(0, 5)  nbfile.close(0)  nbfile.fileno(0)  nbfile.write_fileno(0)
        nbfile.forget_write_fd(0)  nbfile.isatty(0)  nbfile.truncate(0, 9)
        fdopen(0, mode='r', bufsize=-1, write_buffer_limit=-1, do_close=1, name=None)
        popen('', mode='r', bufsize=-1)  nblimitreader(None, 0)  nblimitreader.read(0, 9)
        nblimitreader.readline(0, limit=-1, delim=None)  nblimitreader.readline_stripend(0, -1)
        nblimitreader.readlines(0)  nblimitreader.__iter__(0)  nblimitreader.__len__(0)
        nblimitreader.discard_to_read_limit(0)
        wakeup_info()  wakeup_info.create_event(0, 0, 1)  wakeup_info.tick(0, None)
        wakeup_info.tick_and_move(0, 5)  wakeup_info_event.delete(0)''',
    'patch': '''
        patch_socket()  patch_ssl()  patch_time()  patch_select()  patch_os()  patch_subprocess()
        patch_asyncore()  patch_stdin_and_stdout()  patch_stderr()  fix_ssl_makefile()
        fix_ssl_init_memory_leak()  fix_subprocess_close()  get_close_fds()  get_closerange()  fix_all_std()
        patch_all_std()  get_fake_create_connection()  get_fake_coio_socket_module()
        get_fake_coio_select_module()  patch_mysql_connector()  patch_pymysql()  patch_tornado()
        patch_circuits()  patch_eventlet()  patch_gevent(do_emulate_greenlet=None)  gevent_hub_main()''',
    'util': '''
        run_in_tasklet_with_timeout(0, 5, default_value=None, args=(), kwargs={})  Timeout(5, exc=ValueError)
        Timeout.cancel(0)  Timeout.change(0, 5)  TimeoutException  Queue(items=(), preference=1)
        Queue.append(0, 0)  Queue.appendleft(0, 0)  Queue.popleft(0)  Queue.pop(0)  Queue.__len__(0)
        Queue.__bool__(0)  Queue.__iter__(0)  Queue.pending_receiver_count''',
    'stackless': '''
        schedule()  schedule(0)  schedule_remove()  schedule_remove(0)  getcurrent()  getmain()  getruncount()
        TaskletExit  is_greenstackless  tasklet(func=None)  tasklet.__call__(0, 1, a=2)  tasklet.bind(0, 0)
        tasklet.insert(0)  tasklet.remove(0)  tasklet.run(0)  tasklet.kill(0)  tasklet.raise_exception(0, 0, 1)
        tasklet.throw(0, 0, 1, 2)  tasklet.alive  tasklet.blocked  tasklet.scheduled  tasklet.is_main
        tasklet.next  tasklet.prev  tasklet.tempval  tasklet._channel  bomb(type=None, value=None, traceback=None)
        bomb((0, 1, 2))  channel()  channel.send(0, 1)  channel.receive(0)  channel.send_exception(0, 0, 1)
        channel.send_sequence(0, ())  channel.balance  channel.preference  channel.queue''',
    'console': "main(argv=None)  wrap_tasklet(0)  ticker",
    'remote_console': '''
        RemoteConsoleListener('', 5454)  RemoteConsoleHandler(0, 0, True)  RemoteConsole(0)
        RemoteConsoleExit  HasTcpPeerUid(0, 0)  SilentConsoleListener()  ConsoleSignalHandler(10)''',
    'backdoor_client': "ReadBuffer  BackdoorClient(0)  CopyBetweenSocketAndStdinAndStdout(0)",
    'wsgi': '''
        SslUpgrader({}, False)  SslUpgrader.__call__(0, 0, {}, False)
        WsgiWorker(0, ('', 1), 0, {}, '', do_multirequest=True, upgrade_ssl_callback=None)
        RunHttpServer(0, server_address=None, listen_queue_size=100)  CanBeCherryPyApp(0)
        WsgiListener(0, 0, upgrade_ssl_callback=None)  BaseHttpWsgiWrapper(0)
        simple(server_port=8080, function=None, server_host='0.0.0.0')  HttpRequestFromEnv(0, connection=None)
        PopulateDefaultWsgiEnv(0, ('', 1))  GetHttpDate(1.5)  RespondWithBad(400, '', '', 0, '')
        WsgiErrorsStream.write('')  WsgiErrorsStream.writelines(())  WsgiErrorsStream.flush()  HTTP_1_1_METHODS
        HTTP_VERSIONS  HTTP_REQUEST_METHODS_WITH_BODY  WsgiReadError  WsgiWriteError  WsgiResponseSyntaxError
        WsgiResponseBodyTooLongError  MAX_WEBSOCKET_MESSAGE_SIZE  WebSocket(0)  WebSocket.read_msg(0)
        WebSocket.write_msg(0, '')  WebSocketInvalidFrameTypeError  WebSocketMessageTooLargeError
        WebSocketMessageTruncatedError''',
    'ssl_util': "validate_new_sslsock(keyfile=0, certfile=0, cert_reqs=0, ssl_version=0, ca_certs=0)",
    'best_greenlet': "greenlet  gevent_hub_main()",
    'greenlet_using_stackless': "greenlet  getcurrent  GreenletExit  is_pts_greenlet_emulated",
    'version': "VERSION",
}

# Module: name, and a word of what its error says.
GONE = {
    'coio': {**dict.fromkeys(('EV_TIMEOUT', 'EV_READ', 'EV_WRITE', 'EV_SIGNAL', 'EV_PERSIST', 'EventError'),
                             r'wakeup_info\(\)'),
             **dict.fromkeys(('selecter', 'socket_impl', 'sslsocket_impl', 'socket_realsocket', 'socket_fromfd',
                              'socket_realsocket_fromfd', 'connect_magic_usec'), "the standard library's own"),
             **dict.fromkeys(('concurrence_event', 'get_concurrence_triggered', 'get_swap_concurrence_triggered',
                              'get_concurrence_main_tasklets'), r'coio\.spawn\(\)'),
             **dict.fromkeys(('nbsslobj', 'sslwrap_simple', 'sockwrapper'), r'ssl\.SSLContext\.wrap_socket\(\)'),
             'os_popen': r'os\.popen\(\)'},
    'stackless': dict.fromkeys(('ImportTooLateError', 'NewTooLateError'), 'a plain import'),
    'console': dict.fromkeys(('NewReadLine', 'BlockingWriteAll', 'GetPromptWidth', 'WritePromptToNextLine'),
                             r'input\(\)'),
    'wsgi': {'SendWildcardPolicyFile': 'Access-Control', 'IsWebSocketResponse': 'WebSocket',
             'GetWebSocketKey': 'WebSocket', 'CherryPyWsgiListener': 'RunHttpServer',
             **dict.fromkeys(('FakeSocket', 'ConsumerWorker', 'PrependIterator', 'ReportAppException',
                              'ConstantReadLineInputStream'), 'HttpServer')},
    'fast_mysql': {'geventmysql': 'MySQLdb.*syncless run'},
}
GONE_WHEN_CALLED = {'coio.partial_getaddrinfo': 'getaddrinfo', 'patch.patch_popen2': 'subprocess',
                    'patch.fix_popen2_close': 'subprocess', 'patch.patch_geventmysql': 'MySQLdb',
                    'patch.patch_concurrence': 'spawn'}
GONE_OF_NBFILE = {'softspace': 'print', 'encoding': 'open', 'newlines': 'open', 'errors': 'open',
                  'xreadlines': 'iterate', 'read_http_reqhead': 'syncless.wsgi'}


def arguments(*args, **kwargs):
    return args, kwargs


class Names(unittest.TestCase):
    def find(self, module, name):
        found = importlib.import_module('syncless.' + module)
        for part in name.split('.'):
            found = getattr(found, part)
        return found

    def test_kept(self):
        for module, calls in KEPT.items():
            for call in calls.replace('\n', '  ').split('  '):
                name, paren, rest = call.strip().partition('(')
                with self.subTest(module=module, call=call):
                    found = self.find(module, name) if name else None
                    if paren:
                        args, kwargs = eval('arguments(' + rest)
                        inspect.signature(found).bind(*args, **kwargs)

    def test_gone(self):
        for module, names in GONE.items():
            for name, instead in names.items():
                with self.subTest(module=module, name=name):
                    with self.assertRaisesRegex(ImportError, f'{name}.* is gone.*{instead}'):
                        self.find(module, name)
                    with self.assertRaisesRegex(ImportError, instead):
                        exec(f'from syncless.{module} import {name}')
            with self.assertRaises(AttributeError):
                self.find(module, 'there_was_never_such_a_name')

    def test_gone_when_it_is_called(self):
        for name, instead in GONE_WHEN_CALLED.items():
            with self.assertRaisesRegex(ImportError, instead):
                self.find(*name.split('.'))()

    def test_gone_of_files(self):
        file = coio.nbfile(0, 1)
        for name, instead in GONE_OF_NBFILE.items():
            with self.assertRaisesRegex(AttributeError, f'{name} of 2010 is gone: .*{instead}'):
                getattr(file, name)
        with self.assertRaises(AttributeError):
            file.there_was_never_such_a_name

    def test_one_stackless(self):
        from syncless import best_stackless, greenstackless
        self.assertIs(best_stackless.stackless, greenstackless)
        self.assertTrue(greenstackless.is_greenstackless)
        self.assertIs(sys.modules['stackless'], greenstackless)
        self.assertIs(coio.stackless, greenstackless)

    def test_greenlet(self):
        import greenlet
        from syncless import best_greenlet, greenlet_using_stackless
        self.assertIs(best_greenlet.greenlet, greenlet.greenlet)
        self.assertIs(greenlet_using_stackless.greenlet, greenlet.greenlet)
        self.assertIs(greenlet_using_stackless.getcurrent(), greenlet.getcurrent())
        self.assertFalse(greenlet_using_stackless.is_pts_greenlet_emulated)

    def test_version(self):
        from syncless.version import VERSION
        self.assertEqual(VERSION, syncless.__version__)

    def test_gevent_hub_main(self):
        code = f'''
import sys
sys.path.insert(0, {os.path.join(support.ROOT, "pyglue")!r})
import gevent
from syncless import best_greenlet
done = []
def greenlet(n):
    gevent.sleep(0.001)
    done.append(n)
for n in range(3):
    gevent.spawn(greenlet, n)
best_greenlet.gevent_hub_main()
print(sorted(done))
'''
        if support.run_python('-c', 'import gevent').returncode:
            self.skipTest('no gevent here')
        self.assertEqual(support.run_python('-c', code).stdout, '[0, 1, 2]\n')


if __name__ == '__main__':
    unittest.main()
