/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls that make, copy, change and close descriptors.  All pass through; what we know of the numbers
 * follows (fdtab.h).  Order: what ends a number is told to the table before the system call, so that the loop
 * never watches a number that may be another's already; what makes one, after it.
 *
 * The two descriptors of our own loop are not open as far as the program can tell.  A vfork child may close
 * its copies.
 */
#include <limits.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "coro.h"
#include "errand.h"
#include "evsys.h"
#include "fdtab.h"
#include "libc.h"
#include "raw.h"
#include "wait.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

/* --- Ends */

static bool is_loops_own(int fd)
{
	return sched.main && fd >= 0 && evsys_next_own((unsigned)fd) == (unsigned)fd && fd_in_our_process();
}

static PARKING int close_here(int fd)
{
	if (coro_self && coro_cancel_due(coro_self) && fd_in_our_process())
		coro_cancel_point();
	if (is_loops_own(fd))
		return fail(EBADF);
	fd_closing(fd);
	return libc.close(fd);
}

/* close(2).  Never parks.  Those who wait on fd get EBADF (poll: POLLNVAL).
 * A cancellation point, with the descriptor still open.
 * Differs: the kernel would leave them waiting. */
EXPORT int close(int fd)
{
	if (UNLIKELY(sched.main != NULL))
		return close_here(fd);
	fd_closing(fd);
	return libc.close(fd);
}
EXPORT_ALIAS(__close, close);

static int close_piece(unsigned first, unsigned last, int flags)
{
	fd_closing_range(first, last);
	return libc.close_range(first, last, flags);
}

/* In pieces, between those of our own loop. */
static int close_but_loops_own(unsigned first, unsigned last, int flags)
{
	int r = 0;

	if (last > INT_MAX) /* higher than any descriptor, and than no own one */
		last = INT_MAX;
	while (r == 0 && first <= last) {
		unsigned own = evsys_next_own(first);

		if (own > last || !fd_in_our_process())
			return close_piece(first, last, flags);
		if (own > first)
			r = close_piece(first, own - 1, flags);
		first = own + 1;
	}
	return r;
}

/* close_range(2).  As close(), for each number in the range. */
EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	if (first > last || (flags & ~CLOSE_RANGE_UNSHARE))
		return libc.close_range(first, last, flags); /* an error, or nothing is closed */
	return close_but_loops_own(first, last, flags);
}

/* closefrom(3).  As close(), for each number from `low` on. */
EXPORT void closefrom(int low)
{
	int saved = errno;

	if (close_but_loops_own(low < 0 ? 0 : (unsigned)low, UINT_MAX, 0) == 0) {
		errno = saved;
		return;
	}
	if (libc.closefrom) /* no close_range(2): libc reads /proc, and ends the process if it cannot */
		libc.closefrom(low);
}

/* --- Copies */

/* dup(2).  Never parks. */
EXPORT int dup(int fd)
{
	int r = libc.dup(fd);

	if (r >= 0)
		fd_duplicated(fd, r);
	return r;
}

/* Before `to` becomes another `from`: a failing call must end no waits. */
static void about_to_replace(int from, int to)
{
	if (fd_lookup(to) && raw2(SYS_fcntl, from, F_GETFD) >= 0)
		fd_closing(to);
}

/* dup2(2).  Never parks.  Those who wait on `to` get EBADF.  errno: EBUSY for a descriptor of our own loop. */
EXPORT int dup2(int from, int to)
{
	int r;

	if (from == to)
		return libc.dup2(from, to);
	if (is_loops_own(to))
		return fail(EBUSY);
	about_to_replace(from, to);
	r = libc.dup2(from, to);
	if (r >= 0)
		fd_duplicated(from, to);
	return r;
}
EXPORT_ALIAS(__dup2, dup2);

/* dup3(2).  As dup2(). */
EXPORT int dup3(int from, int to, int flags)
{
	int r;

	if (from == to || (flags & ~O_CLOEXEC))
		return libc.dup3(from, to, flags);
	if (is_loops_own(to))
		return fail(EBUSY);
	about_to_replace(from, to);
	r = libc.dup3(from, to, flags);
	if (r >= 0)
		fd_duplicated(from, to);
	return r;
}

/* --- Flags.  fcntl is in filelocks.c. */

/* ioctl(2).  Never parks. */
EXPORT int ioctl(int fd, unsigned long request, ...) VARIADIC(ioctl_word);

static PARKING int ioctl_noted(int fd, unsigned long request, void *arg)
{
	int r = libc.ioctl(fd, request, arg);

	if (r < 0)
		return r;
	if (request == FIONBIO)
		fd_set_nonblock(fd, *(const int *)arg != 0);
	else
		fd_appeared(r);
	return r;
}

static HOT ALIASED int ioctl_word(int fd, unsigned long request, void *arg)
{
	if (request != FIONBIO && request != TIOCGPTPEER)
		return libc.ioctl(fd, request, arg);
	return ioctl_noted(fd, request, arg);
}

static bool is_timeout_option(int level, int option)
{
	/* SO_RCVTIMEO_NEW and SO_SNDTIMEO_NEW, of programs with another time_t */
	return level == SOL_SOCKET &&
	       (option == SO_RCVTIMEO || option == SO_SNDTIMEO || option == 66 || option == 67);
}

/* setsockopt(2).  Never parks.  A new timeout holds from the next call on. */
EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	int r = libc.setsockopt(fd, level, option, value, len);

	if (r == 0 && is_timeout_option(level, option))
		fd_timeouts_changed(fd);
	else if (r == 0 && level == SOL_SOCKET && option == SO_RCVLOWAT && fd_is_socket(fd))
		fd_mark(fd, FD_LOWAT);
	return r;
}

/* --- New ones */

static int nonblock_bit(bool on)
{
	return on ? FD_NONBLOCK : 0;
}

/* socket(2).  Never parks. */
EXPORT int socket(int domain, int type, int protocol)
{
	int fd = libc.socket(domain, type, protocol);

	fd_created(fd, FD_SOCKET | nonblock_bit(type & SOCK_NONBLOCK));
	return fd;
}

static int note_pair(const int fds[2], int kind, int r)
{
	if (r == 0) {
		fd_created(fds[0], kind);
		fd_created(fds[1], kind);
	}
	return r;
}

/* socketpair(2).  Never parks. */
EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
	return note_pair(fds, FD_SOCKET | nonblock_bit(type & SOCK_NONBLOCK),
			 libc.socketpair(domain, type, protocol, fds));
}

/* pipe(2), pipe2(2).  Never park. */
EXPORT int pipe(int fds[2])
{
	return note_pair(fds, FD_PIPE, libc.pipe(fds));
}
EXPORT_ALIAS(__pipe, pipe);

EXPORT int pipe2(int fds[2], int flags)
{
	return note_pair(fds, FD_PIPE | nonblock_bit(flags & O_NONBLOCK), libc.pipe2(fds, flags));
}

/* eventfd(2).  Never parks. */
EXPORT int eventfd(unsigned value, int flags)
{
	int fd = libc.eventfd(value, flags);

	fd_created(fd, FD_PIPE | nonblock_bit(flags & EFD_NONBLOCK));
	return fd;
}

/* --- open, which waits for the other end of a FIFO */

static bool waits_for_other_end(int dir, const char *path, int flags)
{
	int saved = errno;
	struct stat st;
	bool yes;

	if ((flags & (O_NONBLOCK | O_PATH | O_DIRECTORY)) || (flags & O_ACCMODE) == O_RDWR)
		return false;
	yes = fstatat(dir, path, &st, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) == 0 &&
	      S_ISFIFO(st.st_mode);
	errno = saved;
	return yes;
}

/* The rest of a call: it leaves. */
static int open_on_worker(struct coro *me, int dir, const char *path, int flags, mode_t mode)
{
	struct errand *e = errand_new(strlen(path) + 1);
	int saved = errno;
	long r;

	if (!e)
		return (int)coro_leave(fail(ENOMEM));
	e->call[0] = SYS_openat;
	e->call[1] = dir;
	e->call[2] = (long)strcpy(e->data, path);
	e->call[3] = flags;
	e->call[4] = mode;
	r = errand_end(me, e, errand_run(me, e, -1, OFFLOAD_LONG, WAIT_INTR_RESTART | WAITQ_CANCEL, "open"));
	if (r < 0)
		return (int)coro_leave(fail((int)-r));
	errno = saved;
	return (int)coro_leave(r);
}

static mode_t mode_of(int flags, va_list ap)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

/* NULL: by the plain call, and nothing has begun.  Nor before the look at the file, whose disk may be slow. */
static PARKING struct coro *green_parks_in_open(int dir, const char *path, int flags)
{
	if (!coro_enter_file())
		return NULL;
	coro_leave(0);
	return waits_for_other_end(dir, path, flags) ? coro_host() : NULL;
}

static inline struct coro *parks_in_open(int dir, const char *path, int flags)
{
	return LIKELY(!coro_self) ? NULL : green_parks_in_open(dir, path, flags);
}

static int note_opened(int fd)
{
	if (fd >= 0)
		fd_appeared(fd);
	return fd;
}

/* open(2) and kin.  Park: on a FIFO, until the other end is opened.  Pass through: everything else.
 * errno: the kernel's; EINTR as for SA_RESTART. */
EXPORT int open(const char *path, int flags, ...)
{
	struct coro *me = parks_in_open(AT_FDCWD, path, flags);
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return note_opened(me ? open_on_worker(me, AT_FDCWD, path, flags, mode) : libc.open(path, flags, mode));
}

EXPORT int open64(const char *path, int flags, ...)
{
	struct coro *me = parks_in_open(AT_FDCWD, path, flags);
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return note_opened(me ? open_on_worker(me, AT_FDCWD, path, flags, mode)
			      : libc.open64(path, flags, mode));
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	struct coro *me = parks_in_open(dir, path, flags);
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return note_opened(me ? open_on_worker(me, dir, path, flags, mode)
			      : libc.openat(dir, path, flags, mode));
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
	struct coro *me = parks_in_open(dir, path, flags);
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = mode_of(flags, ap);
	va_end(ap);
	return note_opened(me ? open_on_worker(me, dir, path, flags, mode)
			      : libc.openat64(dir, path, flags, mode));
}

EXPORT int creat(const char *path, mode_t mode)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC;
	struct coro *me = parks_in_open(AT_FDCWD, path, flags);

	return note_opened(me ? open_on_worker(me, AT_FDCWD, path, flags, mode) : libc.creat(path, mode));
}

EXPORT int creat64(const char *path, mode_t mode)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC;
	struct coro *me = parks_in_open(AT_FDCWD, path, flags);

	return note_opened(me ? open_on_worker(me, AT_FDCWD, path, flags, mode) : libc.creat64(path, mode));
}

/* What fopen(3) opens with; O_NONBLOCK, with which nothing waits, if the mode is wrong or names an encoding. */
static int flags_of(const char *mode)
{
	int flags = *mode == 'r' ? 0 : *mode == 'w' ? O_CREAT | O_TRUNC : O_CREAT | O_APPEND;

	if ((*mode != 'r' && *mode != 'w' && *mode != 'a') || strchr(mode, ','))
		return O_NONBLOCK;
	if (strchr(mode, '+'))
		return flags | O_RDWR;
	return flags | (*mode == 'r' ? O_RDONLY : O_WRONLY) | (strchr(mode, 'x') ? O_EXCL : 0) |
	       (strchr(mode, 'e') ? O_CLOEXEC : 0);
}

static FILE *stream_of(int fd, const char *mode)
{
	FILE *file = fd >= 0 ? fdopen(fd, mode) : NULL;

	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* fopen(3).  Parks, passes through, errno, differs: as open.  The stream is made where that returns, so that
 * libc's lock on its list of streams is not held meanwhile. */
EXPORT FILE *fopen(const char *path, const char *mode)
{
	int flags = coro_self ? flags_of(mode) : 0;
	struct coro *me = parks_in_open(AT_FDCWD, path, flags);

	return me ? stream_of(note_opened(open_on_worker(me, AT_FDCWD, path, flags, 0666)), mode)
		  : libc.fopen(path, mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
	int flags = coro_self ? flags_of(mode) : 0;
	struct coro *me = parks_in_open(AT_FDCWD, path, flags);

	return me ? stream_of(note_opened(open_on_worker(me, AT_FDCWD, path, flags, 0666)), mode)
		  : libc.fopen64(path, mode);
}
