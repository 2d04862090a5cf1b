# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
"""Greenlets keep their own ways where the scheduler knows them: what the package's users count on.

The cases are those that the original asked of its emulation.  Every greenlet
is one that has waited, so the module in C has a record of it.
"""
import gc
import os
import sys
import time
import unittest
import weakref

from greenlet import GreenletExit, getcurrent, greenlet

import support

sys.path.insert(0, os.path.join(support.ROOT, 'pyglue'))
from syncless import coio  # noqa: E402

assert coio


class Failed(Exception):
    pass


def wait():
    """In a call of ours, or of libc."""
    time.sleep(0)


def until_switched(*values):
    """A greenlet's body: hands the values to its parent, one for each switch to it."""
    got = [getcurrent().parent.switch()]
    for value in values:
        wait()
        got.append(getcurrent().parent.switch(value))
    return got


class Greenlet(unittest.TestCase):
    def setUp(self):
        self.log = []

    def test_simple(self):
        def body():
            self.log.append(1)
            wait()
            getcurrent().parent.switch()
            self.log.append(3)

        g = greenlet(body)
        self.log.append(0)
        g.switch()
        self.log.append(2)
        g.switch()
        self.log.append(4)
        self.assertEqual(self.log, list(range(5)))
        self.assertTrue(g.dead)

    def test_values(self):
        g = greenlet(until_switched)
        g.switch('out', 'last')
        self.assertEqual(g.switch('a'), 'out')
        self.assertEqual(g.switch('b', 'c'), 'last')
        self.assertEqual(g.switch(key='d'), ['a', ('b', 'c'), {'key': 'd'}])

    def test_two_children(self):
        def body(name):
            self.log.append(name)
            wait()
            getcurrent().parent.switch()
            self.log.append(name)

        one, two = greenlet(body), greenlet(body)
        one.switch('a'), two.switch('b'), one.switch(), two.switch()
        self.assertEqual(''.join(self.log), 'abab')

    def test_two_recursive_children(self):
        def inner():
            self.log.append('inner')
            wait()
            getcurrent().parent.switch()

        def outer():
            self.log.append('outer')
            g = greenlet(inner)
            self.assertIs(g.parent, getcurrent())
            g.switch()
            self.log.append('outer')

        greenlet(outer).switch()
        self.assertEqual(self.log, ['outer', 'inner', 'outer'])

    def test_exception_goes_to_the_parent(self):
        def body():
            wait()
            raise Failed('here')

        self.assertRaises(Failed, greenlet(body).switch)

        def parent():
            try:
                greenlet(body).switch()
            except Failed as error:
                return error

        self.assertEqual(greenlet(parent).switch().args, ('here',))

    def test_throw(self):
        def body():
            try:
                wait()
                getcurrent().parent.switch('ready')
            except Failed as error:
                self.log.append(error.args)
                raise

        g = greenlet(body)
        self.assertEqual(g.switch(), 'ready')
        self.assertRaises(Failed, g.throw, Failed, 'thrown')
        self.assertEqual((self.log, g.dead), ([('thrown',)], True))
        new = greenlet(body)
        self.assertRaises(Failed, new.throw, Failed)
        self.assertTrue(new.dead)

    def test_throw_goes_up_the_chain(self):
        def middle():
            try:
                greenlet(lambda: getcurrent().parent.parent.switch()).switch()
            except Failed:
                self.log.append('middle')
                raise

        g = greenlet(middle)
        g.switch()
        self.assertRaises(Failed, g.throw, Failed)
        self.assertEqual(self.log, ['middle'])

    def test_exit(self):
        """GreenletExit comes back as a value."""
        g = greenlet(until_switched)
        g.switch()
        self.assertIsInstance(g.throw(), GreenletExit)
        self.assertTrue(g.dead)
        error = GreenletExit('with', 'arguments')
        self.assertIs(greenlet(wait).throw(error), error)

    def test_killed_when_nothing_refers_to_it(self):
        def body():
            try:
                wait()
                getcurrent().parent.switch()
            except GreenletExit:
                self.log.append('killed')
                raise

        g = greenlet(body)
        g.switch()
        del g
        gc.collect()
        self.assertEqual(self.log, ['killed'])

    def test_switches_while_it_is_killed(self):
        """What it does then goes to whoever deletes it."""
        def body():
            try:
                wait()
                getcurrent().parent.switch()
            except GreenletExit:
                self.log.append(getcurrent().parent)
                getcurrent().parent.switch('not yet')

        def end():
            me.append(getcurrent())
            holder.clear()

        me, holder = [], [greenlet(body)]
        holder[0].switch()

        greenlet(end).switch()
        self.assertIs(self.log[0], me[0])

    def test_parent(self):
        def body():
            return getcurrent().parent

        other = greenlet(until_switched)
        g = greenlet(body, other)
        self.assertIs(g.parent, other)
        g.parent = getcurrent()
        self.assertIs(g.switch(), getcurrent())
        self.assertRaises(ValueError, setattr, other, 'parent', greenlet(wait, other))
        self.assertRaises((TypeError, AttributeError), setattr, other, 'parent', 5)

    def test_dead(self):
        g = greenlet(wait)
        self.assertFalse(g or g.dead)
        g.switch()
        self.assertTrue(g.dead)
        self.assertFalse(g)
        self.assertEqual(g.switch('back here'), 'back here')

    def test_references(self):
        def body():
            getcurrent().parent.switch()

        for _ in range(3):
            one = greenlet(body)
            one.switch()
            ref = weakref.ref(one)
            del one
            gc.collect()
            self.assertIsNone(ref())

    def test_circular_references(self):
        class Holder(greenlet):
            pass

        pair = [Holder(until_switched), Holder(until_switched)]
        for g, other in zip(pair, reversed(pair)):
            g.other = other
        refs = [weakref.ref(g) for g in pair]
        del g, other, pair
        gc.collect()
        self.assertEqual([ref() for ref in refs], [None, None])


if __name__ == '__main__':
    support.main()
