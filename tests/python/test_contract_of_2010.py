# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""What the original of 2010 promised and what it got wrong: which test shows that ours is right, and those that stand
nowhere else.

SHOWN names for each promise and each defect the tests by file, class and method.  A name
that is no longer there fails.
"""
import ast
import io
import os
import resource
import signal
import socket
import struct
import unittest

import support
from coroutines import Coio, coio, until
from http_case import HttpCase, hello, request

from syncless import stackless, wsgi
from syncless.coio import _dns

HERE = os.path.splitext(os.path.basename(__file__))[0]
SHOWN = {
    # The scheduler.
    'runnables are a ring; schedule() is round robin; an idle program has two':
        'test_stackless.Runnables.test_round_robin test_stackless.Runnables.test_ring '
        'test_coio_sleep.Schedule.test_round_robin test_coio_sleep.Schedule.test_with_an_idle_file',
    'what a poll wakes goes before what was queued':
        'test_coio_sleep.Schedule.test_woken_reader_comes_first',
    'schedule(v), tempval, bombs':
        'test_stackless.Values.test_schedule_returns test_stackless.Values.test_tempval '
        'test_stackless.Values.test_bomb_in_tempval test_stackless.Values.test_bomb_has_a_traceback',
    'schedule_remove() of the last puts main back':
        'test_channels.Deadlocks.test_main_is_put_back',
    'a program ends cleanly when nothing can ever run':
        'test_stackless.Elsewhere.test_ends_cleanly_when_nothing_is_left',
    'kill() goes on behind its target; remove().kill() returns':
        'test_stackless.Exceptions.test_those_behind_come_next '
        'test_stackless.Exceptions.test_remove_and_kill_returns_directly test_stackless.Exceptions.test_kill',
    'run() goes on behind its target':
        'test_stackless.Runnables.test_run_goes_on_behind_the_target',
    'insert, remove and run of the dead, blocked and unbound':
        'test_stackless.Runnables.test_errors',
    'an uncaught exception goes to main, SystemExit too':
        'test_stackless.Exceptions.test_uncaught_goes_to_main '
        'test_stackless.Exceptions.test_uncaught_reaches_main_at_a_channel '
        'test_channels.Deadlocks.test_the_error_of_the_last_is_context',
    'late bind, call and insert':
        'test_stackless.Binding.test_late_call test_stackless.Binding.test_late_insert',
    'channels: preferences, balance, queue, first come first served':
        'test_channels.Channels.test_receiver_first test_channels.Channels.test_sender_first '
        'test_channels.Channels.test_balance_and_queue test_channels.Channels.test_first_come_first_served '
        'test_channels.Channels.test_exceptions',
    'deadlocks: RuntimeError, StopIteration in main':
        'test_channels.Deadlocks.test_main_alone '
        'test_channels.Deadlocks.test_the_last_blocks_while_main_does',
    'sleep: returns, zero, interruption by bomb, run and insert':
        'test_coio_sleep.Sleep.test_zero_and_less_do_not_switch test_coio_sleep.Sleep.test_bomb '
        'test_coio_sleep.Sleep.test_run test_coio_sleep.Sleep.test_inserted '
        'test_coio_sleep.Sleep.test_other_tasklet test_coio_sleep.Sleep.test_a_signal_does_not_end_it',
    'several tasklets on one descriptor':
        'test_nbfile.BesideOthers.test_two_files_of_one_descriptor '
        'test_nbfile.BesideOthers.test_two_readers_of_one_file',
    'SIGINT is KeyboardInterrupt in main':
        f'test_coio_signal.Signal.test_sigint {HERE}.Scheduling.test_interrupt',
    'two handlers of one signal':
        'test_coio_signal.Signal.test_two_handlers_of_one_signal',
    'fork, with and without reinit()':
        'test_fork_streams.ForkStreams.test_by_itself test_fork_streams.ForkStreams.test_with_reinit '
        'test_fork.Fork.test_timers_and_waits_of_others_die_in_the_child',
    'waiting for a child lets others run':
        'test_fork.Fork.test_wait_for_many_children',
    'real greenlets':
        'test_greenlet_api.Greenlet.test_throw_goes_up_the_chain test_greenlet_api.Greenlet.test_parent '
        'test_greenlet_api.Greenlet.test_circular_references',
    'no signal is taken by an import':
        f'{HERE}.Importing.test_no_signal_is_taken',
    # The rest of the library.
    'queues: from both ends, blocking, in order':
        'test_util.Queue.test_truth test_util.Queue.test_both_ends '
        'test_util.Queue.test_blocking_first_in_first_out test_util.Queue.test_blocking_last_in_first_out',
    'files: limits, delimiters, line ends, buffers, timeouts':
        'test_nbfile.Both.test_readline_with_limits test_nbfile.Both.test_readline_delim '
        'test_nbfile.Both.test_readline_stripend_with_limits test_nbfile.Both.test_long_line '
        'test_nbfile.Both.test_read_to_the_end test_nbfile.Both.test_read_ahead '
        'test_nbfile.Both.test_look_into_the_buffer test_nbfile.Both.test_unread '
        'test_nbfile.Both.test_timeouts test_nbfile.Both.test_lines_of_a_limit_reader '
        'test_nbfile.BesideOthers.test_readline_while_another_tasklet_writes',
    'files of sockets: close, the timeout at their making':
        'test_coio_sockets.Nbsocket.test_files',
    'a thousand SSL sockets leave no garbage':
        'test_coio_sockets.Tls.test_no_garbage',
    'hosts tables and gethostby*':
        'test_coio_dns.Hosts.test_tables test_coio_dns.Hosts.test_as_the_standard_library',
    'smtplib, ftplib, imaplib, poplib, http.client, xmlrpc.client':
        'test_protocols.Protocols.test_coroutines',
    'Twisted, on our reactor and on its own':
        'test_reactor.Reactor.test_both_go_on test_reactor.Reactor.test_a_coroutine_may_call_it',
    'the date of an answer':
        f'{HERE}.Http.test_helpers',
    'pipelining':
        f'{HERE}.Http.test_what_a_client_may_send',
    'less than 0.3 MB more than Python alone':
        f'{HERE}.Memory.test_of_a_program',
    'the first program':
        'test_first_program.FirstProgram.test_in_the_background',
    # The defects.
    'D1 a killed caller of a thread pool':
        'test_coio_threads.Beside.test_killed_caller',
    'D2 discard() beyond what is buffered':
        f'test_nbfile.Both.test_discard {HERE}.Http.test_what_a_client_may_send',
    'D3 what a client can send, or an application answer, ends the server':
        f'{HERE}.Http.test_what_a_client_may_send {HERE}.Http.test_mistakes {HERE}.Http.test_clients_that_are_gone',
    'D4 localhost without a name server':
        'test_coio_sockets.Nbsocket.test_connection',
    'D5 a late answer to a question that was given up':
        f'{HERE}.LateAnswer.test_late_answer',
    'D6 accept() fails':
        f'test_coio_pool.Serve.test_accept_fails {HERE}.Http.test_accept_fails',
    'D7 Transfer-Encoding, slow clients':
        f'{HERE}.Http.test_what_a_client_may_send {HERE}.Http.test_a_slow_client',
    'D8 what set_fd_blocking() returns':
        'test_coio_sockets.Nbsocket.test_set_fd_blocking',
    'D9 receive_with_timeout(0)':
        'test_coio_sleep.Channel.test_zero_and_less_do_not_wait '
        'test_coio_sleep.Channel.test_what_is_raised_is_raised',
    'D10 tick(None)':
        'test_coio_select.WakeupInfo.test_tick test_coio_select.LetsOthersRun.test_tick',
    'D11 what is raised in the caller of run_in_tasklet_with_timeout()':
        'test_util.WithTimeout.test_injected_into_the_caller',
    'D12 a Timeout swallows its own alone':
        'test_util.Timeout.test_swallows_its_own_alone test_util.Timeout.test_nested',
    'D13 an exception for one at a channel':
        'test_coio_sleep.MainLoop.test_send_exception '
        'test_coio_sleep.MainLoop.test_send_exception_to_a_sender_and_to_one_that_has_not_begun',
    'D14 small ones':
        'test_coio_sockets.Nbsocket.test_timeouts test_coio_sockets.Tls.test_talk '
        'test_coio_sockets.Tls.test_keeps_the_timeout test_coio_dns.Questions.test_addresses '
        'test_coio_dns.Hosts.test_as_the_standard_library test_wsgi_apps.EntryPoints.test_simple '
        f'{HERE}.Http.test_mistakes test_nbfile.Both.test_closed '
        'test_remote_console.RemoteConsole.test_client_usage '
        'test_remote_console.RemoteConsole.test_client_of_another_user '
        'test_remote_console.RemoteConsole.test_commands',
}


class Contract(unittest.TestCase):
    def test_each_is_shown(self):
        known = set()
        for name in os.listdir(support.HERE):
            if name.startswith('test_'):
                with open(os.path.join(support.HERE, name)) as file:
                    tree = ast.parse(file.read())
                known |= {f'{name[:-3]}.{case.name}.{test.name}' for case in tree.body if isinstance(case, ast.ClassDef)
                          for test in case.body if isinstance(test, ast.FunctionDef)}
        for what, tests in SHOWN.items():
            self.assertEqual(set(tests.split()) - known, set(), what)


class Importing(Coio):
    def test_no_signal_is_taken(self):
        """By an import and a first coroutine, which in 2010 took three."""
        run = support.run_python('-c', f'''
import signal, sys
sys.path.insert(0, {os.path.join(support.ROOT, "pyglue")!r})
before = {{number: signal.getsignal(number) for number in signal.Signals}}
from syncless import console, coio, remote_console, util, wsgi
coio.spawn(int).join()
print([number for number, handler in before.items() if signal.getsignal(number) != handler])''')
        self.assertEqual((run.stdout, run.stderr), ('[]\n', ''))


class Scheduling(Coio):
    def test_interrupt(self):
        """It comes to main at a channel, beside one who computes."""
        def compute():
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):
                log.append(1)
            stackless.schedule(None)

        log, channel = [], stackless.channel()
        bystander = stackless.tasklet(channel.receive)()
        stackless.schedule(None)
        stackless.tasklet(compute)()
        with support.handler(signal.SIGINT, signal.default_int_handler), self.assertRaises(KeyboardInterrupt):
            channel.receive()
        self.assertEqual((len(log), channel.balance), (1000, -1))
        channel.send('value')
        stackless.schedule(None)
        self.assertFalse(bystander.alive)


class LateAnswer(Coio):
    def test_late_answer(self):
        """It comes when the tasklet that has asked waits for something else."""
        def ask():
            with coio.Timeout(0.01, silent=True):
                coio.dns_resolve_ipv4('late.test', coio.DNS_QUERY_NO_SEARCH)
            log.append('given up')
            log.append(channel.receive())

        log, channel = [], stackless.channel()
        with socket.socket(type=socket.SOCK_DGRAM) as server:
            server.bind(('127.0.0.1', 0))
            coio.dns_init_force()
            self.addCleanup(coio.dns_shutdown)
            _dns._resolver.servers = [server.getsockname()]
            tasklet = stackless.tasklet(ask)()
            query, client = server.recvfrom(512)
            while not tasklet.blocked:
                coio.sleep(0.001)
            head = query[:2] + struct.pack('>HHHHH', 0x8180, 1, 1, 0, 0)
            server.sendto(head + query[12:] + bytes.fromhex('c00c0001000100000005 0004 c0000201'), client)
            coio.sleep(0.01)
        self.assertEqual((log, tasklet.blocked, tasklet.tempval), (['given up'], True, None))
        channel.send('what it waits for')
        coio.sleep()
        self.assertEqual(log[1:], ['what it waits for'])


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Memory(unittest.TestCase):
    def test_of_a_program(self):
        """What is its own: pages that no other process shares."""
        if os.path.basename(support.PRELOAD) != 'libsyncless.so':
            self.skipTest('what else is preloaded has its own needs')
        code = ('rows = [line.split() for line in open("/proc/self/smaps_rollup")]\n'
                'print(sum(int(row[1]) for row in rows if row[0].startswith("Private")))')
        plain, preloaded = (int(support.run_python('-c', code, env=env).stdout)
                            for env in (support.plain_env(), support.same_env()))
        self.assertLess(preloaded - plain, 300, 'KiB')


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Http(HttpCase):
    def test_helpers(self):
        self.assertEqual(wsgi.GetHttpDate(784111777.9), 'Sun, 06 Nov 1994 08:49:37 GMT')
        env = {'other': 1}
        wsgi.PopulateDefaultWsgiEnv(env, ('192.0.2.1', 80))
        self.assertEqual((env['SERVER_NAME'], env['SERVER_PORT'], env['wsgi.version'], env['other']),
                         ('192.0.2.1', '80', (1, 0), 1))
        with socket.create_server(('127.0.0.1', 0)) as listener:
            wsgi.PopulateDefaultWsgiEnv(env, listener)
            self.assertEqual(env['SERVER_PORT'], str(listener.getsockname()[1]))
        env.update(REQUEST_METHOD='POST', REQUEST_URI='/%20?q', SERVER_PROTOCOL='HTTP/1.1', HTTP_X_Y='z',
                   CONTENT_LENGTH='3')
        self.assertEqual(wsgi.HttpRequestFromEnv(env),
                         b'POST /%20?q HTTP/1.1\r\nX-Y: z\r\nContent-Length: 3\r\n\r\n')
        file = io.BytesIO()
        wsgi.RespondWithBad(400, wsgi.GetHttpDate(0), 'it', file, 'no')
        self.assertEqual(file.getvalue().split(b'\r\n'), [
            b'HTTP/1.0 400 Bad Request', b'Server: it', b'Date: Thu, 01 Jan 1970 00:00:00 GMT', b'Connection: close',
            b'Content-Type: text/plain; charset=utf-8', b'Content-Length: 3', b'', b'no\n'])
        self.assertRaises(ValueError, wsgi.RespondWithBad, 404, '', '', file, '')
        with self.assertLogs('syncless.wsgi', 'DEBUG') as logged:
            wsgi.WsgiErrorsStream.writelines(['one\n', 'two'])
            wsgi.WsgiErrorsStream.flush()
        self.assertEqual([record.getMessage() for record in logged.records], ['one', 'two'])

    def test_worker(self):
        """It serves a connection of another listener."""
        with socket.create_server(('127.0.0.1', 0)) as listener:
            self.address = listener.getsockname()
            for do_multirequest in True, False:
                client = self.connect()
                sock, peer = listener.accept()
                worker = coio.spawn(wsgi.WsgiWorker, sock, peer, hello, {'added': 'x'}, None, do_multirequest)
                self.assertEqual(client.ask().body, b'hello')
                if do_multirequest:
                    self.assertEqual(client.ask('/', 'Connection: close').body, b'hello')
                worker.get(support.HANG)
                self.assertEqual(sock.fileno() < 0, do_multirequest)
                sock.close()
                self.assertEqual(client.rest(), b'')

    def test_what_a_client_may_send(self):
        """A body that nobody reads is no request, also in chunks; one of a negative length is none."""
        self.serve()
        inner = request('/smuggled')
        chunked = request('/', 'Transfer-Encoding: chunked', method='POST')
        chunked += b'%x\r\n%s\r\n0\r\n\r\n' % (len(inner), inner)
        client = self.connect()
        client.send(request('/', method='POST', body=inner) + chunked + request('/', 'Connection: close'))
        self.assertEqual([client.response().body for _ in range(3)], [b'hello'] * 3)
        self.assertEqual(client.rest(), b'')
        seen = self.raw(request('/', 'Content-Length: -1', method='POST') + inner)
        self.assertRegex(seen, rb'^HTTP/1\.1 400 ')
        self.assertEqual((seen.count(b'HTTP/1.1 '), self.ask().body), (1, b'hello'))

    def test_mistakes(self):
        class Body(list):
            closed = 0

            def close(self):
                self.closed += 1

        for items, seen in (['\xe4'], b'HTTP/1.1 500 .*'), ([b'12345678901234'], b'.*\r\n\r\n12345678'):
            body = Body(items)
            self.serve(lambda environ, start: start('200 OK', [('Content-Length', '8')]) and body)
            for n in range(1, 3):
                with self.assertLogs('syncless.wsgi', 'ERROR'):
                    self.assertRegex(self.raw(request()), b'(?s)^(' + seen + b'|HTTP/1.1 500 .*)$')
                self.assertEqual(body.closed, n)

    def test_accept_fails(self):
        self.serve()
        first, limit = self.connect(), resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(first.ask().body, b'hello')
        second = self.connect()  # a descriptor of this process as well
        with self.assertLogs('syncless.wsgi', 'ERROR'):
            resource.setrlimit(resource.RLIMIT_NOFILE, (second.sock.fileno() + 1, limit[1]))
            try:
                second.send(request())
                self.assertEqual(first.ask().body, b'hello')
                coio.sleep(0.01)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        self.assertEqual(second.response().body, b'hello')

    def test_a_slow_client(self):
        self.serve(head_seconds=0.01)
        slow, client = self.connect(), self.connect()
        slow.send(b'GET / HTTP/1.1\r\nHost')
        self.assertEqual(client.ask().body, b'hello')
        self.assertRegex(slow.rest(), rb'^HTTP/1\.1 408 ')

    def test_clients_that_are_gone(self):
        """Whatever is written to them is an error of theirs alone."""
        self.serve(lambda environ, start: start('200 OK', []) and [b'x' * 1000000])
        for data in (b'GET / HTTP/9.9\r\n\r\n', b'no request\r\n\r\n', request(),
                     request('/', method='POST', body=b'xyz')[:-1]):
            for _ in range(10):
                client = self.connect()
                client.send(data)
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))  # a reset
                client.close()
                until(self.servers[-1][2])
        self.assertEqual(len(self.ask().body), 1000000)


if __name__ == '__main__':
    unittest.main()
