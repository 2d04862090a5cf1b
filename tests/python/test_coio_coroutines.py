# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 120
"""coio's coroutines: results, ends, kill, links and waits, in one thread and across threads."""
import contextlib
import contextvars
import os
import select
import socket
import threading
import time
import unittest
import weakref

import support
from coroutines import Coio, Raised, coio, forever, until


def fail(text='for a test'):
    raise Raised(text)


def in_thread(fn, native=False):
    """What fn() returns in a thread that is green or not; the coroutines of this thread run meanwhile."""
    found = coio.Queue()  # in 3.13 Thread.join() keeps a thread from running others
    with support.native_threads() if native else contextlib.nullcontext():
        thread = threading.Thread(target=lambda: found.put(fn()))
        thread.start()
    result = found.get(timeout=support.HANG)
    thread.join(support.HANG)
    return result


@unittest.skipIf(support.GREEN, 'without the preload')
class Plainly(unittest.TestCase):
    def test_what_waits_says_what_to_do(self):
        def enter(timeout):
            with timeout:
                pass

        new = coio.Coroutine(print)
        for call in (
                lambda: coio.spawn(print), lambda: coio.spawn_later(0, print), new.start, coio.sleep,
                lambda: coio.sleep(0.01), coio.current, new.join, new.get, lambda: coio.join(new),
                lambda: coio.joinall([new]), lambda: coio.joinall([new], raise_error=True),
                lambda: coio.wait([new]), lambda: next(coio.iwait([new])), lambda: coio.Pool(1).spawn(print),
                lambda: coio.Pool(1).map(print, 'a'), lambda: next(coio.Pool(1).imap(print, 'a')),
                lambda: coio.serve(('127.0.0.1', 0), print), lambda: enter(coio.Timeout(1)),
                lambda: enter(coio.Timeout(None)), coio.Timeout(1).start):
            with self.assertRaisesRegex(RuntimeError, 'syncless run'):
                call()

    def test_locks_are_those_of_threads(self):
        jobs, lock = coio.Queue(1), coio.RLock()
        with support.Crew() as crew, lock:
            crew.start(lambda: jobs.put(lock.acquire(False)))
            self.assertIs(jobs.get(timeout=support.HANG), False)


class Results(Coio):
    def test_begins_when_the_caller_waits(self):
        order = []
        co = coio.spawn(lambda *args, **kwargs: order.append((args, kwargs)) or 'result', 1, 2, fn=3)
        order.append('spawned')
        self.assertFalse(co.ready() or co.dead or co.successful())
        self.assertEqual(co.get(), 'result')
        self.assertEqual(order, ['spawned', ((1, 2), {'fn': 3})])
        self.assertTrue(co.ready() and co.dead and co.successful())
        self.assertEqual(co.value, 'result')
        self.assertEqual(co.get(), 'result')
        self.assertIsNone(co.exception)

    def test_exception(self):
        co = coio.spawn(fail, 'this')
        with self.assertRaisesRegex(Raised, 'this') as caught:
            co.get()
        self.assertIs(caught.exception, co.exception)
        self.assertTrue(co.ready())
        self.assertFalse(co.successful())
        self.assertIsNone(co.value)

    def test_uncaught_is_printed_and_ends_only_itself(self):
        other = coio.spawn(lambda: coio.sleep() or 'fine')
        co = coio.spawn(fail)
        coio.joinall([co, other])
        self.assertEqual(self.printed, [co.exception])
        self.assertEqual(other.value, 'fine')

    def test_get_with_timeout(self):
        co = coio.spawn(forever)
        with self.assertRaises(TimeoutError):
            co.get(timeout=0.01)
        self.assertFalse(co.join(0.01))
        self.assertTrue(co.alive)
        co.kill()

    def test_join_itself(self):
        co = coio.spawn(lambda: co.join())
        self.assertRaises(RuntimeError, co.get)

    def test_current_and_context(self):
        variable = contextvars.ContextVar('variable', default='none')
        variable.set('as spawned')
        co = coio.spawn(lambda: (coio.current(), variable.get(), variable.set('its own')))
        variable.set('later')
        self.assertEqual(co.get()[:2], (co, 'as spawned'))
        self.assertEqual(variable.get(), 'later')
        self.assertNotIsInstance(coio.current(), coio.Coroutine)

    def test_spawn_later(self):
        order = []
        late = coio.spawn_later(0.02, order.append, 'late')
        early = coio.spawn_later(0.001, order.append, 'early')
        never = coio.spawn_later(0.01, order.append, 'never')
        never.kill()
        coio.joinall([late, early, never])
        self.assertEqual(order, ['early', 'late'])

    def test_sleep_lets_others_run(self):
        order = []

        def body(name):
            for _ in range(3):
                order.append(name)
                coio.sleep()

        coio.joinall([coio.spawn(body, 'a'), coio.spawn(body, 'b')])
        self.assertEqual(''.join(order), 'ababab')

    def test_one_that_never_has_to_wait_lets_others_run(self):
        """Its descriptors are always ready, and so nothing would ever look at those of others."""
        own, other = socket.socketpair(), socket.socketpair()
        over = []

        def talk_to_itself():
            while not over:
                own[0].send(b'x')
                own[1].recv(1)
        busy = coio.spawn(talk_to_itself)
        waiting = coio.spawn(lambda: over.append(other[0].recv(1)))
        coio.sleep()
        other[1].send(b'x')
        coio.joinall([busy, waiting], raise_error=True)
        self.assertEqual(over, [b'x'])
        for sock in own + other:
            sock.close()

    def test_nothing_keeps_one_that_has_ended(self):
        get, join, kill = coio.Coroutine.get, coio.Coroutine.join, coio.Coroutine.kill

        def of(fn, *ends):
            co = coio.spawn(fn)
            ref = weakref.ref(co)
            try:
                for end in ends:
                    end(co)
            except (Raised, coio.GreenletExit):
                pass
            co = None  # the exception's traceback has this frame
            self.printed.clear()
            return ref()

        for fn, *ends in (
                (int, get), (fail, get), (fail, join), (forever, kill), (forever, until, kill),
                (forever, until, kill, get), (int, lambda co: coio.wait([co])),
                (int, lambda co: co.link(print), lambda co: co.unlink(print), join)):
            self.assertIsNone(of(fn, *ends))


class Kill(Coio):
    def setUp(self):
        super().setUp()
        self.a, self.b = socket.socketpair()
        self.addCleanup(self.a.close)
        self.addCleanup(self.b.close)

    def waits(self):
        lock = coio.Lock()
        lock.acquire()
        rlock = coio.RLock()
        rlock.acquire()
        condition = coio.Condition()
        full = coio.Queue(1)
        full.put(0)
        other = coio.spawn(forever)
        self.addCleanup(other.kill)
        pipe = os.pipe()
        for fd in pipe:
            self.addCleanup(os.close, fd)

        def wait_on_condition():
            with condition:
                condition.wait()

        return (lambda: coio.sleep(1000), lambda: time.sleep(1000), lambda: self.a.recv(1), lock.acquire,
                rlock.acquire, coio.Event().wait, coio.Semaphore(0).acquire, coio.Queue().get,
                lambda: full.put(1), wait_on_condition, other.join, other.get, lambda: coio.wait([other]),
                lambda: os.read(pipe[0], 1), lambda: select.select([self.a], [], []))

    def test_ends_every_wait(self):
        for wait in self.waits():
            left = []

            def body():
                try:
                    wait()
                finally:
                    left.append(coio.current())

            co = until(coio.spawn(body))
            self.assertTrue(co.alive)
            co.kill()
            self.assertTrue(co.dead)
            self.assertEqual(left, [co])
            self.assertIsInstance(co.exception, coio.GreenletExit)
            self.assertRaises(coio.GreenletExit, co.get)
        self.assertEqual(self.printed, [])

    def test_one_that_has_not_begun_never_runs(self):
        ran = []
        co = coio.spawn(ran.append, 1)
        co.kill()
        coio.sleep()
        self.assertTrue(co.dead)
        self.assertEqual(ran, [])

    def test_one_that_has_ended(self):
        co = coio.spawn(int)
        co.join()
        co.kill()
        self.assertTrue(co.successful())

    def test_without_block(self):
        co = until(coio.spawn(forever))
        co.kill(block=False)
        self.assertTrue(co.alive)
        co.join()
        self.assertIsInstance(co.exception, coio.GreenletExit)

    def test_who_catches_it_goes_on(self):
        def body():
            try:
                forever()
            except coio.GreenletExit:
                coio.sleep()
                return 'went on'

        co = until(coio.spawn(body))
        co.kill()
        self.assertEqual(co.value, 'went on')

    def test_another_exception(self):
        for exc in Raised, Raised('instance'):
            co = until(coio.spawn(forever))
            coio.kill(co, exc)
            self.assertIsInstance(co.exception, Raised)
            self.assertEqual(self.printed.pop(), co.exception)

    def test_itself(self):
        after = []
        co = coio.spawn(lambda: coio.current().kill() or after.append(1))
        co.join()
        self.assertIsInstance(co.exception, coio.GreenletExit)
        self.assertEqual(after, [])

    def test_killall_spares_the_caller(self):
        cos = [coio.spawn(forever) for _ in range(3)]
        killer = coio.spawn(lambda: coio.killall(cos + [killer]))
        killer.get()
        self.assertEqual([type(co.exception) for co in cos], [coio.GreenletExit] * 3)

    def test_from_other_threads(self):
        for native in False, True:
            cos = [until(coio.spawn(wait)) for wait in self.waits()]
            gate = coio.Event()
            killer = coio.spawn(in_thread, lambda: (coio.killall(cos), gate.set()), native)
            gate.wait(support.HANG)
            self.assertEqual({type(co.exception) for co in cos}, {coio.GreenletExit})
            killer.get()


class Links(Coio):
    def test_called_in_order_in_its_own_flow(self):
        calls = []
        co = coio.spawn(int)
        for name in 'abc':
            co.link(lambda ended, name=name: calls.append((name, ended, coio.current(), ended.ended)))
        co.join()
        coio.sleep()
        self.assertEqual(calls, [(name, co, co, True) for name in 'abc'])

    def test_after_the_end(self):
        calls = []
        co = coio.spawn(int)
        co.join()
        co.link(calls.append)
        self.assertEqual(calls, [co])

    def test_unlink(self):
        calls = []
        co = coio.spawn(int)
        co.link(calls.append)
        co.unlink(calls.append)
        co.unlink(calls.append)
        co.join()
        coio.sleep()
        self.assertEqual(calls, [])

    def test_exception_is_printed_and_others_are_called(self):
        calls = []
        co = coio.spawn(int)
        co.link(fail)
        co.link(calls.append)
        co.join()
        coio.sleep()
        self.assertEqual(calls, [co])
        self.assertEqual([type(error) for error in self.printed], [Raised])

    def test_killed_and_failed_ones_call_as_well(self):
        calls = []
        cos = [coio.spawn(forever), coio.spawn(fail)]
        for co in cos:
            co.link(calls.append)
        cos[0].kill()
        cos[1].join()
        coio.sleep()
        self.assertEqual(calls, cos)


class Waits(Coio):
    def gated(self, count):
        gates = [coio.Event() for _ in range(count)]
        return gates, [coio.spawn(gate.wait) for gate in gates]

    def open_in_order(self, gates):
        def body():
            for gate in gates:
                gate.set()
                coio.sleep(0.001)

        coio.spawn(body)

    def test_wait(self):
        gates, cos = self.gated(3)
        self.open_in_order(reversed(gates))
        self.assertEqual(coio.wait(cos + cos), cos[::-1])

    def test_count(self):
        gates, cos = self.gated(3)
        gates[1].set()
        self.assertEqual(coio.wait(cos, count=1), [cos[1]])
        gates[2].set()
        self.assertEqual(set(coio.wait(cos, count=2)), {cos[1], cos[2]})
        gates[0].set()
        self.assertEqual(len(coio.wait(cos, count=5)), 3)

    def test_timeout(self):
        gates, cos = self.gated(2)
        gates[1].set()
        cos[1].join()
        self.assertEqual(coio.wait(cos, timeout=0.01), [cos[1]])
        self.assertEqual(coio.joinall(cos, timeout=0.01), [cos[1]])
        self.assertEqual(coio.wait(cos, timeout=0), [cos[1]])
        coio.killall(cos)

    def test_iwait(self):
        gates, cos = self.gated(3)
        order = []
        gates[2].set()
        for co in coio.iwait(cos):
            order.append(cos.index(co))
            for gate in gates[::-1]:
                if not gate.is_set():
                    gate.set()
                    break
        self.assertEqual(order, [2, 1, 0])

    def test_joinall(self):
        gates, cos = self.gated(3)
        self.open_in_order(reversed(gates))
        self.assertEqual(coio.joinall(iter(cos)), cos)
        self.assertEqual(coio.joinall([]), [])

    def test_joinall_with_error(self):
        gates, cos = self.gated(2)
        cos[0].kill()
        bad = coio.spawn(fail)
        self.assertRaises(Raised, coio.joinall, [*cos, bad], raise_error=True)
        self.assertTrue(cos[1].alive)
        self.assertEqual(coio.joinall([cos[0], bad]), [cos[0], bad])
        cos[1].kill()

    def test_in_other_threads(self):
        """Coroutines of this thread, waited for in all ways by a green thread and a kernel thread."""
        for native in False, True:
            gates, cos = self.gated(4)
            self.open_in_order(gates)
            waiter = coio.spawn(in_thread, lambda: (
                cos[0].join(), cos[1].get(), coio.wait(cos), coio.joinall(cos), cos[3].join(0.001)), native)
            self.assertEqual(waiter.get(), (True, True, cos, cos, True))

    def test_in_other_threads_with_timeout(self):
        co = coio.spawn(forever)
        for native in False, True:
            waiter = coio.spawn(in_thread, lambda: (co.join(0.01), coio.wait([co], 0.01)), native)
            self.assertEqual(waiter.get(), (False, []))
        late = coio.spawn_later(0.01, int)
        self.assertIs(in_thread(lambda: late.join(1e12), native=True), True)
        co.kill()

    def test_threads_have_coroutines_of_their_own(self):
        def body():
            a, b = socket.socketpair()
            with a, b:
                reader = coio.spawn(a.recv, 10)
                writer = coio.spawn(lambda: until(reader) and b.send(b'here'))
                return reader.get(), writer.get()

        self.assertEqual([in_thread(body) for _ in range(3)], [(b'here', 4)] * 3)

    def test_none_in_kernel_threads(self):
        def body():
            try:
                coio.spawn(int)
            except RuntimeError as error:
                return coio.sleep(0.001), str(error)

        self.assertIn('kernel thread', in_thread(body, native=True)[1])

    def test_many(self):
        cos = [coio.spawn(coio.sleep, 0.001) for _ in range(10000)]
        self.assertEqual(len(coio.wait(cos)), 10000)


if __name__ == '__main__':
    support.main()
