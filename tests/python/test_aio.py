# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
"""Blocking functions in asyncio programs, with asyncio's own loop and with uvloop.

Without the preload the module can be imported, and says what to do when it is used.
"""
import asyncio
import contextvars
import gc
import os
import socket
import sys
import threading
import time
import unittest
import weakref

import support

sys.path[:0] = [os.path.join(support.ROOT, 'pyglue')]
from syncless import aio  # noqa: E402

try:
    import uvloop
except ImportError:
    uvloop = None


VARIABLE = contextvars.ContextVar('VARIABLE', default='unset')


class Odd(BaseException):
    pass


class Plain(unittest.TestCase):
    def test_says_what_to_do(self):
        async def body():
            await aio.run(print)
        with self.assertRaisesRegex(RuntimeError, 'syncless run'):
            asyncio.run(body())

    def test_wait_says_what_to_do(self):
        async def body():
            aio.wait(asyncio.sleep(0))
        with self.assertRaisesRegex(RuntimeError, 'syncless run'):
            asyncio.run(body())


class Asyncio(unittest.TestCase):
    """Each test is a coroutine, run in a loop of its own."""

    @staticmethod
    def new_loop():
        return asyncio.new_event_loop()

    def run_in_loop(self, coroutine):
        """asyncio.run(), with our kind of loop."""
        loop = self.new_loop()
        try:
            return loop.run_until_complete(asyncio.wait_for(coroutine, support.HANG))
        finally:
            loop.close()

    def test_result_and_arguments(self):
        def add(a, b, *, c):
            time.sleep(0.001)
            return a + b + c

        async def body():
            self.assertEqual(await aio.run(add, 1, 2, c=3), 6)
            self.assertEqual(await aio.run(int), 0)
            self.assertIs(await asyncio.create_task(aio.run(print, end='')), None)
        self.run_in_loop(body())

    def test_on_the_thread_of_the_loop(self):
        async def body():
            mine = threading.get_ident()
            before = support.workers()
            idents = await asyncio.gather(*(aio.run(waiting_ident) for _ in range(100)))
            self.assertEqual(set(idents), {mine})
            self.assertEqual(support.workers(), before)

        def waiting_ident():
            time.sleep(0.001)
            return threading.get_ident()
        self.run_in_loop(body())

    def test_thousands_at_once(self):
        """All wait for one byte each, which is sent when the last one waits."""
        count = 3000
        under_way = []

        def read(number):
            under_way.append(number)
            return number, os.read(ends[number % 50][0], 1)

        async def body():
            tasks = [asyncio.create_task(aio.run(read, number)) for number in range(count)]
            while len(under_way) < count:
                await asyncio.sleep(0)
            for number in range(count):
                os.write(ends[number % 50][1], b'x')
            self.assertEqual(await asyncio.gather(*tasks), [(number, b'x') for number in range(count)])
        ends = [os.pipe() for _ in range(50)]
        try:
            self.run_in_loop(body())
        finally:
            for pair in ends:
                os.close(pair[0])
                os.close(pair[1])

    def test_the_loop_goes_on(self):
        gate = threading.Lock()

        async def body():
            gate.acquire()
            task = asyncio.create_task(aio.run(gate.acquire))
            for _ in range(50):
                await asyncio.sleep(0)
            self.assertFalse(task.done())
            gate.release()
            self.assertIs(await task, True)
        self.run_in_loop(body())

    def test_a_busy_loop_lets_it_go_on(self):
        """Callbacks without end, and sockets that always have something to tell."""
        ours, theirs = socket.socketpair()
        theirs.send(b'never read')

        async def body():
            loop = asyncio.get_running_loop()
            ended = []

            def spin():
                if not ended:
                    loop.call_soon(spin)
            loop.call_soon(spin)
            loop.add_reader(ours, lambda: None)
            for _ in range(3):
                await aio.run(time.sleep, 0.001)
            ended.append(True)
            loop.remove_reader(ours)
        self.run_in_loop(body())
        ours.close()
        theirs.close()

    def test_exceptions_come_out(self):
        def fail(error):
            time.sleep(0.001)
            raise error

        async def body():
            for kind in (KeyError, OSError, Odd):
                error = kind('text')
                with self.assertRaises(kind) as caught:
                    await aio.run(fail, error)
                self.assertIs(caught.exception, error)
            with self.assertRaisesRegex(RuntimeError, 'StopIteration'):
                await aio.run(fail, StopIteration(1))
            with self.assertRaises(asyncio.CancelledError):
                await aio.run(fail, asyncio.CancelledError())
        self.run_in_loop(body())

    def test_exit_ends_the_loop(self):
        async def body():
            await aio.run(sys.exit, 3)
        loop = self.new_loop()
        with self.assertRaises(SystemExit):
            loop.run_until_complete(body())
        loop.close()

    def test_contextvars(self):
        def look():
            found = VARIABLE.get()
            VARIABLE.set('inner')
            time.sleep(0.001)
            return found, VARIABLE.get(), aio.wait(look_there())

        async def look_there():
            return VARIABLE.get()

        async def body():
            VARIABLE.set('outer')
            self.assertEqual(await aio.run(look), ('outer', 'inner', 'inner'))
            self.assertEqual(VARIABLE.get(), 'outer')
        self.run_in_loop(body())

    def test_cancelled_where_it_waits(self):
        ours, theirs = socket.socketpair()
        lock = threading.Lock()
        lock.acquire()
        waits = (lambda: time.sleep(support.HANG), lambda: ours.recv(1), lock.acquire,
                 lambda: aio.wait(asyncio.sleep(support.HANG)))
        told = []

        def blocked(wait):
            try:
                told.append('waits')
                wait()
            except asyncio.CancelledError:
                time.sleep(0.001)  # the caller waits for the end of it
                told.append('cancelled')
                raise

        async def body():
            for wait in waits:
                task = asyncio.create_task(aio.run(blocked, wait))
                while 'waits' not in told:
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.assertEqual(told, ['waits', 'cancelled'])
                told.clear()
        self.run_in_loop(body())
        ours.close()
        theirs.close()

    def test_cancelled_before_it_began(self):
        async def body():
            task = asyncio.create_task(aio.run(told.append, 1))
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            future = asyncio.ensure_future(aio.run(told.append, 2))
            asyncio.get_running_loop().call_soon(future.cancel)
            with self.assertRaises(asyncio.CancelledError):
                await future
        told = []
        self.run_in_loop(body())
        self.assertEqual(told, [])

    def test_may_refuse_to_be_cancelled(self):
        def stubborn():
            told.append('waits')
            try:
                time.sleep(support.HANG)
            except asyncio.CancelledError:
                return 'stayed'

        async def body():
            task = asyncio.create_task(aio.run(stubborn))
            while not told:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            self.assertEqual(await task, 'stayed')
        told = []
        self.run_in_loop(body())

    def test_timeout(self):
        async def body():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(aio.run(time.sleep, support.HANG), 0.01)
        self.run_in_loop(body())

    def test_wait(self):
        async def add(a, b):
            await asyncio.sleep(0.001)
            return a + b

        async def fail():
            raise KeyError(1)

        def blocking():
            self.assertEqual(aio.wait(add(1, 2)), 3)
            with self.assertRaises(KeyError):
                aio.wait(fail())
            with self.assertRaises(TypeError):
                aio.wait(3)
            return aio.wait(aio.run(lambda: aio.wait(add(3, 4))))

        async def body():
            self.assertEqual(await aio.run(blocking), 7)
            future = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(aio.run(aio.wait, future))
            await asyncio.sleep(0)
            future.set_result('done')
            self.assertEqual(await task, 'done')
            self.assertEqual(await aio.run(aio.wait, future), 'done')
        self.run_in_loop(body())

    def test_wait_with_timeout(self):
        async def forever():
            try:
                await asyncio.sleep(support.HANG)
            finally:
                told.append('ended')

        def blocking():
            with self.assertRaises(asyncio.TimeoutError):
                aio.wait(forever(), 0.01)
            self.assertEqual(told, ['ended'])
            return aio.wait(asyncio.sleep(0, 'slept'), timeout=support.HANG)

        async def body():
            self.assertEqual(await aio.run(blocking), 'slept')
        told = []
        self.run_in_loop(body())

    def test_wait_would_hang(self):
        async def body():
            with self.assertRaisesRegex(RuntimeError, 'use await'):
                aio.wait(asyncio.sleep(0))
            asyncio.get_running_loop().call_soon(callback)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.assertEqual(len(told), 1)

        def callback():
            with self.assertRaisesRegex(RuntimeError, 'use await'):
                aio.wait(asyncio.sleep(0))
            told.append(True)
        told = []
        self.run_in_loop(body())

    def test_without_a_loop(self):
        with self.assertRaisesRegex(RuntimeError, 'asyncio.run'):
            aio.run(print).send(None)
        with self.assertRaisesRegex(RuntimeError, 'asyncio.run'):
            aio.wait(asyncio.sleep(0))

        async def body():
            thread = threading.Thread(target=self.check_thread, args=(told,))
            thread.start()
            await aio.run(thread.join)
        told = []
        self.run_in_loop(body())
        self.assertEqual(told, [True])

    def check_thread(self, told):
        """The loop of another thread is not ours."""
        with self.assertRaisesRegex(RuntimeError, 'asyncio.run'):
            aio.wait(asyncio.sleep(0))
        told.append(True)

    def test_loop_in_a_green_thread(self):
        def in_thread(number):
            async def body():
                return await asyncio.gather(*(aio.run(nested, k) for k in range(20)))

            def nested(k):
                time.sleep(0.001)
                return k + aio.wait(asyncio.sleep(0.001, number))
            self.assertEqual(self.run_in_loop(body()), [k + number for k in range(20)])
        with support.Crew() as crew:
            crew.start_many(5, in_thread)

    def test_debug_mode(self):
        async def body():
            asyncio.get_running_loop().set_debug(True)
            self.assertEqual(await aio.run(lambda: aio.wait(asyncio.sleep(0.001, 1))), 1)
        self.run_in_loop(body())

    def test_nothing_is_kept(self):
        class Thing:
            pass

        async def body():
            thing = Thing()
            gone = weakref.ref(thing)
            await aio.run(lambda it: time.sleep(0.001), thing)
            del thing
            gc.collect()
            self.assertIs(gone(), None)
        self.run_in_loop(body())

    def test_ctrl_c_does_not_lose_the_others(self):
        """What the main flow raises while tasks have their turn leaves the bridge in order."""
        async def body():
            loop = asyncio.get_running_loop()
            tasks = [asyncio.create_task(aio.run(time.sleep, 0.01)) for _ in range(5)]
            loop.call_later(0.005, self.interrupt)
            await asyncio.gather(*tasks)
            told.append('all')
        told = []
        loop = self.new_loop()
        task = loop.create_task(body())
        with self.assertRaises(KeyboardInterrupt):
            loop.run_until_complete(task)
        loop.run_until_complete(task)
        loop.close()
        self.assertEqual(told, ['all'])

    @staticmethod
    def interrupt():
        raise KeyboardInterrupt


@unittest.skipUnless(uvloop, 'no uvloop')
class Uvloop(Asyncio):
    @staticmethod
    def new_loop():
        return uvloop.new_event_loop()


def load_tests(loader, tests, pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case)
                              for case in ([Asyncio, Uvloop] if support.GREEN else [Plain]))


if __name__ == '__main__':
    support.main()
