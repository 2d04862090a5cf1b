/* SPDX-License-Identifier: Apache-2.0
 *
 * What libev's object calls instead of libc.  scripts/adapt-archive renames each undefined symbol of ev.o that
 * stands in calls.def to ev_sys_<name>; the linker complains here when one is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include "evsys.h"
#include "fdtab.h"
#include "raw.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* only libev's object calls these */

int evsys_own[4] = { -1, -1, -1, -1 };
int evsys_epoll_fd = -1;
static int event_fd;
deadline_t evsys_sleep_until = NEVER;

static long done(long r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* The low numbers are the application's: it counts on getting the lowest free one, and dups over them. */
static long move_up(long fd)
{
	static const int wanted[] = { 1000, 200 };

	for (size_t i = 0; fd >= 0 && i < ARRAY_LEN(wanted); i++) {
		long high = raw3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, wanted[i]);

		if (high < 0)
			continue; /* beyond RLIMIT_NOFILE */
		raw1(SYS_close, fd);
		return high;
	}
	return fd;
}

/* What the application shall not close: our own, by any number. */
static int keep(long fd)
{
	fd = move_up(fd);
	for (size_t i = 0; fd >= 0 && i < ARRAY_LEN(evsys_own); i++)
		if (evsys_own[i] < 0) {
			evsys_own[i] = (int)fd;
			break;
		}
	return (int)done(fd);
}

int evsys_make_event_fd(void)
{
	event_fd = keep(raw2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
	return event_fd < 0 ? -1 : 0;
}

void evsys_close_own(void)
{
	for (size_t i = 0; i < ARRAY_LEN(evsys_own); i++) {
		if (evsys_own[i] >= 0)
			raw1(SYS_close, evsys_own[i]);
		evsys_own[i] = -1;
	}
}

struct timespec *evsys_sleep(bool sleeps, struct timespec *ts)
{
	int64_t left = 0;

	if (sleeps && evsys_sleep_until == NEVER)
		return NULL;
	if (sleeps && evsys_sleep_until != 0)
		left = evsys_sleep_until - now_ns();
	*ts = ns_timespec(left < 0 ? 0 : left);
	return ts;
}

/* The loop's own event fd goes into the set here, where that may still fail: libev takes it for granted. */
int ev_sys_epoll_create1(int flags)
{
	struct epoll_event ev = { .events = EPOLLIN };
	long r;

	evsys_epoll_fd = keep(raw1(SYS_epoll_create1, flags));
	r = evsys_epoll_fd < 0 ? 0 : raw4(SYS_epoll_ctl, evsys_epoll_fd, EPOLL_CTL_ADD, event_fd, &ev);
	return r < 0 ? (int)done(r) : evsys_epoll_fd; /* its number is closed with all our own */
}

int ev_sys_epoll_create(int size)
{
	(void)size;
	return ev_sys_epoll_create1(EPOLL_CLOEXEC);
}

/* libev asserts that a watched fd is open.  A close that did not pass through us, or a native thread's
 * whose note is still on the way, must not end the program: any other error makes libev drop the
 * watchers and call them back, and then the waiters find out by their own call.  But it calls them back after
 * the poll that it is about to begin, which therefore must not sleep. */
int ev_sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	long r;

	do
		r = raw4(SYS_epoll_ctl, epfd, fd == event_fd ? EPOLL_CTL_MOD : op, fd, event);
	while (fd == event_fd && (r == -ENOMEM || r == -ENOSPC));
	if (r == -EBADF || r == -EINVAL || r == -ELOOP)
		r = -EIO;
	if (r == -EPERM)
		fd_found_inert(fd);
	else if (r < 0 && r != -ENOENT && r != -EEXIST)
		evsys_sleep_until = 0;
	return (int)done(r);
}

/* How many events one poll brings.  What a poll looks up of a connection is still in the cache when its turn
 * comes, the kernel hands out the rest in turn, and no long round tells again of those that wait in it. */
#define EVENTS_MAX 128

/* libev counts in milliseconds; the deadline that the scheduler left says when really to be back. */
int ev_sys_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
	struct timespec ts, *t = evsys_sleep(timeout_ms, &ts);
	int ms = -1;

	if (max > EVENTS_MAX)
		max = EVENTS_MAX;
	if (t && (ts.tv_sec || ts.tv_nsec)) {
		long r = raw6(SYS_epoll_pwait2, epfd, (long)events, max, (long)t, 0, 0);

		if (r != -ENOSYS)
			return (int)done(r);
	}
	if (t)
		ms = ts.tv_sec >= 60 ? 60000 : (int)((timespec_ns(t) + NS_PER_MS - 1) / NS_PER_MS);
	return (int)done(raw6(SYS_epoll_pwait, epfd, (long)events, max, ms, 0, 0));
}

int ev_sys_eventfd(unsigned value, int flags)
{
	(void)value, (void)flags;
	return event_fd;
}

int ev_sys_close(int fd)
{
	if (fd < 0) /* what it failed to open: errno says why */
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(evsys_own); i++)
		if (evsys_own[i] == fd)
			evsys_own[i] = -1;
	return (int)done(raw1(SYS_close, fd));
}

long ev_sys_read(int fd, void *buf, size_t n)
{
	return done(raw3(SYS_read, fd, buf, n));
}

long ev_sys_write(int fd, const void *buf, size_t n)
{
	return done(raw3(SYS_write, fd, buf, n));
}

int ev_sys_dup2(int from, int to)
{
	return (int)done(raw3(SYS_dup3, from, to, 0));
}

int ev_sys_pipe(int fds[2])
{
	return (int)done(raw2(SYS_pipe2, fds, 0));
}

int ev_sys_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)done(raw3(SYS_fcntl, fd, cmd, arg));
}

/* A closed descriptor, see epoll_ctl above, becomes an event. */
int ev_sys_poll(struct pollfd *fds, unsigned long n, int timeout_ms)
{
	struct timespec ts;
	long r = raw6(SYS_ppoll, (long)fds, (long)n, (long)evsys_sleep(timeout_ms, &ts), 0, 0, 0);
	long left = r;

	for (struct pollfd *p = fds; left > 0; left -= p++->revents != 0)
		if (p->revents & POLLNVAL)
			p->revents = POLLERR;
	return (int)done(r);
}

int ev_sys_select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *tv)
{
	struct timespec ts;

	return (int)done(raw6(SYS_pselect6, n, (long)r, (long)w, (long)x,
			      (long)evsys_sleep(tv->tv_sec || tv->tv_usec, &ts), 0));
}

/* libev's only mappings are io_uring's.  A forked child has no use for them. */
void *ev_sys_mmap(void *addr, size_t len, int prot, int flags, int fd, int64_t offset)
{
	void *p = mmap(addr, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return p;
	madvise(p, len, MADV_DONTFORK);
	evuring_mapped(fd, offset, p);
	return p;
}

/* io_uring's: evuring_enter() knows the time. */
int ev_sys_timerfd_create(int clock, int flags)
{
	return keep(raw2(SYS_timerfd_create, clock, flags));
}

int ev_sys_timerfd_settime(int fd, int flags, const void *value, void *old)
{
	(void)fd, (void)flags, (void)value, (void)old;
	return 0;
}

/* Helpers that the loop's flags never choose. */
int ev_sys_nanosleep(const struct timespec *req, struct timespec *rem)
{
	return (int)done(raw2(SYS_nanosleep, req, rem));
}

long ev_sys_syscall(long n, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, n);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (n == SYS_io_uring_setup)
		return keep(evuring_setup((unsigned)a[0], (struct io_uring_params *)a[1]));
	if (n == SYS_io_uring_enter)
		return evuring_enter((unsigned)a[1], a[3] != 0);
	return done(raw6(n, a[0], a[1], a[2], a[3], a[4], a[5]));
}

int ev_sys_signalfd(int fd, const void *mask, int flags)
{
	return (int)done(raw4(SYS_signalfd4, fd, mask, 8, flags));
}

int ev_sys_inotify_init(void)
{
	return (int)done(raw1(SYS_inotify_init1, 0));
}

int ev_sys_inotify_init1(int flags)
{
	return (int)done(raw1(SYS_inotify_init1, flags));
}

int ev_sys_waitpid(int pid, int *status, int options)
{
	return (int)done(raw4(SYS_wait4, pid, status, options, 0));
}

int ev_sys_sigaction(int sig, const void *act, void *old)
{
	(void)sig, (void)act, (void)old; /* signal watchers are never used */
	errno = ENOSYS;
	return -1;
}

void *ev_sys_signal(int sig, void *handler)
{
	(void)sig, (void)handler;
	errno = ENOSYS;
	return (void *)-1;
}

int ev_sys_sigprocmask(int how, const void *set, void *old)
{
	return (int)done(raw4(SYS_rt_sigprocmask, how, set, old, 8));
}

/* What libev says before it aborts.  Its FILE is only ever stderr. */
static int complain(const char *format, va_list ap)
{
	char text[256];
	int n = vsnprintf(text, sizeof(text), format, ap);

	if (n > 0)
		raw3(SYS_write, 2, text, n < (int)sizeof(text) ? n : (int)sizeof(text) - 1);
	return n;
}

static void complain_of(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(format, ap);
	va_end(ap);
}

void ev_sys_perror(const char *what)
{
	complain_of("%s: %s\n", what, strerror(errno));
}

int ev_sys_fprintf(void *file, const char *format, ...)
{
	va_list ap;
	int n;

	(void)file;
	va_start(ap, format);
	n = complain(format, ap);
	va_end(ap);
	return n;
}

int ev_sys___fprintf_chk(void *file, int flag, const char *format, ...)
{
	va_list ap;
	int n;

	(void)file, (void)flag;
	va_start(ap, format);
	n = complain(format, ap);
	va_end(ap);
	return n;
}
