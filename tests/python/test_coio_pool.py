# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""coio.Pool: no more than its size at once; and coio.serve()."""
import contextlib
import errno
import itertools
import os
import socket
import tempfile
import threading
import weakref

import support
from coroutines import Coio, Raised, coio, until


def fail(*args):
    raise Raised(*args)


class Pool(Coio):
    def setUp(self):
        super().setUp()
        self.running = self.most = 0

    def work(self, item):
        self.running += 1
        self.most = max(self.most, self.running)
        coio.sleep(0.001 * (item % 3))
        self.running -= 1
        return item * item

    def test_map(self):
        pool = coio.Pool(3)
        self.assertEqual(pool.map(self.work, range(20)), [i * i for i in range(20)])
        self.assertEqual(self.most, 3)
        self.assertEqual(pool.map(pow, [2, 3], [5, 2]), [32, 9])

    def test_spawn_waits_while_it_is_full(self):
        pool, gate = coio.Pool(2), coio.Event()
        first = [pool.spawn(gate.wait) for _ in range(2)]
        self.assertTrue(pool.full())
        third = until(coio.spawn(pool.spawn, self.work, 3))
        self.assertTrue(third.alive)
        self.assertEqual((len(pool), pool.free_count(), list(pool)), (2, 0, list(pool)))
        self.assertIn(first[0], pool)
        first[0].kill()
        self.assertEqual(third.get().get(), 9)
        gate.set()
        self.assertTrue(pool.join(support.HANG))
        self.assertEqual((len(pool), pool.free_count(), pool.full()), (0, 2, False))

    def test_end_of_any_kind_makes_room(self):
        pool = coio.Pool(1)
        pool.spawn(fail)
        pool.spawn(coio.sleep, 1000).kill()
        until(pool.spawn(coio.sleep, 1000)).kill()
        self.assertRaises(TypeError, pool.spawn, None)
        pool.spawn(int).get()
        self.assertEqual([type(error) for error in self.printed], [Raised])

    def test_map_raises_the_first(self):
        pool = coio.Pool(2)
        with self.assertRaisesRegex(Raised, '3'):
            pool.map(lambda i: i if i < 3 else fail(i), range(6))
        pool.join()
        self.assertEqual(self.printed, [])

    def test_join_with_timeout(self):
        pool = coio.Pool(1)
        pool.spawn(coio.sleep, 1000)
        self.assertFalse(pool.join(0.001))
        pool.kill()
        self.assertTrue(pool.join())

    def test_join_waits_for_those_that_come_later(self):
        pool, ended = coio.Pool(5), []

        def body(depth):
            if depth:
                pool.spawn(body, depth - 1)
            ended.append(depth)

        pool.spawn(body, 3)
        self.assertTrue(pool.join())
        self.assertEqual(sorted(ended), [0, 1, 2, 3])

    def test_kill_by_one_of_them(self):
        pool = coio.Pool(3)
        others = [pool.spawn(coio.sleep, 1000) for _ in range(2)]
        self.assertIsNone(pool.spawn(pool.kill).get())
        self.assertTrue(all(co.dead for co in others))

    def test_imap(self):
        pool = coio.Pool(3)
        self.assertEqual(list(pool.imap(self.work, range(20))), [i * i for i in range(20)])
        self.assertEqual(self.most, 3)
        self.assertEqual(list(pool.imap(self.work, [])), [])

    def test_imap_of_something_endless(self):
        pool, taken, ended = coio.Pool(2), [], coio.Event()

        def items():
            try:
                for i in itertools.count():
                    taken.append(i)
                    yield i
            finally:
                ended.set()

        results = pool.imap(self.work, items())
        self.assertEqual(list(itertools.islice(results, 10)), [i * i for i in range(10)])
        coio.sleep(0.01)
        self.assertLessEqual(len(taken), 10 + 2 * pool.size + 1)
        results.close()
        self.assertTrue(ended.wait(support.HANG))
        self.assertTrue(pool.join())

    def test_imap_raises_in_its_place(self):
        pool = coio.Pool(2)
        results = pool.imap(lambda i: fail(i) if i == 2 else i, range(4))
        self.assertEqual([next(results), next(results)], [0, 1])
        self.assertRaises(Raised, next, results)
        pool.join()

        def items():
            yield 1
            fail()

        for imap in pool.imap, pool.imap_unordered:
            results = imap(int, items())
            self.assertEqual(next(results), 1)
            self.assertRaises(Raised, next, results)
        self.assertEqual(self.printed, [])

    def test_imap_unordered(self):
        pool, gates = coio.Pool(3), [coio.Event() for _ in range(3)]
        results = pool.imap_unordered(lambda i: gates[i].wait() and i, range(3))
        found = []
        for i in 1, 2, 0:
            gates[i].set()
            found.append(next(results))
        self.assertEqual(found, [1, 2, 0])
        self.assertRaises(StopIteration, next, results)
        self.assertEqual(sorted(pool.imap_unordered(self.work, range(20))), [i * i for i in range(20)])

    def test_killed_while_it_waits_for_room(self):
        pool, gate = coio.Pool(1), coio.Event()
        pool.spawn(gate.wait)
        waiting = until(coio.spawn(pool.spawn, int))
        waiting.kill()
        gate.set()
        pool.join()
        self.assertEqual(pool.free_count(), 1)
        pool.spawn(int).get()

    def test_size(self):
        self.assertRaises(ValueError, coio.Pool, 0)

    def test_keeps_none(self):
        pool = coio.Pool(2)
        ref = weakref.ref(pool.spawn(int))
        pool.join()
        self.assertIsNone(ref())


class Listener(socket.socket):
    """Some of its calls of accept() fail first."""

    def accept(self):
        if self.errors:
            raise OSError(self.errors.pop(0), 'for a test')
        return super().accept()


def talk(address, *words):
    """What a server answers to each of words."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as sock:
        sock.connect(address)
        answers = []
        for word in words:
            sock.sendall(word)
            answers.append(sock.recv(100))
        sock.shutdown(socket.SHUT_WR)
        return answers, sock.recv(100)


def echo(sock, address):
    while True:
        data = sock.recv(100)
        if not data:
            break
        sock.sendall(data)


class Serve(Coio):
    ANY = ('127.0.0.1', 0)

    def test_many_at_once(self):
        gate = coio.Barrier(50)

        def handler(sock, address):
            gate.wait()
            echo(sock, address)

        with coio.serve(self.ANY, handler) as server:
            clients = [coio.spawn(talk, server.address, b'a%d' % i, b'b') for i in range(50)]
            self.assertEqual([client.get() for client in clients],
                             [([b'a%d' % i, b'b'], b'') for i in range(50)])
            support.wait_until(lambda: not server.connections)

    def test_handler_gets_the_clients_address(self):
        found = []
        with coio.serve(self.ANY, lambda *args: found.append(args)) as server:
            with socket.create_connection(server.address) as client:
                self.assertEqual(client.recv(1), b'')  # closed by the end of the handler
                ((sock, address),) = found
                self.assertEqual(address, client.getsockname())
                self.assertEqual(sock.fileno(), -1)

    def test_exception_ends_its_connection_alone(self):
        def handler(sock, address):
            if sock.recv(100) == b'bad':
                fail()
            sock.sendall(b'good')
            echo(sock, address)

        with coio.serve(self.ANY, handler) as server:
            good = until(coio.spawn(talk, server.address, b'x', b'y', b'z'))
            self.assertEqual(talk(server.address, b'bad'), ([b''], b''))
            self.assertEqual(good.get(), ([b'good', b'y', b'z'], b''))
            self.assertEqual(talk(server.address, b'x'), ([b'good'], b''))
        self.assertEqual([type(error) for error in self.printed], [Raised])

    def test_close_leaves_connections_open(self):
        server = coio.serve(self.ANY, echo)
        with socket.create_connection(server.address) as client:
            client.sendall(b'1')
            self.assertEqual(client.recv(1), b'1')
            self.assertFalse(server.closed or server.join(0.001))
            server.close()
            server.close()
            self.assertTrue(server.closed and server.join())
            self.assertRaises(ConnectionRefusedError, talk, server.address)
            client.sendall(b'2')
            self.assertEqual(client.recv(1), b'2')
            server.kill()
            self.assertEqual(client.recv(1), b'')
        self.assertEqual(server.connections, set())

    def test_close_by_another_thread(self):
        for native in False, True:
            server = coio.serve(self.ANY, echo)
            with support.native_threads() if native else contextlib.nullcontext():
                thread = threading.Thread(target=server.close)
                thread.start()
            self.assertTrue(server.join(support.HANG))
            thread.join(support.HANG)

    def test_kill_by_a_handler(self):
        with coio.serve(self.ANY, lambda sock, address: sock.sendall(b'%d' % bool(server.kill()))) as server:
            self.assertEqual(talk(server.address, b''), ([b'0'], b''))

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'socket')
            with coio.serve(path, echo) as server:
                self.assertEqual(talk(path, b'x'), ([b'x'], b''))
                self.assertRaises(OSError, coio.serve, path, echo)
                self.assertEqual(server.address, path)
            self.assertFalse(os.path.exists(path))

    def test_ipv6(self):
        try:
            server = coio.serve(('::1', 0), echo)
        except OSError as error:
            self.skipTest(str(error))
        with server, socket.create_connection(server.address[:2]) as client:
            client.sendall(b'x')
            self.assertEqual(client.recv(1), b'x')

    def test_accept_fails(self):
        listener = Listener()
        listener.errors = [errno.ECONNABORTED, errno.EMFILE, errno.EPROTO]
        listener.bind(self.ANY)
        with coio.serve(listener, echo) as server:
            self.assertEqual(talk(server.address, b'x'), ([b'x'], b''))
            listener.errors.append(errno.EOPNOTSUPP)
            self.assertEqual(talk(server.address, b'x'), ([b'x'], b''))
            listener.errors.append(errno.ELOOP)
            talk(server.address, b'x')  # the call of accept() before is of this one
            self.assertTrue(server.join(support.HANG))
        self.assertEqual([error.errno for error in self.printed], [errno.ELOOP])


if __name__ == '__main__':
    support.main()
