#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
"""scripts/gdb.py: gdb sees threads and coroutines that are parked, with their functions, of a process and of its core;
and the process goes on as if nothing had been."""
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get('BUILD') or os.path.join(ROOT, 'build'))
SHIM = os.path.join(BUILD, 'libsyncless.so')
HANG = 60
sys.path.insert(0, os.path.join(ROOT, 'tests', 'python'))
import support  # noqa: E402

PLAIN = {name: value for name, value in os.environ.items() if name != 'LD_PRELOAD' and not name.startswith('SYNCLESS')}
# Each waits in a function of its own; the last line of stdin ends all of them.
PROGRAM = r'''
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "syncless.h"

static int ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread volatile int mine;
static volatile int stop;
static volatile unsigned computed;

#define APART __attribute__((noinline, noclone))
APART static int waits_for_bytes(int depth)
{
	char c;
	int n = depth ? waits_for_bytes(depth - 1) : (int)recv(ends[0], &c, 1, 0);
	__asm__ volatile("" : "+r"(n)); /* no tail call */
	return n;
}
APART static int waits_for_mutex(void)
{
	int err = pthread_mutex_lock(&mutex);
	__asm__ volatile("" : "+r"(err));
	return err || pthread_mutex_unlock(&mutex);
}
static void *thread_of_bytes(void *depth) { mine = 1; return (void *)(long)(waits_for_bytes((int)(long)depth) - mine); }
static void *thread_of_mutex(void *arg) { return (char *)arg + waits_for_mutex(); }
static void *computes(void *arg) { while (!stop) computed++; return arg; }
static void *coroutine_of_bytes(void *arg) { return (char *)arg + waits_for_bytes(0) - 1; }

int main(void)
{
	pthread_t threads[3], computing;
	syncless_co *coroutine;
	void *result[4];
	char line[8];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || pthread_mutex_lock(&mutex) ||
	    pthread_create(&threads[0], NULL, thread_of_bytes, (void *)5) ||
	    pthread_create(&threads[1], NULL, thread_of_bytes, NULL) ||
	    pthread_create(&threads[2], NULL, thread_of_mutex, NULL) ||
	    !(coroutine = syncless_spawn(coroutine_of_bytes, NULL, 0)))
		return 1;
	pthread_setname_np(threads[0], "deep one");
	if (getenv("COMPUTES") && pthread_create(&computing, NULL, computes, NULL))
		return 1;
	while (getenv("COMPUTES") && !computed)
		sched_yield(); /* it is back when the other one runs elsewhere */
	usleep(1000); /* all others have come to where they wait */
	puts("waiting");
	fflush(stdout);
	if (read(0, line, sizeof(line)) < 1 || send(ends[1], "...", 3, 0) != 3 || pthread_mutex_unlock(&mutex))
		return 2;
	stop = 1;
	if (getenv("COMPUTES"))
		pthread_join(computing, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], &result[i]);
	syncless_join(coroutine, &result[3]);
	for (int i = 0; i < 4; i++)
		if (result[i])
			return 3;
	puts("well");
	return 0;
}
'''
OURS = 'main waits_for_bytes waits_for_mutex thread_of_bytes thread_of_mutex coroutine_of_bytes'.split()


class Gdb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in 'gdb', 'gcc':
            if not shutil.which(program):
                raise unittest.SkipTest(f'no {program}')
        if os.uname().machine != 'x86_64':
            raise unittest.SkipTest('scripts/gdb.py knows x86-64 only')
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder, cls.program = folder.name, folder.name + '/waits'
        with open(cls.program + '.c', 'w') as file:
            file.write(PROGRAM)
        subprocess.run(['gcc', '-Wall', '-Wextra', '-Werror', '-g', '-O1', '-D_GNU_SOURCE', '-pthread', '-I',
                        os.path.join(ROOT, 'shim'), '-o', cls.program, cls.program + '.c', SHIM,
                        '-Wl,-rpath,' + BUILD], check=True)

    def start(self, preexec_fn=None, **env):
        env = {**PLAIN, 'LD_PRELOAD': SHIM, 'SYNCLESS_THREADS': 'all', **env}
        process = subprocess.Popen([self.program], cwd=self.folder, env=env, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, preexec_fn=preexec_fn)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), 'waiting\n')
        support.wait_until(lambda: 'COMPUTES' in env or self.is_asleep(process.pid), 'that main waits, too')
        return process

    @staticmethod
    def is_asleep(pid):
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(') ')[2][0] == 'S'

    def gdb(self, *words):
        commands = [word for command in words[1:] for word in ('-ex', command)]
        done = subprocess.run(['gdb', '-batch', '-nx', '-ex', 'set debuginfod enabled off', *words[0], '-x',
                               os.path.join(ROOT, 'scripts', 'gdb.py'), *commands], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=HANG)
        if 'ptrace: ' in done.stdout:
            self.skipTest('may not attach to processes here')
        return done.stdout

    def check(self, output):
        """What `syncless bt` has printed: kinds, states, and the functions of PROGRAM."""
        found = []
        for chunk in re.split(r'^ +(?=\d+  )', output, flags=re.M)[1:]:
            head, _, trace = chunk.partition('\n')
            kind, state = re.match(r'\d+  (\D+?) \d+.*?: (\w+(?: in \w+)?)', head).groups()
            names = re.findall(r'^#\d+ +(?:0x\w+ in )?(\w+) \(', trace, re.M)
            found.append((kind, state, [name for name in names if name in OURS]))
        self.assertEqual(sorted(found), [
            ('green thread', 'parked in pthread_mutex_lock', ['waits_for_mutex', 'thread_of_mutex']),
            ('green thread', 'parked in recv', ['waits_for_bytes', 'thread_of_bytes']),
            ('green thread', 'parked in recv', ['waits_for_bytes'] * 6 + ['thread_of_bytes']),
            ('main thread', 'parked in read', ['main']),
            ('native coroutine', 'parked in recv', ['waits_for_bytes', 'coroutine_of_bytes'])], output)

    def end(self, process):
        self.assertEqual((process.communicate('end\n', timeout=HANG)[0], process.returncode), ('well\n', 0))

    def test_process(self):
        for switch in 'own', 'ucontext':
            process = self.start(SYNCLESS_SWITCH=switch)
            self.check(self.gdb(['-p', str(process.pid)], 'syncless bt'))
            self.end(process)

    def test_core(self):
        process = self.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30)))
        process.send_signal(signal.SIGABRT)
        process.wait(HANG)
        cores = [name for name in os.listdir(self.folder) if name.startswith('core')]
        if not cores:
            self.skipTest('the kernel gives cores to others here')
        self.check(self.gdb([self.program, f'{self.folder}/{cores[0]}'], 'syncless bt'))

    def test_one_of_them(self):
        process = self.start()
        output = self.gdb(['-p', str(process.pid)], 'syncless list', 'echo --\\n', 'syncless bt 2', 'echo --\\n',
                          'syncless apply 2 up 5', 'syncless apply 2 frame function thread_of_bytes',
                          'syncless apply 2 info registers rip', 'echo --\\n', 'bt 1')
        self.end(process)
        heads, second, applied, own = output.split('--\n')
        self.assertRegex(heads, r'(?m)^ +2  green thread \d+ "deep one": parked in recv, fd \d+$')
        self.assertRegex(heads, r'(?m)^ +1  main thread %d.*: parked in read, fd 0, on kernel thread %d$' % (
            process.pid, process.pid))
        self.assertEqual(second.count('in waits_for_bytes ('), 6, second)
        self.assertIn('in thread_of_bytes (', applied)
        self.assertRegex(applied, r'(?m)^rip +0x\w+ +0x\w+ <\w+')
        self.assertNotIn('bytes', own)  # the kernel thread is where it was

    def test_one_that_computes(self):
        process = self.start(COMPUTES='1')
        output = self.gdb(['-p', str(process.pid)], 'syncless list', 'syncless bt 6')
        self.end(process)
        self.assertRegex(output, r'(?m)^ +6  green thread .*: alone, on kernel thread \d+\n#0 .*\bcomputes \(')
        self.assertEqual(output.count('on kernel thread'), 3, output)  # in the list, main's too

    def test_errors(self):
        self.assertIn('syncless: there is no process', self.gdb([self.program], 'syncless list'))
        process = subprocess.Popen(['sleep', '60'], env=PLAIN)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn('syncless: no libsyncless.so', self.gdb(['-p', str(process.pid)], 'syncless bt'))
        process = self.start()
        output = self.gdb(['-p', str(process.pid)], 'syncless bt 77', 'syncless apply 2')
        self.end(process)
        self.assertIn('syncless: no 77 in the list: 1 to 5', output)
        self.assertIn('syncless: apply needs a number', output)


if __name__ == '__main__':
    unittest.main()
