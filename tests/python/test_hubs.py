# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet
# timeout: 120
"""gevent's and eventlet's hubs go on while what they have resumed waits in our manner, and end as ever.

What waits so is a greenlet of theirs in a call that they have not patched, or a
coroutine of ours that has waited in theirs before.  Each program is a process.
"""
import importlib.util
import os
import unittest

import support

BEGIN = '''
import os, select, sys, warnings
warnings.simplefilter('ignore')
sys.path.insert(0, {package!r})
import {library} as library
{begin}
from syncless import _glue, coio
ours, theirs = os.pipe()
def wait():                                 # by select(), which parks whoever runs
    select.select([ours], [], [])
    return os.read(ours, 1)
ticks = []
def tick(many=5):
    for _ in range(many):
        library.sleep(0.001)
        ticks.append(1)
'''
BEGINS = {'gevent': '''
def result(one): return one.get()
''', 'eventlet': '''
def result(one): return one.wait()
'''}
END = '''
_glue.verify()
print('well')
'''


class Hubs(unittest.TestCase):
    def check(self, code, libraries=('gevent', 'eventlet')):
        for library in libraries:
            with self.subTest(library):
                if not importlib.util.find_spec(library):
                    self.skipTest(f'no module {library}')
                begin = BEGIN.format(package=os.path.join(support.ROOT, 'pyglue'), library=library,
                                     begin=BEGINS[library])
                run = support.run_python('-c', begin + code + END, timeout=20)
                self.assertEqual((run.returncode, run.stdout), (0, 'well\n'), run.stderr)

    def test_others_run_while_one_is_in_a_blocking_call(self):
        """It is the ticks, by timers of the hub, that end its wait."""
        self.check('''
def tick_and_tell():
    tick()
    os.write(theirs, b'x')
one = library.spawn(wait)
library.spawn(tick_and_tell)
assert result(one) == b'x' and len(ticks) == 5
''')

    def test_many_in_blocking_calls(self):
        self.check('''
def ping(n):
    for _ in range(20):
        wait()
        library.sleep(0)
        os.write(theirs, b'x')
all = [library.spawn(ping, n) for n in range(20)]
os.write(theirs, b'xxxx')
for one in all: result(one)
assert os.read(ours, 10) == b'xxxx'
''')

    def test_a_coroutine_that_waits_in_both_manners(self):
        self.check('''
def both():
    for _ in range(10):
        library.sleep(0.001)
        coio.sleep(0.001)
    while len(ticks) < 5:
        coio.sleep(0.001)
    os.write(theirs, b'x')
one = coio.spawn(both)
ticking = coio.spawn(tick)
assert coio.spawn(wait).get() == b'x'
coio.joinall([one, ticking], raise_error=True)
''')

    def test_the_hub_that_has_never_waited(self):
        """All that has been asked of it was there at once."""
        self.check('''
def both():
    library.sleep(0)
    library.spawn(tick)
    while len(ticks) < 5:
        coio.sleep(0.001)
coio.spawn(both).get()
''')

    def test_main_waits_for_one_that_the_hub_does_not_see(self):
        """gevent's hub has no watcher then, and would tell main that it waits for ever."""
        self.check('''
def tell():
    coio.sleep(0.01)
    os.write(theirs, b'x')
coio.spawn(tell)
assert result(library.spawn(wait)) == b'x'
''')

    def test_in_a_green_thread(self):
        self.check('''
import threading
found = []
def body():
    coio.current()                          # from here on this thread, too, has coroutines
    def tick_and_tell():
        tick()
        os.write(theirs, b'x')
    one = library.spawn(wait)
    library.spawn(tick_and_tell)
    found.append(result(one))
thread = threading.Thread(target=body)
thread.start()
thread.join()
assert found == [b'x']
''')

    def test_in_a_forked_child(self):
        self.check('''
import gevent.os
def mixed():
    def tick_and_tell():
        tick()
        os.write(theirs, b'x')
    one = library.spawn(wait)
    library.spawn(tick_and_tell)
    assert result(one) == b'x'
mixed()
pid = gevent.os.fork()
if not pid:
    coio.current()                          # it has coroutines, too
    mixed()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
mixed()
''', ['gevent'])

    def test_what_waits_for_ever_is_told(self):
        """Also after others have had a hold on the hub."""
        self.check('''
import gevent.event
def tell():
    coio.sleep(0.001)
    os.write(theirs, b'x')
for _ in range(3):
    coio.spawn(tell)
    assert library.spawn(wait).get() == b'x'
    assert gevent.wait()
    try:
        gevent.event.Event().wait()
    except gevent.hub.LoopExit:
        pass
    else:
        raise AssertionError
''', ['gevent'])

    def test_the_news_that_nothing_waits_is_not_for_who_waits_by_us(self):
        self.check('''
def short():
    library.sleep(0.001)
one = coio.spawn(short)
other = coio.spawn(coio.sleep, 0.02)
other.get()
assert one.ended
''', ['gevent'])

    def test_killed_while_it_waits_so(self):
        self.check('''
one = library.spawn(wait)
library.sleep(0.001)
library.spawn(tick)
one.kill()
while len(ticks) < 5:
    library.sleep(0.001)
os.write(theirs, b'x')
assert wait() == b'x'
''')


if __name__ == '__main__':
    support.main()
