# SPDX-License-Identifier: Apache-2.0
"""Threads that are stuck in C: in a system call by an inline instruction, or in a loop.

Nobody can take the place of either.  A Gate keeps one or more threads until
it is opened, and knows of the kernel that they are in there.
"""
import ctypes
import errno
import os
import shutil
import subprocess
import tempfile

from support import wait_until

CC = shutil.which(os.environ.get('CC', 'cc'))

CALL = r'''
#include <sys/syscall.h>

static long inline_call(long number, long a, long b, long c)
{
#if defined(__x86_64__)
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
#else
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b, x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}

long slow_read(int fd)
{
	char byte;

	return inline_call(SYS_read, fd, (long)&byte, 1);
}

void compute(volatile char *until)
{
	while (!*until)
		;
}
'''

OF_GATES = r'''
/* The first number is the caller's kernel thread, the second how often one has come. */
long gate_read(int fd, int *place)
{
	__atomic_store_n(&place[0], (int)inline_call(SYS_gettid, 0, 0, 0), __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&place[1], 1, __ATOMIC_SEQ_CST);
	return slow_read(fd);
}
'''


def compile_c(path, source, *options):
    """Makes the file of C source, from a file beside it; returns its path."""
    with open(path + '.c', 'w') as file:
        file.write(source)
    subprocess.run([CC, '-O1', '-o', path, path + '.c', *options], check=True)
    return path


_kept = []


def library():
    """Of gates; its calls are without the GIL.  Made once; the children of the process that made it find it."""
    if not _kept:
        if 'GATES_LIBRARY' not in os.environ:
            _kept.append(tempfile.TemporaryDirectory())
            os.environ['GATES_LIBRARY'] = compile_c(os.path.join(_kept[0].name, 'libgates.so'), CALL + OF_GATES,
                                                    '-shared', '-fPIC')
        _kept.append(ctypes.CDLL(os.environ['GATES_LIBRARY']))
        _kept[-1].gate_read.restype = _kept[-1].slow_read.restype = ctypes.c_long
    return _kept[-1]


def task_state(tid):
    """The kernel's letter for the state of one of our threads; None: it has ended."""
    try:
        with open('/proc/self/task/%d/stat' % tid) as file:
            return file.read().rpartition(')')[2].split()[0]
    except OSError:
        return None


class Gate:
    """A pipe in whose read() a thread is stuck."""

    def __init__(self):
        self.fds = os.pipe()
        self.place = (ctypes.c_int * 2)()
        self.opened = 0

    def close(self):
        for fd in self.fds:
            os.close(fd)

    def enter(self):
        """Stuck until it is opened: 1, or minus the error number."""
        return library().gate_read(self.fds[0], self.place)

    def enter_for_good(self):
        """The same, again when a signal has ended it.

        Natively main gets those of the process; here, for once, who is stuck on the kernel thread that main began on.
        """
        found = self.enter()
        while found == -errno.EINTR:
            found = self.enter()
        return found

    def is_taken(self):
        return self.place[1] > self.opened and task_state(self.place[0]) == 'S'

    def wait(self):
        """Until somebody is in there."""
        wait_until(self.is_taken, 'the stuck thread')

    def open(self):
        self.opened += 1
        os.write(self.fds[1], b'x')
