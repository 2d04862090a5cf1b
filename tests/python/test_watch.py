# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""The blocking watch: who keeps all others waiting is named, once.

Each case is a process of its own that waits in C code, in ways that nobody can
take the place of: a system call by an inline instruction, a loop.  It is let go
when its report has been read, so nothing here depends on time.  Where nothing
may be told, the watch's own thread shows, by how often it has slept, that it
has looked.

Without the preload the same programs run and nobody tells anything.
"""
import contextlib
import ctypes
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from inline_calls import CALL, CC, compile_c
from support import GREEN, same_env, wait_until, main

WATCH_MS = 50

LIBRARY = CALL + r'''
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sem.h>

int slow_take(int set)
{
	struct sembuf op = { 0, -1, 0 };

	return (int)inline_call(SYS_semop, set, (long)&op, 1);
}

__attribute__((constructor)) static void slow_start(void)
{
	if (getenv("SLOW_START"))
		slow_read(open(getenv("SLOW_START"), O_RDWR));
}
'''

PROGRAM = r'''
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

long slow_read(int fd);
int slow_take(int set);
void compute(volatile char *until);

static char **words;

static void *parked(void *fd)
{
	char byte;

	return (void *)read(*(int *)fd, &byte, 1);
}

static void *stuck_thread(void *unused)
{
	if (!strcmp(words[1], "read"))
		slow_read(open(words[2], O_RDWR));
	else if (!strcmp(words[1], "take"))
		slow_take(atoi(words[2]));
	else
		compute(mmap(NULL, 1, PROT_READ, MAP_SHARED, open(words[2], O_RDONLY), 0));
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t other, t;
	int ends[2];

	if (argc < 3 || pipe(ends) != 0)
		return 1;
	words = argv;
	pthread_create(&other, NULL, parked, &ends[0]);
	pthread_create(&t, NULL, stuck_thread, NULL);
	pthread_join(t, NULL);
	close(ends[1]);
	pthread_join(other, NULL);
	return 0;
}
'''

# What each script of Python begins with.  One thread more than the stuck one is green all the while.
HEAD = '''\
import ctypes, mmap, os, sys, threading, time
library = (ctypes.PyDLL if 'held' in sys.argv else ctypes.CDLL)(sys.argv[1])
fifo = os.open(sys.argv[2], os.O_RDWR)
done = threading.Event()
other = threading.Thread(target=done.wait)
other.start()
'''
TAIL = '''
done.set()
other.join()
'''


class Program:
    """A process with the watch on, and what it says."""

    def __init__(self, command, **env):
        self.process = subprocess.Popen(
            command, env=same_env(**{'SYNCLESS_WATCH_MS': str(WATCH_MS), 'SYNCLESS_HANDOFF_MS': '0', **env}), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def lines(self, count):
        """The next lines of stderr, as they come; none without the preload."""
        return [self.process.stderr.readline() for _ in range(count if GREEN else 0)]

    def step(self):
        """The program goes on from sys.stdin.readline()."""
        self.process.stdin.write('\n')
        self.process.stdin.flush()

    def end(self):
        """What is left of stderr."""
        out, err = self.process.communicate(timeout=60)
        if self.process.returncode:
            raise AssertionError('exit code %d: %s%s' % (self.process.returncode, out, err))
        return err

    def watch_task(self):
        for path in glob.glob('/proc/%d/task/*' % self.process.pid):
            with contextlib.suppress(OSError), open(path + '/comm') as file:
                if file.read() == 'syncless-watch\n':
                    return path
        return None

    def let_watch_look(self, times):
        """Returns when the watch has slept that often: twice for each WATCH_MS."""
        def naps():
            with open(path + '/status') as file:
                return int(re.search(r'^voluntary_ctxt_switches:\s*(\d+)', file.read(), re.M).group(1))
        if not GREEN:
            return
        wait_until(self.watch_task, 'the start of the watch')
        path = self.watch_task()
        goal = naps() + times
        wait_until(lambda: naps() >= goal, 'the watch')


@unittest.skipUnless(CC, 'no C compiler')
class Watch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.folder = folder.name
        cls.addClassCleanup(folder.cleanup)
        cls.library = cls.compile('libwatched.so', LIBRARY, '-shared', '-fPIC')
        cls.program = cls.compile('program', PROGRAM, '-pthread', cls.library)

    @classmethod
    def compile(cls, name, source, *options):
        return compile_c(os.path.join(cls.folder, name), source, *options)

    def setUp(self):
        """A FIFO, its writing end, and a file of one zero byte."""
        self.fifo = os.path.join(tempfile.mkdtemp(dir=self.folder), 'fifo')
        os.mkfifo(self.fifo)
        self.writer = os.open(self.fifo, os.O_RDWR)
        self.addCleanup(os.close, self.writer)
        self.flag = self.fifo + '.flag'
        with open(self.flag, 'wb') as file:
            file.write(b'\0')

    def release(self):
        os.write(self.writer, b'x')

    def raise_flag(self):
        with open(self.flag, 'r+b') as file:
            file.write(b'\1')

    def script(self, body, *words, **env):
        path = self.fifo + '.py'
        with open(path, 'w') as file:
            file.write(HEAD + body + TAIL)
        process = Program([sys.executable, path, self.library, self.fifo, self.flag, *words], **env)
        self.addCleanup(process.process.kill)
        return process

    def line_of(self, mark):
        """'file:number' of the script's line with this comment."""
        path = self.fifo + '.py'
        with open(path) as file:
            return '%s:%d' % (path, 1 + [mark in line for line in file].index(True))

    def assert_told(self, lines, what, mark=None, function=None, order=''):
        """The lines of a report: what holds the host, and where in Python."""
        if not GREEN:
            return
        self.assertRegex(lines[0], r'^syncless: stuck for \d+ ms outside our calls: %s; '
                                   r'others waiting: \d+\n$' % what)
        if mark:
            self.assertRegex(lines[1], r'^syncless:     %sat %s \(%s\)\n$' % (
                order, re.escape(self.line_of(mark)), function))

    def system_call(self, name='read', place=r'libwatched\.so slow_read', fd=True):
        return r'system call %s%s, in %s\+0x[0-9a-f]+' % (
            name, r'\(fd \d+, %s\)' % re.escape(self.fifo) if fd else '', place)

    def test_slow_read_of_a_fifo(self):
        """A place is told at its first time and counted from then on."""
        process = self.script('''
def reader():
    for _ in range(3):
        print('reading', flush=True)
        library.slow_read(fifo) # here
reader()
''', SYNCLESS_VERBOSE='1')
        process.process.stdout.readline()
        self.assert_told(process.lines(2), self.system_call(), '# here', 'reader')
        self.release()
        for _ in range(2):
            process.process.stdout.readline()
            process.let_watch_look(12)
            self.release()
        self.assertRegex(process.end(), r'^syncless: stuck 3 times: system call [^\n]*reader\)\n$' if GREEN else '^$')

    def test_with_the_gil_held(self):
        """The library is told at once, the line of Python when the GIL is free again."""
        process = self.script('''
def reader():
    library.slow_read(fifo), sys.stdin.readline() # here
thread = threading.Thread(target=reader)
thread.start()
thread.join()
''', 'held')
        told = process.lines(1)
        self.release()
        told += process.lines(1)
        process.step()
        self.assert_told(told, self.system_call(), '# here', 'reader', '(afterwards )?')
        self.assertEqual(process.end(), '')

    def test_places_differ(self):
        """By the function of C, and by the line of Python."""
        process = self.script('''
library.slow_read(fifo) # first
library.slow_read(fifo) # second
library.slow_take(int(sys.argv[4])) # third
''', str(self.make_semaphore()))
        self.assert_told(process.lines(2), self.system_call(), '# first', '<module>')
        self.release()
        self.assert_told(process.lines(2), self.system_call(), '# second', '<module>')
        self.release()
        self.assert_told(process.lines(2), self.system_call('semop', r'libwatched\.so slow_take', False),
                         '# third', '<module>')
        self.give()
        self.assertEqual(process.end(), '')

    def make_semaphore(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.set = self.libc.semget(0, 1, 0o600)
        self.assertGreaterEqual(self.set, 0, os.strerror(ctypes.get_errno()))
        self.addCleanup(self.libc.semctl, self.set, 0, 0)  # IPC_RMID
        return self.set

    def give(self):
        operation = (ctypes.c_short * 3)(0, 1, 0)
        self.assertEqual(self.libc.semop(self.set, operation, 1), 0)

    def test_computing_without_the_gil(self):
        process = self.script('''
flag = mmap.mmap(os.open(sys.argv[3], os.O_RDWR), 1)
library.compute(ctypes.byref(ctypes.c_char.from_buffer(flag))) # here
''')
        self.assert_told(process.lines(2), 'computing', '# here', '<module>')
        self.raise_flag()
        self.assertEqual(process.end(), '')

    def test_a_constructor_in_dlopen(self):
        """Who is asked for the name of a place must not want the loader's lock."""
        shutil.copy(self.library, self.library + '.copy')
        process = self.script('''
os.environ['SLOW_START'] = sys.argv[2]
ctypes.CDLL(sys.argv[1] + '.copy') # here
''')
        told = process.lines(1)
        self.release()
        self.assert_told(told, self.system_call(place=r'libwatched\.so\.copy slow_\w+'))
        process.end()

    def test_those_who_wait_and_compute_by_the_rules(self):
        process = self.script('''
def wait():
    while not done.is_set():
        time.sleep(0.3)
def spin():
    while not done.is_set():
        pass
threads = [threading.Thread(target=f) for f in (wait, spin, lambda: os.read(fifo, 1))]
for thread in threads: thread.start()
sys.stdin.readline()
done.set()
for thread in threads: thread.join()
done.clear()
other = threading.Thread(target=done.wait)
other.start()
library.slow_read(fifo) # here
''', SYNCLESS_WATCH_MS='200', SYNCLESS_VERBOSE='1')
        process.let_watch_look(12)
        self.release()
        process.step()
        told = process.lines(2)
        self.assert_told(told, self.system_call(), '# here', '<module>')
        self.release()
        self.assertRegex(process.end(), r'^syncless: stuck 1 times: [^\n]*\n$' if GREEN else '^$')

    def test_in_a_forked_child(self):
        """It has a watch of its own, which knows nothing of its parent's places."""
        process = self.script('''
def reader():
    thread = threading.Thread(target=time.sleep, args=(3600,), daemon=True)
    thread.start()
    library.slow_read(fifo) # here
reader()
pid = os.fork()
if not pid:
    reader()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
''', PYTHONWARNINGS='ignore')  # 3.12 warns of forks beside kernel threads
        for _ in range(2):
            self.assert_told(process.lines(2), self.system_call(), '# here', 'reader')
            self.release()
        self.assertEqual(process.end(), '')

    def test_off(self):
        """By default no thread looks."""
        process = self.script('''
print('reading', flush=True)
library.slow_read(fifo)
''', SYNCLESS_WATCH_MS=None)
        self.assertEqual(process.process.stdout.readline(), 'reading\n')
        self.assertIsNone(process.watch_task())
        self.release()
        self.assertEqual(process.end(), '')

    def run_program(self, *words):
        process = Program([self.program, *words], SYNCLESS_THREADS='all')
        self.addCleanup(process.process.kill)
        return process

    def test_program_without_python(self):
        process = self.run_program('read', self.fifo)
        self.assert_told(process.lines(1), self.system_call())
        self.release()
        self.assertEqual(process.end(), '')
        process = self.run_program('take', str(self.make_semaphore()))
        self.assert_told(process.lines(1),
                         self.system_call('semop', r'libwatched\.so slow_take', False))
        self.give()
        self.assertEqual(process.end(), '')

    def test_computing_program(self):
        process = self.run_program('compute', self.flag)
        self.assert_told(process.lines(1), r'computing in a thread that began at program stuck_thread\+0x0')
        self.raise_flag()
        self.assertEqual(process.end(), '')


if __name__ == '__main__':
    main()
