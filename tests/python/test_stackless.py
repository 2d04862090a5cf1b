# SPDX-License-Identifier: Apache-2.0
# needs: greenlet
"""Tasklets: what Stackless Python's manual and the tests of the Syncless of 2010 say.

Without the preload the module can be imported, and says what to do when it is used.
"""
import builtins
import contextvars
import gc
import os
import socket
import sys
import threading
import time
import traceback
import unittest
import weakref

import support
import tasklets
from tasklets import stackless


class Plain(unittest.TestCase):
    def test_says_what_to_do(self):
        channel = stackless.channel()
        for call in (stackless.schedule, stackless.getcurrent, stackless.getruncount, stackless.run,
                     stackless.tasklet(print), channel.receive, lambda: channel.send(1)):
            with self.assertRaisesRegex(RuntimeError, 'syncless run'):
                call()


class Module(tasklets.Case):
    def test_old_names(self):
        import stackless as top_level
        import syncless.greenstackless
        from syncless.best_stackless import stackless as best
        for module in (top_level, syncless.greenstackless, best):
            self.assertIs(module, stackless)
        self.assertIs(builtins.TaskletExit, stackless.TaskletExit)
        self.assertTrue(issubclass(stackless.TaskletExit, SystemExit))
        self.assertTrue(stackless.is_greenstackless)

    def test_a_real_one_is_left_alone(self):
        run = support.run_python('-c', f'import sys; sys.modules["stackless"] = real = object()\n'
                                       f'sys.path.insert(0, {sys.path[0]!r})\n'
                                       'import syncless.stackless\n'
                                       'assert sys.modules["stackless"] is real')
        self.assertEqual((run.returncode, run.stderr), (0, ''))

    def test_live_attributes(self):
        def look():
            self.log += [stackless.current, stackless.main]
        one = stackless.tasklet(look)()
        self.assertEqual(stackless.runcount, 2)
        stackless.schedule()
        self.assertEqual(self.log, [one, stackless.getmain()])
        self.assertIs(stackless.current, stackless.getcurrent())
        self.assertIs(stackless.main, stackless.getmain())
        self.assertTrue(stackless.main.is_main)
        self.assertFalse(one.is_main)
        with self.assertRaises(AttributeError):
            stackless.no_such_name


class Runnables(tasklets.Case):
    def test_round_robin(self):
        for name in 'ABC':
            self.teller(name, 3)
        self.assertEqual(stackless.getruncount(), 4)
        for _ in range(4):
            self.log.append('m')
            stackless.schedule()
        self.assertEqual(''.join(self.log), 'mABCmABCmABCm')

    def test_ring(self):
        main = stackless.getmain()
        self.assertIs(main.next, main)
        self.assertIs(main.prev, main)
        a, b = self.teller('A'), self.teller('B')
        self.assertEqual([main.next, a.next, b.next], [a, b, main])
        self.assertEqual([main.prev, a.prev, b.prev], [b, main, a])
        stackless.run()
        self.assertIs(a.next, None)

    def test_remove_and_insert(self):
        a, b = self.teller('A'), self.teller('B')
        self.assertIs(a.remove(), a)
        self.assertFalse(a.scheduled)
        self.assertTrue(a.paused)
        self.assertIs(a.remove(), a)
        stackless.schedule()
        self.assertEqual(self.log, ['B'])
        self.assertIs(a.insert(), a)
        self.assertIs(a.insert(), a)
        self.assertEqual(stackless.getruncount(), 2)
        stackless.run()
        self.assertEqual(self.log, ['B', 'A'])
        self.assertFalse(b.alive)

    def test_run_goes_on_behind_the_target(self):
        a, b, c = (self.teller(name, 2) for name in 'ABC')
        b.run()
        self.log.append('m')
        stackless.schedule()
        self.log.append('m')
        stackless.run()
        self.assertEqual(''.join(self.log), 'BCmABCmA')
        del a, c

    def test_run_of_one_removed_returns_directly(self):
        a, b = self.teller('A'), self.teller('B')
        b.remove().run()
        self.assertEqual(self.log, ['B'])
        stackless.run()
        self.assertEqual(self.log, ['B', 'A'])
        del a

    def test_switch(self):
        main = stackless.getmain()

        def back():
            self.log += ['B', main.scheduled]
            main.insert()
        self.teller('A')
        stackless.tasklet(back)().switch()
        self.assertEqual(self.log, ['B', False, 'A'])

    def test_errors(self):
        dead, unbound, channel = self.teller('A'), stackless.tasklet(), stackless.channel()
        stackless.run()
        blocked = self.receiver(channel)
        stackless.schedule()
        for one in (dead, unbound, blocked):
            for method in (one.insert, one.run):
                with self.assertRaises(RuntimeError):
                    method()
        for one in (blocked, stackless.getcurrent()):
            with self.assertRaises(RuntimeError):
                one.remove()
        self.assertIs(dead.remove(), dead)
        channel.send(1)

    def test_states(self):
        one = stackless.tasklet(stackless.schedule_remove)
        states = []

        def look():
            states.append((one.alive, one.scheduled, one.blocked, one.is_current))
        look()
        one(None)
        look()
        stackless.schedule()
        look()
        one.run()
        look()
        self.assertEqual(states, [(False, False, False, False), (True, True, False, False),
                                  (True, False, False, False), (False, False, False, False)])
        main = stackless.getmain()
        self.assertEqual((main.alive, main.scheduled, main.is_current), (True, True, True))

    def test_waiting_is_not_scheduled(self):
        ours, theirs = socket.socketpair()
        one = stackless.tasklet(lambda: self.log.append(ours.recv(10)))()
        stackless.schedule()
        self.assertEqual((one.alive, one.scheduled, one.blocked), (True, False, False))
        theirs.sendall(b'words')
        stackless.run()
        self.assertEqual(self.log, [b'words'])
        ours.close()
        theirs.close()


class Binding(tasklets.Case):
    def test_late_call(self):
        one = stackless.tasklet()
        with self.assertRaises(TypeError):
            one()
        self.assertIs(one.bind(self.log.append), one)
        self.assertFalse(one.alive)
        with self.assertRaises(RuntimeError):
            one.insert()
        self.assertIs(one('called'), one)
        with self.assertRaises(TypeError):
            one('twice')
        with self.assertRaises(RuntimeError):
            one.bind(print)
        stackless.run()
        self.assertEqual(self.log, ['called'])

    def test_late_insert(self):
        one = stackless.tasklet(self.log.append).bind(args=('bound',))
        self.assertTrue(one.alive)
        self.assertFalse(one.scheduled)
        stackless.schedule()
        self.assertEqual(self.log, [])
        one.insert()
        stackless.run()
        one = stackless.tasklet(lambda *args, **kwargs: self.log.append((args, kwargs)), (1,), {'a': 2})
        one.run()
        self.assertEqual(self.log, ['bound', ((1,), {'a': 2})])

    def test_second_life(self):
        one = self.teller('A')
        stackless.run()
        with self.assertRaises(TypeError):
            one()
        one.bind(self.log.append)('again')
        stackless.run()
        self.assertEqual(self.log, ['A', 'again'])

    def test_nothing_else_can_be_bound(self):
        with self.assertRaises(TypeError):
            stackless.tasklet(3)

    def test_context_is_that_of_the_caller(self):
        variable = contextvars.ContextVar('variable')
        variable.set('outer')

        def body():
            self.log.append(variable.get())
            variable.set('inner')
        stackless.tasklet(body)()
        variable.set('later')
        stackless.run()
        self.assertEqual((self.log, variable.get()), (['outer'], 'later'))

    def test_ended_ones_go(self):
        class Thing:
            pass
        thing = Thing()
        gone = weakref.ref(thing)
        one = stackless.tasklet(lambda _: stackless.schedule())(thing)
        gone_too = weakref.ref(one)
        stackless.run()
        del thing
        self.assertIs(gone(), None)
        del one
        gc.collect()
        self.assertIs(gone_too(), None)


class Values(tasklets.Case):
    def test_schedule_returns(self):
        main = stackless.getmain()
        self.assertEqual(stackless.schedule(5), 5)
        self.assertIs(stackless.schedule(None), None)
        self.assertIs(stackless.schedule(), main)

    def test_tempval(self):
        def body():
            self.log.append(stackless.schedule('own'))
            self.log.append(stackless.schedule_remove('own'))
        one = stackless.tasklet(body)()
        stackless.schedule()
        self.assertEqual(one.tempval, 'own')
        one.tempval = 'given'
        stackless.schedule()
        self.assertEqual(self.log, ['given'])
        one.tempval = 'given later'
        one.insert()
        stackless.run()
        self.assertEqual(self.log, ['given', 'given later'])

    def test_bomb_in_tempval(self):
        def body():
            for wait in (stackless.schedule, stackless.schedule_remove):
                try:
                    wait()
                except KeyError as error:
                    self.log.append(error.args)
        one = stackless.tasklet(body)()
        for value in (stackless.bomb(KeyError, 'text'), stackless.bomb((KeyError, KeyError(1, 2), None))):
            stackless.schedule()
            one.tempval = value
            one.insert()
        stackless.run()
        self.assertEqual(self.log, [('text',), (1, 2)])

    def test_bomb_has_a_traceback(self):
        def fails_here():
            raise KeyError(1)
        try:
            fails_here()
        except KeyError:
            stackless.getcurrent().tempval = bomb = stackless.bomb(*sys.exc_info())
        self.assertIs(bomb.type, KeyError)
        channel = stackless.channel()
        self.sender(channel, bomb)
        try:
            channel.receive()
        except KeyError:
            self.assertIn('fails_here', traceback.format_exc())
        else:
            self.fail('it did not explode')
        stackless.run()

    def test_only_exceptions_explode(self):
        channel = stackless.channel()
        self.sender(channel, stackless.bomb(3))
        with self.assertRaises(TypeError):
            channel.receive()
        stackless.run()


class Exceptions(tasklets.Case):
    def waiter(self, name, wait=stackless.schedule_remove):
        def body():
            try:
                wait()
            except BaseException as error:
                self.log.append((name, type(error)))
                raise
        one = stackless.tasklet(body)()
        stackless.schedule()
        return one

    def test_kill(self):
        channel = stackless.channel()
        ours, theirs = socket.socketpair()
        lock = threading.Lock()
        lock.acquire()
        for wait in (stackless.schedule_remove, channel.receive, lambda: time.sleep(support.HANG),
                     lambda: ours.recv(1), lock.acquire):
            one = self.waiter('A', wait)
            one.kill()
            self.assertEqual(self.log, [('A', stackless.TaskletExit)])
            self.assertFalse(one.alive)
            self.log.clear()
            one.kill()
        self.assertEqual((channel.balance, channel.queue), (0, None))
        ours.close()
        theirs.close()

    def test_those_behind_come_next(self):
        """Not the caller, but for one that was removed before."""
        for name in 'AB':
            self.teller(name)
        c = self.teller('C', 9)
        d = self.teller('D')
        stackless.schedule()
        self.log.clear()
        e = self.teller('E')
        c.kill()
        self.log.append('m')
        stackless.run()
        self.assertEqual(self.log, ['E', 'm'])
        self.assertFalse(c.alive or d.alive or e.alive)

    def test_remove_and_kill_returns_directly(self):
        self.teller('A')
        one = self.teller('B')
        one.remove().kill()
        self.assertFalse(one.alive)
        self.assertEqual(self.log, [])
        stackless.run()
        self.assertEqual(self.log, ['A'])

    def test_one_not_begun_never_runs(self):
        one = self.teller('A')
        one.kill()
        with self.assertRaises(KeyError):
            self.teller('B').raise_exception(KeyError, 1)
        self.assertEqual((self.log, one.alive), ([], False))

    def test_pending(self):
        one = self.waiter('A')
        one.kill(pending=True)
        self.assertTrue(one.alive)
        self.assertEqual(self.log, [])
        stackless.schedule()
        self.assertEqual(self.log, [('A', stackless.TaskletExit)])

    def test_of_oneself(self):
        with self.assertRaises(KeyError) as caught:
            stackless.getcurrent().raise_exception(KeyError, 1, 2)
        self.assertEqual(caught.exception.args, (1, 2))
        with self.assertRaises(stackless.TaskletExit):
            stackless.getcurrent().kill()
        with self.assertRaises(TypeError):
            stackless.getcurrent().raise_exception(KeyError(1))

    def test_throw(self):
        def body():
            for _ in range(3):
                try:
                    stackless.schedule_remove()
                except KeyError as error:
                    self.log.append(error.args)
        one = stackless.tasklet(body)()
        stackless.schedule()
        one.throw(KeyError, 1)
        one.throw(KeyError, (1, 2))
        one.throw(KeyError('instance'))
        self.assertEqual(self.log, [(1,), (1, 2), ('instance',)])
        self.assertFalse(one.alive)

    def test_caught_and_lived_on(self):
        def body():
            try:
                stackless.schedule_remove()
            except stackless.TaskletExit:
                self.log.append('caught')
            self.log.append(stackless.schedule_remove('value'))
        one = stackless.tasklet(body)()
        stackless.schedule()
        one.kill()
        self.assertTrue(one.alive)
        one.run()
        self.assertEqual(self.log, ['caught', 'value'])

    def test_uncaught_goes_to_main(self):
        def fail(error):
            raise error
        for wait in (stackless.schedule, stackless.schedule_remove, lambda: time.sleep(support.HANG),
                     lambda: threading.Semaphore(0).acquire()):
            for error in (KeyError(1), SystemExit(3)):
                stackless.tasklet(fail)(error)
                bystander = self.teller('A', 2)
                try:
                    wait()
                except (KeyError, SystemExit) as caught:
                    self.assertIs(caught, error)
                    self.assertIn('in fail\n', traceback.format_exc())
                else:
                    self.fail('nothing was raised')
                self.assertEqual(self.log, [])  # main is the next to run
                bystander.kill()

    def test_uncaught_ends_the_program(self):
        run = support.run_python('-c', f'''
import sys; sys.path.insert(0, {sys.path[0]!r})
from syncless import stackless
def fails_here(): raise KeyError(1)
stackless.tasklet(fails_here)()
stackless.schedule_remove()
''')
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r'(?s)in schedule_remove.*fails_here.*KeyError: 1\n$')

    def test_uncaught_reaches_main_at_a_channel(self):
        def fail():
            raise KeyError(1)
        channel = stackless.channel()
        stackless.tasklet(fail)()
        helper = self.teller('A', 2)  # else it would be the last, whose error is lost
        with self.assertRaises(KeyError):
            channel.receive()
        self.assertEqual(channel.balance, 0)
        helper.kill()


class Elsewhere(tasklets.Case):
    def test_in_a_thread(self):
        """A green thread has runnables and a main tasklet of its own."""
        def body():
            main = stackless.getmain()
            self.assertIs(stackless.getcurrent(), main)
            self.assertIsNot(main, mine)
            self.assertEqual(stackless.getruncount(), 1)
            tell = self.teller('A', 3)
            stackless.schedule()
            self.assertEqual(tell.thread_id, threading.get_ident())
            stackless.run()

            def fail():
                raise KeyError(1)
            stackless.tasklet(fail)()
            with self.assertRaises(KeyError):
                stackless.run()
        mine = stackless.getmain()
        one = self.teller('B')
        with support.Crew() as crew:
            crew.start_many(5, lambda _: body())
        stackless.run()
        self.assertEqual(sorted(self.log), ['A'] * 15 + ['B'])
        del one

    def test_killed_from_a_thread(self):
        def body():
            with self.assertRaises(stackless.TaskletExit):
                stackless.schedule_remove()
            self.log.append('killed')
        one = stackless.tasklet(body)()
        stackless.schedule()
        thread = threading.Thread(target=one.kill)
        thread.start()
        thread.join()
        support.wait_until(lambda: self.log, 'the end of the tasklet')

    def test_inserted_from_a_thread(self):
        for insert in (stackless.tasklet.insert, stackless.tasklet.run):
            one = stackless.tasklet(lambda: self.log.append(stackless.schedule_remove('value')))()
            stackless.schedule()
            with support.Crew() as crew:
                crew.start(insert, one)
            stackless.run()
            self.assertEqual((self.log.pop(), one.alive), ('value', False))

    def test_fork(self):
        self.receiver(stackless.channel())
        self.teller('A', 2)
        stackless.schedule()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                one = stackless.tasklet(self.log.append)('child')
                stackless.run()
                code = 0 if self.log == ['A', 'child'] and not one.alive else 2
            finally:
                os._exit(code)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        stackless.run()
        stackless.getcurrent()

    def test_ends_cleanly_when_nothing_is_left(self):
        run = support.run_python('-c', f'''
import sys, time; sys.path.insert(0, {sys.path[0]!r})
from syncless import stackless
stackless.tasklet(lambda: (time.sleep(0.01), print('served')))()
stackless.schedule_remove()
print('over')
''')
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, 'served\nover\n', ''))


def load_tests(loader, tests, pattern):
    cases = [Module, Runnables, Binding, Values, Exceptions, Elsewhere] if support.GREEN else [Plain]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == '__main__':
    support.main()
