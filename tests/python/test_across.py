# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""syncless.across: every side gives to and takes from every other, waits with it, and gives up without loss.

The sides' loops run in threads of one process, all at once: kernel threads
natively, green ones under the preload.
"""
import collections
import contextlib
import importlib
import importlib.util
import itertools
import os
import re
import threading
import unittest
import warnings

import across_sides
import support
from across_sides import Cancelled, across

SHORT = 0.002  # seconds; what ends so is right either way

running = {}  # sides by name
missing = {}


def here(side):
    """Can it be had?  Without greenlet and the preload there are no coroutines, without the library no side."""
    if side is across_sides.Coroutines:
        return support.GREEN and importlib.util.find_spec('greenlet')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            importlib.import_module(across_sides.MODULES.get(side.name, 'threading'))
    except ImportError:
        return False
    return True


def look_over():
    if 'coroutines' in running:
        from syncless import _glue
        _glue.verify()


def setUpModule():  # noqa: N802
    stack = contextlib.ExitStack()
    unittest.addModuleCleanup(look_over)
    unittest.addModuleCleanup(stack.close)
    for side in (across_sides.Threads, across_sides.Natives, across_sides.Coroutines, across_sides.Asyncio,
                 across_sides.Uvloop, across_sides.Twisted, across_sides.Gevent, across_sides.Eventlet,
                 across_sides.Glib, across_sides.Qt):
        if here(side):
            running[side.name] = stack.enter_context(side())
        else:
            missing[side.name] = side


def put_all(queue, items):
    for item in items:
        yield 'put', queue, item


def get_all(queue, count):
    found = []
    for _ in range(count):
        found.append((yield 'get', queue))
    return found


def get_until_closed(queue, found, timeout=None):
    while True:
        try:
            found.append((yield 'get', queue, timeout))
        except across.Empty:
            pass
        except across.Closed:
            return


class Sides(unittest.TestCase):
    def each(self, test, can_cancel=False):
        for name, side in running.items():
            if side.can_cancel or not can_cancel:
                with self.subTest(name):
                    test(side)

    def test_who_is_here(self):
        if missing:
            self.skipTest('no ' + ', '.join(missing))

    def test_items_in_order(self):
        for one, other in itertools.product(running.values(), repeat=2):
            with self.subTest(f'{one.name} to {other.name}'):
                queue = across.Queue(3)
                taker = other.start(get_all(queue, 50))
                giver = one.start(put_all(queue, range(50)))
                self.assertEqual(taker.result(), list(range(50)))
                giver.result()
                self.assertTrue(queue.empty())

    def test_an_event_wakes_all(self):
        def wait(event):
            return (yield 'wait', event)

        def say(event, ready, count):
            for _ in range(count):
                yield 'get', ready
            event.set()

        def tell_and_wait(event, ready):
            ready.put(1)
            return (yield 'wait', event)

        def check(teller):
            event, ready = across.Event(), across.Queue()
            waiting = [side.start(tell_and_wait(event, ready)) for side in running.values() for _ in range(3)]
            teller.start(say(event, ready, len(waiting))).result()
            self.assertEqual([one.result() for one in waiting], [True] * len(waiting))
            self.assertTrue(teller.start(wait(event)).result())
            event.clear()
            self.assertFalse(event.is_set())
        self.each(check)

    def test_timeouts(self):
        def script(queue, event):
            told = []
            for timeout in (SHORT, 0, -1):
                try:
                    yield 'get', queue, timeout
                except across.Empty:
                    told.append('empty')
            yield 'put', queue, 1
            for timeout in (SHORT, 0, -1):
                try:
                    yield 'put', queue, 2, timeout
                except across.Full:
                    told.append('full')
            told.append((yield 'wait', event, SHORT))
            told.append((yield 'get', queue, support.HANG))
            return told

        def check(side):
            told = side.start(script(across.Queue(1), across.Event())).result()
            self.assertEqual(told, ['empty'] * 3 + ['full'] * 3 + [False, 1])
        self.each(check)

    def test_close(self):
        def check(side):
            queue, full, found = across.Queue(), across.Queue(1), []
            queue.put('last')
            full.put('there')
            getter = side.start(get_until_closed(queue, found))
            putter = side.start(put_all(full, ['too late']))
            support.wait_until(lambda: queue._getters and full._putters)
            queue.close()
            full.close()
            getter.result()
            self.assertEqual(found, ['last'])
            with self.assertRaises(across.Closed):
                putter.result()
            self.assertEqual(full.get(), 'there')
            with self.assertRaises(across.Closed):
                full.get_nowait()
            with self.assertRaises(across.Closed):
                full.put_nowait(1)
            for queue in full, across.Queue():
                queue.close()
                with self.assertRaises(across.Closed):
                    side.start(put_all(queue, [1])).result()
        self.each(check)

    def test_cancelled_before_it_hears_of_its_item(self):
        """In one piece, in the loop of whoever waits, which so cannot run: an item is put, and the wait cancelled."""
        def check(side):
            for count in 1, 2:
                queue = across.Queue()
                waiting = [side.start(get_all(queue, 1)) for _ in range(count)]
                support.wait_until(lambda: len(queue._getters) == count)

                def at_once():
                    queue.put_nowait('one')
                    waiting[0].cancel_now()
                side.orders.put(('call', at_once))
                try:
                    self.assertEqual(waiting[0].result(), ['one'])
                    queue.put_nowait('another')
                except Cancelled:
                    pass
                if count == 2:
                    waiting[1].result()
                else:
                    queue.get(support.HANG)
                self.assertTrue(queue.empty())
        self.each(check, can_cancel=True)

    def test_cancelled_before_it_hears_of_its_place(self):
        def check(side):
            queue = across.Queue(1)
            queue.put('first')
            waiting = [side.start(put_all(queue, [name])) for name in ('cancelled', 'next')]
            support.wait_until(lambda: len(queue._putters) == 2)

            def at_once():
                self.assertEqual(queue.get_nowait(), 'first')
                waiting[0].cancel_now()
            side.orders.put(('call', at_once))
            with contextlib.suppress(Cancelled):
                waiting[0].result()
                self.assertEqual(queue.get(support.HANG), 'cancelled')
            self.assertEqual(queue.get(support.HANG), 'next')
            waiting[1].result()
            self.assertEqual((queue.qsize(), queue._promised), (0, 0))
        self.each(check, can_cancel=True)

    def test_a_cancelled_wait_leaves_the_line(self):
        def wait(event):
            yield 'wait', event

        def check(side):
            queue, event = across.Queue(1), across.Event()
            waiting = [side.start(get_all(queue, 1)), side.start(wait(event))]
            support.wait_until(lambda: queue._getters and event._waits)
            for one in waiting:
                one.cancel()
                with self.assertRaises(Cancelled):
                    one.result()
            self.assertFalse(queue._getters or event._waits)
        self.each(check, can_cancel=True)

    def test_nothing_is_lost_when_everybody_gives_up(self):
        """Getters that are cancelled and timed out, putters that are: each item that was put is had once."""
        def check(giver):
            queue, accepted, found = across.Queue(2), [], collections.defaultdict(list)
            takers = [side.start(get_until_closed(queue, found[side.name, i], SHORT if i % 2 else None))
                      for side in running.values() for i in range(2)]

            def give(n):
                for i in range(40):
                    while True:
                        with contextlib.suppress(across.Full):
                            yield 'put', queue, (n, i), SHORT
                            break
                    accepted.append((n, i))
            givers = [giver.start(give(n)) for n in range(3)]
            # These come, wait, and are cancelled at some time or other, or have been served before.
            for turn in range(10):
                for side in running.values():
                    if side.can_cancel:
                        extra = found[side.name, 'extra', turn]
                        one = side.start(get_until_closed(queue, extra))
                        one.cancel()
                        takers.append(one)
            for one in givers:
                one.result()
            support.wait_until(lambda: queue.empty() and sum(map(len, found.values())) == len(accepted))
            queue.close()
            for one in takers:
                with contextlib.suppress(Cancelled):
                    one.result()
            had = collections.Counter(item for items in found.values() for item in items)
            self.assertEqual(had, collections.Counter(accepted))
            self.assertEqual((queue._promised, len(queue._getters), len(queue._putters)), (0, 0, 0))
        self.each(check)

    def test_everybody_at_once(self):
        queue, found = across.Queue(3), collections.defaultdict(list)
        takers = [side.start(get_until_closed(queue, found[side.name])) for side in running.values()]
        givers = [side.start(put_all(queue, [(side.name, i) for i in range(30)])) for side in running.values()]
        for one in givers:
            one.result()
        queue.close()
        for one in takers:
            one.result()
        had = [item for items in found.values() for item in items]
        self.assertEqual(sorted(had), sorted((name, i) for name in running for i in range(30)))
        for items in found.values():  # what one has put is in its order, also at each of those that have it
            for name in running:
                mine = [i for giver, i in items if giver == name]
                self.assertEqual(mine, sorted(mine))


class Alone(unittest.TestCase):
    def test_plain_use(self):
        queue = across.Queue(2)
        queue.put(1)
        queue.put_nowait(2)
        self.assertEqual((queue.qsize(), queue.full(), queue.empty(), queue.closed), (2, True, False, False))
        with self.assertRaises(across.Full):
            queue.put_nowait(3)
        self.assertEqual((queue.get(), queue.get_nowait()), (1, 2))
        with self.assertRaises(across.Empty):
            queue.get_nowait()
        with self.assertRaises(ValueError):
            queue.get(float('nan'))
        queue.close()
        queue.close()
        self.assertTrue(queue.closed)

    def test_a_library_that_is_not_imported(self):
        code = f'''
import sys
sys.path.insert(0, {support.ROOT + "/pyglue"!r})
from syncless import across
for thing in across.Queue(), across.Event():
    for name in 'asyncio', 'twisted', 'gevent', 'eventlet', 'glib', 'qt':
        try:
            getattr(thing, name)
        except RuntimeError as error:
            assert 'imported' in str(error), error
        else:
            raise AssertionError(name)
assert not {{'asyncio', 'twisted', 'gevent', 'eventlet', 'gi', 'greenlet'}} & sys.modules.keys()
'''
        run = support.run_python('-c', code)
        self.assertEqual((run.returncode, run.stderr), (0, ''))

    def test_a_loop_that_is_closed(self):
        """Its waits are nobody's any more: the next one in line is served."""
        import asyncio
        queue = across.Queue()
        loop = asyncio.new_event_loop()
        task = loop.create_task(queue.asyncio.get())
        loop.run_until_complete(asyncio.sleep(0))
        self.assertEqual(len(queue._getters), 1)
        loop.close()
        found = []
        thread = threading.Thread(target=lambda: found.append(queue.get()))
        thread.start()
        support.wait_until(lambda: len(queue._getters) == 2)
        queue.put('item')
        thread.join()
        self.assertEqual(found, ['item'])
        task.get_coro().close()
        task._log_destroy_pending = False

    def test_wait_for_of_asyncio(self):
        import asyncio

        async def body():
            queue = across.Queue()
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(queue.asyncio.get(), SHORT)
            queue.put_nowait(1)
            self.assertEqual(await queue.asyncio.get(), 1)
        asyncio.run(body())

    def test_imported_by_a_program_that_is_patched(self):
        """Its locks are the threads', not the hub's."""
        for library, patch in (('gevent', 'gevent.monkey.patch_all()'), ('eventlet', 'eventlet.monkey_patch()')):
            with self.subTest(library):
                if not importlib.util.find_spec(library):
                    self.skipTest(f'no module {library}')
                code = f'''
import sys, warnings
warnings.simplefilter('ignore')
sys.path.insert(0, {support.ROOT + "/pyglue"!r})
import {library}{".monkey" if library == "gevent" else ""}
{patch}
from syncless import across
lock = across._allocate_lock()
assert (type(lock).__module__, type(lock).__name__) == ('_thread', 'lock'), type(lock)
queue = across.Queue(1)
one = {library}.spawn(queue.{library}.get)
other = {library}.spawn(lambda: [queue.{library}.put(i) for i in range(3)])
{library}.sleep(0.001)
print(one.{"get" if library == "gevent" else "wait"}(), queue.{library}.get(), queue.{library}.get())
'''
                run = support.run_python('-c', code)
                self.assertEqual((run.returncode, run.stdout), (0, '0 1 2\n'), run.stderr)

    @unittest.skipUnless(support.GREEN, 'its coroutines need the preload')
    def test_the_example_of_the_page(self):
        if not importlib.util.find_spec('gevent'):
            self.skipTest('no gevent')
        with open(os.path.join(support.ROOT, 'docs', 'across.md'), encoding='utf-8') as file:
            (code,) = re.findall(r'```python\n(.*?)```', file.read(), re.S)
        run = support.run_python('-c', code, env=support.same_env(PYTHONPATH=os.path.join(support.ROOT, 'pyglue')))
        self.assertEqual((run.returncode, run.stderr), (0, ''))
        self.assertEqual(run.stdout, 'cooked soup\ncooked fish\ncooked tea\nall done\n')


if __name__ == '__main__':
    warnings.simplefilter('ignore', DeprecationWarning)
    support.main()
