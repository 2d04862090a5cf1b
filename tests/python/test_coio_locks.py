# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
# timeout: 60
"""coio's locks, queues and locals, between coroutines, green threads and kernel threads.

What is the standard library's own is tested by CPython's suites; here are the
differences: owners, and waiters that are killed when their turn has come.
"""
import gc
import queue
import unittest
import weakref

import support
from coroutines import _glue, coio, until


def waiting(fn, *args):
    co = until(coio.spawn(fn, *args))
    assert co.alive, 'it should wait'
    return co


def kill_after(first, wake):
    wake()
    first.kill()


def kill_before(first, wake):
    first.kill(block=False)
    wake()
    first.join()


def one_has_it(kill, wait, wake):
    """Two wait.  What the first waits for comes, and it is killed before it runs: one of them has it."""
    first, second = waiting(wait), waiting(wait)
    kill(first, wake)
    if first.successful():
        assert until(second).alive, 'both have it'
        second.kill()
    else:
        second.get(support.HANG)


kills = kill_after, kill_before


class Kinds:
    """fn runs as all that can wait: in coroutines, a green thread and a kernel thread."""

    def __init__(self, *fns):
        self.crew = support.Crew()
        self.cos = [coio.spawn(fn, 'coroutine') for fn in fns for _ in range(2)]
        for fn in fns:
            self.crew.start(fn, 'green thread')
            with support.native_threads():
                self.crew.start(fn, 'kernel thread')

    def join(self):
        for co in self.cos:
            co.get(support.HANG)
        self.crew.join()


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Locks(unittest.TestCase):
    def tearDown(self):
        _glue.verify()

    def test_rlock_tells_coroutines_apart(self):
        lock = coio.RLock()
        order = []

        def body(name):
            with lock:
                with lock:
                    order.append(name)
                    coio.sleep()
                order.append(name)
                coio.sleep()

        coio.joinall([coio.spawn(body, name) for name in 'abc'], raise_error=True)
        self.assertEqual(''.join(order), 'aabbcc')

    def test_rlock_is_its_owners(self):
        lock = coio.RLock()
        lock.acquire()

        def others():
            self.assertFalse(lock.acquire(False) or lock.acquire(timeout=0.001))
            self.assertRaises(RuntimeError, lock.release)

        coio.spawn(others).get()
        lock.release()
        self.assertRaises(RuntimeError, lock.release)

    def test_rlock_excludes_all_kinds(self):
        lock = coio.RLock()
        inside = []

        def body(kind):
            for _ in range(20):
                with lock, lock:
                    inside.append(kind)
                    coio.sleep(0.0001)
                    self.assertEqual(inside, [kind])
                    inside.pop()

        Kinds(body).join()

    def test_who_takes_it_again_at_once_does_not_keep_it(self):
        """Each is only ever run while the other has the lock, unless a release gives it away."""
        for lock in coio.Lock(), coio.RLock(), coio.Semaphore():
            turns = []

            def body(name):
                for _ in range(20):
                    with lock:
                        turns.append(name)
                        coio.sleep(0.0001)

            coio.joinall([coio.spawn(body, name) for name in 'ab'], raise_error=True)
            self.assertLess(turns.index('b'), 10)
            self.assertLess(turns[::-1].index('a'), 10)

    def test_killed_owner_to_be(self):
        for kill in kills:
            for lock in coio.Lock(), coio.RLock(), coio.Semaphore(), coio.BoundedSemaphore():
                lock.acquire()
                one_has_it(kill, lock.acquire, lock.release)

    def test_killed_getter_of_an_item(self):
        for kill in kills:
            for jobs in coio.Queue(), coio.LifoQueue(), coio.PriorityQueue():
                one_has_it(kill, jobs.get, lambda jobs=jobs: jobs.put('item'))
                self.assertTrue(jobs.empty())

    def test_killed_putter_into_a_gap(self):
        for kill in kills:
            jobs = coio.Queue(1)
            jobs.put(0)
            one_has_it(kill, lambda jobs=jobs: jobs.put(1), jobs.get)
            self.assertEqual(jobs.get(), 1)

    def test_timeout_of_a_getter(self):
        jobs = coio.Queue()
        self.assertRaises(coio.Empty, jobs.get, timeout=0.001)
        self.assertRaises(queue.Empty, jobs.get_nowait)
        with coio.Timeout(0.001, silent=True):
            jobs.get()
        other = waiting(jobs.get)
        jobs.put('item')
        self.assertEqual(other.get(support.HANG), 'item')

    def test_semaphore(self):
        for make in coio.Semaphore, coio.BoundedSemaphore:
            self.assertRaises(ValueError, make, -1)
            semaphore = make(2)
            self.assertTrue(semaphore.acquire() and semaphore.acquire(False))
            self.assertFalse(semaphore.acquire(False) or semaphore.acquire(timeout=0)
                             or semaphore.acquire(timeout=0.001))
            self.assertRaises(ValueError, semaphore.acquire, False, 1)
            self.assertRaises(ValueError, semaphore.release, 0)
            waiters = [waiting(semaphore.acquire) for _ in range(3)]
            semaphore.release(2)
            self.assertEqual(coio.wait(waiters, count=2), waiters[:2])
            with coio.Timeout(0.001, silent=True):
                semaphore.acquire()
            waiters[2].kill()
            semaphore.release(2)
            if make is coio.BoundedSemaphore:
                self.assertRaises(ValueError, semaphore.release)
            with semaphore, semaphore:
                self.assertFalse(semaphore.acquire(False))

    def test_semaphore_between_all_kinds(self):
        semaphore, inside = coio.Semaphore(2), []

        def body(kind):
            for _ in range(20):
                with semaphore:
                    inside.append(kind)
                    coio.sleep(0.0001)
                    self.assertLessEqual(len(inside), 2)
                    inside.remove(kind)

        Kinds(body).join()

    def test_queue_between_all_kinds(self):
        jobs, done = coio.Queue(3), coio.Queue()

        def produce(kind):
            for i in range(50):
                jobs.put((kind, i))

        def consume(_):
            while True:
                job = jobs.get()
                if job is None:
                    break
                done.put(job)
                jobs.task_done()

        consumers, producers = Kinds(consume), Kinds(produce)
        producers.join()
        jobs.join()
        for _ in range(4):
            jobs.put(None)
        consumers.join()
        found = [done.get_nowait() for _ in range(200)]
        kinds = ('coroutine', 'coroutine', 'green thread', 'kernel thread')
        self.assertEqual(sorted(found), sorted((kind, i) for kind in kinds for i in range(50)))

    def test_event_and_barrier_between_all_kinds(self):
        event, barrier = coio.Event(), coio.Barrier(5)

        def body(_):
            event.wait()
            barrier.wait()

        kinds = Kinds(body)
        until(kinds.cos[-1])
        event.set()
        barrier.wait(support.HANG)
        kinds.join()


@unittest.skipUnless(support.GREEN, 'needs the preload')
class Condition(unittest.TestCase):
    def tearDown(self):
        _glue.verify()

    def test_between_all_kinds(self):
        condition, turns = coio.Condition(), []

        def body(kind):
            with condition:
                turns.append(kind)
                condition.notify_all()
                condition.wait_for(lambda: len(turns) == 8)

        Kinds(body, body).join()

    def test_its_lock_is_held_by_one(self):
        condition = coio.Condition()
        with condition:
            other = until(coio.spawn(condition.acquire, False))
            self.assertIs(other.get(), False)
            self.assertIs(condition.wait(0.001), False)
            self.assertIs(condition.wait(0), False)
        self.assertRaises(RuntimeError, condition.wait)
        self.assertRaises(RuntimeError, condition.notify)

    def test_notify_wakes_one(self):
        condition = coio.Condition()

        def body():
            with condition:
                return condition.wait()

        first, second = waiting(body), waiting(body)
        with condition:
            condition.notify()
        self.assertIs(first.get(), True)
        self.assertTrue(until(second).alive)
        second.kill()

    def test_killed_waiter(self):
        condition = coio.Condition()
        held = []

        def body():
            with condition:
                try:
                    condition.wait()
                finally:
                    held.append(condition._is_owned())

        first, second = waiting(body), waiting(body)
        first.kill()
        self.assertEqual(held, [True])
        self.assertTrue(until(second).alive)  # nobody has notified it
        with condition:
            condition.notify()
        second.get(support.HANG)

    def test_killed_waiter_that_is_notified(self):
        for kill in kills:
            condition = coio.Condition()

            def wait():
                with condition:
                    condition.wait()

            def wake():
                with condition:
                    condition.notify()

            one_has_it(kill, wait, wake)

    def test_killed_waiter_that_is_notified_later(self):
        """It is on its way out, and waits for the lock, when the notice comes."""
        condition = coio.Condition()

        def wait():
            with condition:
                condition.wait()

        first, second = waiting(wait), waiting(wait)
        with condition:
            first.kill(block=False)
            self.assertTrue(until(first).alive)
            condition.notify()
        second.get(support.HANG)
        first.join()
        self.assertIsInstance(first.exception, coio.GreenletExit)

    def test_killed_between_notice_and_lock(self):
        """The notice has come, and the lock is still to be had."""
        condition = coio.Condition()

        def wait():
            with condition:
                condition.wait()

        first, second = waiting(wait), waiting(wait)
        with condition:
            condition.notify()
            self.assertTrue(until(first).alive)
            first.kill(block=False)
            self.assertTrue(until(first).alive)
        first.join()
        self.assertIsInstance(first.exception, coio.GreenletExit)
        second.get(support.HANG)

    def test_killed_while_others_have_the_lock(self):
        """First in its wait, then in taking the lock again."""
        condition = coio.Condition()

        def body():
            with condition:
                condition.wait()

        co = waiting(body)
        with condition:
            co.kill(block=False)
            self.assertTrue(until(co).alive)
            co.kill(block=False)
            self.assertTrue(until(co).alive)
        co.join()
        self.assertIsInstance(co.exception, coio.GreenletExit)
        self.assertTrue(condition.acquire(False))


class Counted(coio.local):
    kind = 'class'
    made = 0

    def __init__(self, start, step=1):
        type(self).made += 1
        self.value = start
        self.step = step

    @property
    def following(self):
        return self.value + self.step

    @following.setter
    def following(self, value):
        self.value = value - self.step


class Local(unittest.TestCase):
    """Plainly as well, where it is threading.local."""

    def all_kinds(self, fn):
        fn()
        with support.Crew() as crew:
            crew.start(fn)
            with support.native_threads():
                crew.start(fn)
            if support.GREEN:
                coio.joinall([coio.spawn(fn) for _ in range(2)], raise_error=True)

    def test_each_has_its_own(self):
        own = coio.local()
        values = iter(range(100))

        def body():
            self.assertFalse(hasattr(own, 'value'))
            own.value = value = next(values)
            for _ in range(3):
                if support.GREEN:
                    coio.sleep()
                self.assertEqual(own.value, value)
            self.assertEqual(vars(own), {'value': value})
            del own.value
            with self.assertRaisesRegex(AttributeError, "'local' object has no attribute 'value'"):
                own.value
            with self.assertRaises(AttributeError):
                del own.value
            with self.assertRaises(AttributeError):
                own.__dict__ = {}

        self.all_kinds(body)

    def test_subclass(self):
        Counted.made = 0
        own = Counted(10, step=5)
        self.assertEqual(Counted.made, 1)

        def body():
            self.assertEqual((own.value, own.following, own.kind), (10, 15, 'class'))
            own.following = 100
            own.kind = 'instance'
            self.assertEqual((own.value, own.kind, Counted.kind), (95, 'instance', 'class'))

        self.all_kinds(body)
        self.assertEqual(Counted.made, 5 if support.GREEN else 3)
        self.assertRaises(TypeError, coio.local, 1)

    def test_ends_with_either(self):
        class Value:
            pass

        own = coio.local()
        refs = []

        def body():
            own.value = value = Value()
            refs.append(weakref.ref(value))

        self.all_kinds(body)
        gc.collect()
        self.assertEqual([ref() for ref in refs[1:]], [None] * (len(refs) - 1))
        self.assertIsNotNone(refs[0]())
        del own, body
        gc.collect()
        self.assertIsNone(refs[0]())


if __name__ == '__main__':
    support.main()
