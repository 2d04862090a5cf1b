/* SPDX-License-Identifier: Apache-2.0
 *
 * syscall(2): the way round libc.  Calls that have a wrapper of ours go there, in the kernel's own conventions:
 * masks of one word with their size, timeouts in which the kernel writes what is left.  Those that name a thread
 * get one that the kernel knows; those that change the calling kernel thread alone keep the coroutines on it.
 * All others are the kernel's affair: never ENOSYS from us.  scripts/check-syscalls compares the numbers here
 * with calls.def.
 *
 * vfork() does not come here: who calls it so has lost its return address when it comes back.
 */
#include <linux/seccomp.h>
#include <mqueue.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include "fdtab.h"
#include "futex.h"
#include "handler.h"
#include "handoff.h"
#include "libc.h"
#include "lock.h"
#include "raw.h"

#define TID_MAX_LIMIT (1 << 22) /* of the kernel, see proc(5) on pid_max; ours lie above */
#define MASK_SIZE 8		/* of a signal mask, to the kernel */

static long real(long n, const long *a)
{
	return libc.syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- Masks and timeouts as the kernel has them */

/* Its mask is one word, libc's are sixteen. */
static sigset_t *read_mask(sigset_t *set, long arg)
{
	if (!arg)
		return NULL;
	sigemptyset(set);
	memcpy(set, (const void *)arg, MASK_SIZE);
	return set;
}

static void write_mask(long arg, const sigset_t *set)
{
	memcpy((void *)arg, set, MASK_SIZE);
}

/* With another one the kernel will say what is wrong. */
static bool has_size(long mask, long size)
{
	return !mask || size == MASK_SIZE;
}

/* A timeout in which what is left is to be written: NULL for none. */
struct rest {
	struct timespec *at;
	deadline_t until;
};

static struct rest rest_of(long arg)
{
	struct timespec *ts = (struct timespec *)arg;

	if (!ts || (ts->tv_sec == 0 && ts->tv_nsec == 0) || ts->tv_sec < 0 || ts->tv_nsec < 0 ||
	    ts->tv_nsec >= NS_PER_S)
		return (struct rest){ NULL, NEVER };
	return (struct rest){ ts, deadline_in(timespec_ns(ts)) };
}

/* By the kernel, for the timeout may stand where nobody can write: that is no error. */
static long write_rest(const struct rest *rest, long r)
{
	int64_t left = rest->until - now_ns();
	struct timespec ts = ns_timespec(left > 0 ? left : 0);
	struct iovec from = { &ts, sizeof(ts) }, to = { rest->at, sizeof(ts) };

	if (rest->at && rest->until != NEVER)
		raw6(SYS_process_vm_writev, raw1(SYS_getpid, 0), (long)&from, 1, (long)&to, 1, 0);
	return r;
}

/* --- Calls that wait; for coroutines */

/* libc refuses other clocks in its own way. */
static long sleep_on_clock(long n, const long *a)
{
	clockid_t clock = (clockid_t)a[0];
	int err;

	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
	    clock != CLOCK_TAI)
		return real(n, a);
	err = clock_nanosleep(clock, (int)a[1], (const struct timespec *)a[2], (struct timespec *)a[3]);
	return err ? fail(err) : 0;
}

static long wait_id(long n, const long *a)
{
	int options = (int)a[3] | WNOHANG;
	siginfo_t info = { 0 };
	long b[6], r;

	if (!a[4])
		return waitid((idtype_t)a[0], (id_t)a[1], (siginfo_t *)a[2], (int)a[3]);
	memcpy(b, a, sizeof(b));
	b[3] = options;
	if (!b[2])
		b[2] = (long)&info;
	for (;;) {
		siginfo_t *found = (siginfo_t *)b[2];

		found->si_pid = 0;
		r = real(n, b); /* only it tells the resources */
		if (r < 0 || found->si_pid || ((int)a[3] & WNOHANG))
			return r;
		r = waitid((idtype_t)a[0], (id_t)a[1], &info, (int)a[3] | WNOWAIT);
		if (r < 0)
			return r;
	}
}

static long poll_masked(long n, const long *a)
{
	struct rest rest = rest_of(a[2]);
	sigset_t set;

	if (!has_size(a[3], a[4]))
		return real(n, a);
	return write_rest(&rest, ppoll((struct pollfd *)a[0], (nfds_t)a[1], (const struct timespec *)a[2],
				       read_mask(&set, a[3])));
}

static long select_masked(long n, const long *a)
{
	struct {
		long mask, size;
	} *pack = (void *)a[5];
	struct rest rest = rest_of(a[4]);
	sigset_t set;

	if (pack && !has_size(pack->mask, pack->size))
		return real(n, a);
	return write_rest(&rest,
			  pselect((int)a[0], (fd_set *)a[1], (fd_set *)a[2], (fd_set *)a[3],
				  (const struct timespec *)a[4], read_mask(&set, pack ? pack->mask : 0)));
}

static long poll_events(long n, const long *a)
{
	int epfd = (int)a[0], max = (int)a[2];
	struct epoll_event *events = (struct epoll_event *)a[1];
	sigset_t set;

	if (!has_size(a[4], a[5]))
		return real(n, a);
	read_mask(&set, a[4]);
#ifdef SYS_epoll_pwait2
	if (n == SYS_epoll_pwait2)
		return epoll_pwait2(epfd, events, max, (const struct timespec *)a[3], a[4] ? &set : NULL);
#endif
	return epoll_pwait(epfd, events, max, (int)a[3], a[4] ? &set : NULL);
}

static long await_signal(long n, const long *a)
{
	sigset_t set;

	if (n == SYS_rt_sigsuspend)
		return a[1] == MASK_SIZE ? sigsuspend(read_mask(&set, a[0])) : real(n, a);
	if (a[3] != MASK_SIZE)
		return real(n, a);
	return sigtimedwait(read_mask(&set, a[0]), (siginfo_t *)a[1], (const struct timespec *)a[2]);
}

/* Queues of System V and of POSIX, locks and writing back of files. */
static long queue(long n, const long *a)
{
	switch (n) {
	case SYS_msgsnd:
		return msgsnd((int)a[0], (const void *)a[1], (size_t)a[2], (int)a[3]);
	case SYS_msgrcv:
		return msgrcv((int)a[0], (void *)a[1], (size_t)a[2], a[3], (int)a[4]);
	case SYS_semop:
		return semop((int)a[0], (struct sembuf *)a[1], (size_t)a[2]);
	case SYS_semtimedop:
		return semtimedop((int)a[0], (struct sembuf *)a[1], (size_t)a[2],
				  (const struct timespec *)a[3]);
	case SYS_mq_timedsend:
		if (!a[4]) /* libc's declaration has none of that */
			return mq_send((mqd_t)a[0], (const char *)a[1], (size_t)a[2], (unsigned)a[3]);
		return mq_timedsend((mqd_t)a[0], (const char *)a[1], (size_t)a[2], (unsigned)a[3],
				    (const struct timespec *)a[4]);
	case SYS_mq_timedreceive:
		if (!a[4])
			return mq_receive((mqd_t)a[0], (char *)a[1], (size_t)a[2], (unsigned *)a[3]);
		return mq_timedreceive((mqd_t)a[0], (char *)a[1], (size_t)a[2], (unsigned *)a[3],
				       (const struct timespec *)a[4]);
	case SYS_flock:
		return flock((int)a[0], (int)a[1]);
	case SYS_fsync:
		return fsync((int)a[0]);
	case SYS_fdatasync:
		return fdatasync((int)a[0]);
	case SYS_sync_file_range:
		return sync_file_range((int)a[0], a[1], a[2], (unsigned)a[3]);
	default:
		return real(n, a);
	}
}

static long transfer_file(long n, const long *a)
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
	case SYS_pread64:
		return pread(fd, (void *)a[1], (size_t)a[2], a[3]);
	case SYS_pwrite64:
		return pwrite(fd, (const void *)a[1], (size_t)a[2], a[3]);
	case SYS_preadv:
		return preadv(fd, (const struct iovec *)a[1], (int)a[2], a[3]);
	case SYS_pwritev:
		return pwritev(fd, (const struct iovec *)a[1], (int)a[2], a[3]);
	case SYS_preadv2:
		return preadv2(fd, (const struct iovec *)a[1], (int)a[2], a[3], (int)a[5]);
	case SYS_pwritev2:
		return pwritev2(fd, (const struct iovec *)a[1], (int)a[2], a[3], (int)a[5]);
	case SYS_sendfile:
		return sendfile(fd, (int)a[1], (off_t *)a[2], (size_t)a[3]);
	case SYS_splice:
		return splice(fd, (off64_t *)a[1], (int)a[2], (off64_t *)a[3], (size_t)a[4], (unsigned)a[5]);
	case SYS_tee:
		return tee(fd, (int)a[1], (size_t)a[2], (unsigned)a[3]);
	case SYS_vmsplice:
		return vmsplice(fd, (const struct iovec *)a[1], (size_t)a[2], (unsigned)a[3]);
	default:
		return queue(n, a);
	}
}

static long transfer(long n, const long *a)
{
	int fd = (int)a[0];

	switch (n) {
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
		return transfer_file(n, a);
	}
}

/* Calls that architectures newer than x86-64 do not have. */
static long await_old(long n, const long *a)
{
	switch (n) {
#ifdef SYS_poll
	case SYS_poll:
		return poll((struct pollfd *)a[0], (nfds_t)a[1], (int)a[2]);
	case SYS_select:
		return select((int)a[0], (fd_set *)a[1], (fd_set *)a[2], (fd_set *)a[3],
			      (struct timeval *)a[4]);
	case SYS_epoll_wait:
		return epoll_wait((int)a[0], (struct epoll_event *)a[1], (int)a[2], (int)a[3]);
	case SYS_pause:
		return pause();
#endif
	default:
		return transfer(n, a);
	}
}

static long await(long n, const long *a)
{
	switch (n) {
	case SYS_ppoll:
		return poll_masked(n, a);
	case SYS_pselect6:
		return select_masked(n, a);
	case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
	case SYS_epoll_pwait2:
#endif
		return poll_events(n, a);
	case SYS_nanosleep:
		return nanosleep((const struct timespec *)a[0], (struct timespec *)a[1]);
	case SYS_clock_nanosleep:
		return sleep_on_clock(n, a);
	case SYS_sched_yield:
		return sched_yield();
	case SYS_wait4:
		return wait4((pid_t)a[0], (int *)a[1], (int)a[2], (struct rusage *)a[3]);
	case SYS_waitid:
		return wait_id(n, a);
	case SYS_rt_sigsuspend:
	case SYS_rt_sigtimedwait:
		return await_signal(n, a);
	default:
		return await_old(n, a);
	}
}

/* --- Signals */

static long change_handler(long n, const long *a)
{
	const struct kernel_action *act = (const struct kernel_action *)a[1];
	struct kernel_action *old = (struct kernel_action *)a[2];
	int sig = (int)a[0];
	struct sigaction new, was;

	if (!sched.main || a[3] != MASK_SIZE || sig == GLIBC_CANCEL || sig == GLIBC_SETXID)
		return real(n, a);
	if (act) {
		memset(&new, 0, sizeof(new));
		new.sa_sigaction = act->handler;
		new.sa_flags = (int)act->flags;
		*sig_word(&new.sa_mask) = act->mask;
	}
	if (sigaction(sig, act ? &new : NULL, &was) < 0)
		return -1;
	if (old)
		*old = (struct kernel_action){ was.sa_sigaction, (unsigned)was.sa_flags, was.sa_restorer,
					       *sig_word(&was.sa_mask) };
	return 0;
}

static long change_mask(long n, const long *a)
{
	sigset_t set, old;
	int r;

	if (!coro_self || a[3] != MASK_SIZE)
		return real(n, a);
	r = sigprocmask((int)a[0], read_mask(&set, a[1]), &old);
	if (r == 0 && a[2])
		write_mask(a[2], &old);
	return r;
}

static long read_pending(long n, const long *a)
{
	sigset_t set;
	int r;

	if (!coro_self || a[1] != MASK_SIZE)
		return real(n, a);
	r = sigpending(&set);
	if (r == 0)
		write_mask(a[0], &set);
	return r;
}

static long signals(long n, const long *a)
{
	switch (n) {
	case SYS_rt_sigaction:
		return change_handler(n, a);
	case SYS_rt_sigprocmask:
		return change_mask(n, a);
	case SYS_rt_sigpending:
		return read_pending(n, a);
	case SYS_sigaltstack:
		return sigaltstack((const stack_t *)a[0], (stack_t *)a[1]);
	case SYS_tkill:
		return tgkill(getpid(), (pid_t)a[0], (int)a[1]);
	case SYS_tgkill:
		return tgkill((pid_t)a[0], (pid_t)a[1], (int)a[2]);
	default:
		return coro_self ? await(n, a) : real(n, a);
	}
}

/* --- Threads and processes */

/* The same call with the host's tid for a green thread's. */
static long with_kernel_tid(long n, const long *a, int which)
{
	long b[6];

	memcpy(b, a, sizeof(b));
	if ((int)b[which] > TID_MAX_LIMIT)
		b[which] = sched.host_tid;
	return real(n, b);
}

static bool only_asks(long n, const long *a)
{
	return n == SYS_personality ? (uint32_t)a[0] == ~0u
				    : n == SYS_seccomp && a[0] > SECCOMP_SET_MODE_FILTER;
}

/* What is changed belongs to the kernel thread that runs all coroutines: from now on it stays that one. */
static long on_this_thread(long n, const long *a, const char *why)
{
	if (LIKELY(!coro_self) || only_asks(n, a) || !fd_in_our_process())
		return real(n, a);
	if (coro_host())
		handoff_forbid(why);
	return coro_leave(real(n, a));
}

/* The end of a green thread; natively its kernel thread is nobody else's.  Main's leaves the others theirs.  A
 * coroutine of syncless.h takes all those of its thread with it. */
static long end_thread(long n, const long *a)
{
	struct coro *me = coro_self;

	if (LIKELY(!me) || !fd_in_our_process())
		return real(n, a);
	if (me->is_routine)
		return real(SYS_exit_group, a);
	if (me->green || sched.ncoro > 1)
		pthread_exit(NULL);
	return real(n, a);
}

/* A plain fork by this number. */
static bool is_fork(const long *a)
{
	return a[0] == SIGCHLD && a[1] == 0;
}

static long named(long n, const long *a)
{
	switch (n) {
	case SYS_gettid:
		return gettid();
	case SYS_sched_setaffinity:
	case SYS_sched_getaffinity:
	case SYS_sched_setscheduler:
	case SYS_sched_getscheduler:
	case SYS_sched_setparam:
	case SYS_sched_getparam:
	case SYS_sched_setattr:
	case SYS_sched_getattr:
	case SYS_sched_rr_get_interval:
		return with_kernel_tid(n, a, 0);
	case SYS_setpriority:
	case SYS_getpriority:
	case SYS_ioprio_set:
	case SYS_ioprio_get:
	case SYS_perf_event_open:
		return with_kernel_tid(n, a, 1);
	case SYS_prctl:
		return prctl((int)a[0], a[1], a[2], a[3], a[4]);
	default:
		return signals(n, a);
	}
}

static long processes(long n, const long *a)
{
	switch (n) {
#ifdef SYS_fork
	case SYS_fork:
		return fork();
#endif
	case SYS_clone:
		return is_fork(a) ? fork() : real(n, a);
	case SYS_execve:
		return execve((const char *)a[0], (char *const *)a[1], (char *const *)a[2]);
	case SYS_execveat:
		return execveat((int)a[0], (const char *)a[1], (char *const *)a[2], (char *const *)a[3],
				(int)a[4]);
	case SYS_exit:
		return end_thread(n, a);
	case SYS_unshare:
		return unshare((int)a[0]);
	case SYS_setns:
		return setns((int)a[0], (int)a[1]);
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setfsuid:
	case SYS_setfsgid:
	case SYS_setgroups:
		return on_this_thread(n, a, "setuid by its number");
	case SYS_capset:
	case SYS_seccomp:
	case SYS_personality:
		return on_this_thread(n, a, "capset, seccomp or personality");
	default:
		return named(n, a);
	}
}

/* --- Descriptors, which concern native threads too */

static long control(long n, const long *a)
{
	if ((int)a[1] == F_GETOWN) /* libc asks otherwise */
		return real(n, a);
	return fcntl((int)a[0], (int)a[1], a[2]);
}

static long descriptors_old(long n, const long *a)
{
	switch (n) {
#ifdef SYS_open
	case SYS_dup2:
		return dup2((int)a[0], (int)a[1]);
	case SYS_open:
		return open((const char *)a[0], (int)a[1], (mode_t)a[2]);
	case SYS_creat:
		return open((const char *)a[0], O_CREAT | O_WRONLY | O_TRUNC, (mode_t)a[1]);
	case SYS_pipe:
		return pipe((int *)a[0]);
	case SYS_eventfd:
		return eventfd((unsigned)a[0], 0);
	case SYS_epoll_create:
		return epoll_create((int)a[0]);
#endif
	default:
		return processes(n, a);
	}
}

static long descriptors(long n, const long *a)
{
	int fd = (int)a[0];

	switch (n) {
	case SYS_fcntl:
		return control(n, a);
	case SYS_ioctl:
		return ioctl(fd, (unsigned long)a[1], (void *)a[2]);
	case SYS_dup:
		return dup(fd);
	case SYS_openat:
		return openat(fd, (const char *)a[1], (int)a[2], (mode_t)a[3]);
	case SYS_socket:
		return socket(fd, (int)a[1], (int)a[2]);
	case SYS_socketpair:
		return socketpair(fd, (int)a[1], (int)a[2], (int *)a[3]);
	case SYS_setsockopt:
		return setsockopt(fd, (int)a[1], (int)a[2], (const void *)a[3], (socklen_t)a[4]);
	case SYS_shutdown:
		return shutdown(fd, (int)a[1]);
	case SYS_pipe2:
		return pipe2((int *)a[0], (int)a[1]);
	case SYS_eventfd2:
		return eventfd((unsigned)a[0], (int)a[1]);
	case SYS_epoll_create1:
		return epoll_create1((int)a[0]);
	default:
		return descriptors_old(n, a);
	}
}

/* What ends a number must be told to the table also before there are coroutines. */
static long ends(long n, const long *a, long (*others)(long, const long *))
{
	switch (n) {
	case SYS_close:
		return close((int)a[0]);
	case SYS_close_range:
		return close_range((unsigned)a[0], (unsigned)a[1], (int)a[2]);
	case SYS_dup3:
		return dup3((int)a[0], (int)a[1], (int)a[2]);
	default:
		return others(n, a);
	}
}

static long before_coroutines(long n, const long *a)
{
#ifdef SYS_dup2
	if (n == SYS_dup2)
		return dup2((int)a[0], (int)a[1]);
#endif
	return real(n, a);
}

static long dispatch(long n, const long *a)
{
	return n == SYS_futex ? futex_call(n, a) : descriptors(n, a);
}

/* syscall(2).  Parks: as the call that it makes.  Passes through: no green thread exists yet; all calls that
 * are not named here.
 * errno: the kernel's.
 * Differs: a call that is a cancellation point under its own name is one here; fork runs the handlers that
 * pthread_atfork() was given; what a green thread changes of its kernel thread (setuid and so on by number) is
 * changed for all of them. */
EXPORT long syscall(long n, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, n);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return ends(n, a, locks_are_ours() ? dispatch : before_coroutines);
}
