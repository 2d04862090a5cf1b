/* SPDX-License-Identifier: Apache-2.0
 *
 * syscall(2): the way round libc, on which libstdc++, Rust, GLib and abseil build their locks.
 *
 * Calls that have a wrapper of ours go there; those that name a thread get one that the kernel knows.
 * All others are the kernel's affair: never ENOSYS from us.
 */
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include "futex.h"
#include "libc.h"
#include "lock.h"

#define TID_MAX_LIMIT (1 << 22) /* of the kernel, see proc(5) on pid_max; ours lie above */

static long real(long n, const long *a)
{
	return libc.syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The kernel's signal mask is one word, libc's are sixteen. */
static sigset_t *read_mask(sigset_t *set, long arg)
{
	if (!arg)
		return NULL;
	sigemptyset(set);
	memcpy(set, (const void *)arg, sizeof(uint64_t));
	return set;
}

static int sleep_on_clock(const long *a)
{
	int err = clock_nanosleep((clockid_t)a[0], (int)a[1], (const struct timespec *)a[2],
				  (struct timespec *)a[3]);

	return err ? fail(err) : 0;
}

/* Calls on descriptors that may park. */
static long transfer(long n, const long *a)
{
	int fd = (int)a[0];

	switch (n) {
	case SYS_read:
		return read(fd, (void *)a[1], (size_t)a[2]);
	case SYS_write:
		return write(fd, (const void *)a[1], (size_t)a[2]);
	case SYS_readv:
		return readv(fd, (const struct iovec *)a[1], (int)a[2]);
	case SYS_writev:
		return writev(fd, (const struct iovec *)a[1], (int)a[2]);
	case SYS_recvfrom:
		return recvfrom(fd, (void *)a[1], (size_t)a[2], (int)a[3], (struct sockaddr *)a[4],
				(socklen_t *)a[5]);
	case SYS_sendto:
		return sendto(fd, (const void *)a[1], (size_t)a[2], (int)a[3], (const struct sockaddr *)a[4],
			      (socklen_t)a[5]);
	case SYS_recvmsg:
		return recvmsg(fd, (struct msghdr *)a[1], (int)a[2]);
	case SYS_sendmsg:
		return sendmsg(fd, (const struct msghdr *)a[1], (int)a[2]);
	case SYS_recvmmsg:
		return recvmmsg(fd, (struct mmsghdr *)a[1], (unsigned)a[2], (int)a[3], (struct timespec *)a[4]);
	case SYS_sendmmsg:
		return sendmmsg(fd, (struct mmsghdr *)a[1], (unsigned)a[2], (int)a[3]);
	case SYS_connect:
		return connect(fd, (const struct sockaddr *)a[1], (socklen_t)a[2]);
	case SYS_accept:
		return accept(fd, (struct sockaddr *)a[1], (socklen_t *)a[2]);
	case SYS_accept4:
		return accept4(fd, (struct sockaddr *)a[1], (socklen_t *)a[2], (int)a[3]);
	default:
		return real(n, a);
	}
}

/* Calls that wait for something else. */
static long await(long n, const long *a)
{
	sigset_t set;

	switch (n) {
#ifdef SYS_poll
	case SYS_poll:
		return poll((struct pollfd *)a[0], (nfds_t)a[1], (int)a[2]);
	case SYS_epoll_wait:
		return epoll_wait((int)a[0], (struct epoll_event *)a[1], (int)a[2], (int)a[3]);
	case SYS_pause:
		return pause();
#endif
	case SYS_ppoll:
		return ppoll((struct pollfd *)a[0], (nfds_t)a[1], (const struct timespec *)a[2],
			     read_mask(&set, a[3]));
	case SYS_epoll_pwait:
		return epoll_pwait((int)a[0], (struct epoll_event *)a[1], (int)a[2], (int)a[3],
				   read_mask(&set, a[4]));
	case SYS_nanosleep:
		return nanosleep((const struct timespec *)a[0], (struct timespec *)a[1]);
	case SYS_clock_nanosleep:
		return sleep_on_clock(a);
	case SYS_sched_yield:
		return sched_yield();
	case SYS_wait4:
		return wait4((pid_t)a[0], (int *)a[1], (int)a[2], (struct rusage *)a[3]);
	default:
		return transfer(n, a);
	}
}

/* The same call with the host's tid for a green thread's. */
static long with_kernel_tid(long n, const long *a, int which)
{
	long b[6];

	memcpy(b, a, sizeof(b));
	if ((int)b[which] > TID_MAX_LIMIT)
		b[which] = sched.host_tid;
	return real(n, b);
}

/* Calls that make, end or name threads and descriptors, and so concern native threads too. */
static long dispatch(long n, const long *a)
{
	switch (n) {
	case SYS_futex:
		return futex_call(n, a);
	case SYS_close:
		return close((int)a[0]);
	case SYS_dup:
		return dup((int)a[0]);
	case SYS_dup3:
		return dup3((int)a[0], (int)a[1], (int)a[2]);
	case SYS_gettid:
		return gettid();
	case SYS_tkill:
		return tgkill(getpid(), (pid_t)a[0], (int)a[1]);
	case SYS_tgkill:
		return tgkill((pid_t)a[0], (pid_t)a[1], (int)a[2]);
	case SYS_sched_setaffinity:
	case SYS_sched_getaffinity:
	case SYS_sched_setscheduler:
	case SYS_sched_getscheduler:
	case SYS_sched_setparam:
	case SYS_sched_getparam:
	case SYS_sched_setattr:
	case SYS_sched_getattr:
		return with_kernel_tid(n, a, 0);
	case SYS_setpriority:
	case SYS_getpriority:
		return with_kernel_tid(n, a, 1);
	case SYS_unshare:
		return unshare((int)a[0]);
	case SYS_setns:
		return setns((int)a[0], (int)a[1]);
	default:
		return coro_self ? await(n, a) : real(n, a);
	}
}

/* syscall(2).  Parks: as the call that it makes.  Passes through: no green thread exists yet; all calls that
 * are not named here, and those that take masks or timeouts in the kernel's own form (pselect6, futex2).
 * errno: the kernel's.
 * Differs: a call that is a cancellation point under its own name is one here; ppoll leaves its timeout
 * as it was. */
EXPORT long syscall(long n, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, n);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return locks_are_ours() ? dispatch(n, a) : real(n, a);
}
