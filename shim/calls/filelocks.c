/* SPDX-License-Identifier: Apache-2.0
 *
 * File locks: flock, lockf, and fcntl, some of whose commands wait for one.
 *
 * No descriptor tells when a lock will be free.  To try again and again would wait too long at one time and
 * take too much of the processor at another, would starve beside processes that wait in the kernel, and would
 * never be told of a deadlock: the kernel looks for one (EDEADLK) when a process goes to sleep.  So a lock that
 * is not free is waited for by a worker (errand.h), asleep where a thread of the program would be.  That
 * another kernel thread does it makes no difference: locks belong to the process, or to the open file.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include "coro.h"
#include "errand.h"
#include "fdtab.h"
#include "libc.h"
#include "raw.h"

#define LOCK_FLAGS WAIT_INTR_RESTART

static bool is_taken(long r)
{
	return r == -EAGAIN || r == -EACCES;
}

static int answer(long r)
{
	return r < 0 ? fail((int)-r) : (int)r;
}

/* The range in absolute terms, as the kernel would see it now: who waits does so while others move the file's
 * position.  (The try would have told of an overflow.) */
static void pin_range(int fd, struct flock *range)
{
	struct stat st;
	long base = 0;

	if (range->l_whence == SEEK_CUR)
		base = raw3(SYS_lseek, fd, 0, SEEK_CUR);
	else if (range->l_whence == SEEK_END && raw2(SYS_fstat, fd, &st) == 0)
		base = st.st_size;
	if (base < 0)
		return;
	range->l_start += base;
	range->l_whence = SEEK_SET;
}

static long await_range(struct coro *me, int fd, int cmd, const struct flock *range, const char *why)
{
	struct errand *e = errand_new(sizeof(*range));
	struct flock *pinned;

	if (!e)
		return -ENOMEM;
	pinned = (struct flock *)e->data;
	*pinned = *range;
	pin_range(fd, pinned);
	e->call[0] = SYS_fcntl;
	e->call[1] = fd;
	e->call[2] = cmd;
	e->call[3] = (long)pinned;
	return errand_end(me, e, errand_run(me, e, fd, OFFLOAD_LONG, LOCK_FLAGS | WAITQ_CANCEL, why));
}

static PARKING int lock_range(struct coro *me, int fd, int cmd, const struct flock *range, const char *why)
{
	int saved = errno;
	long r = raw3(SYS_fcntl, fd, cmd == F_SETLKW ? F_SETLK : F_OFD_SETLK, range);

	if (is_taken(r)) {
		r = await_range(me, fd, cmd, range, why);
		errno = saved;
	}
	return (int)coro_leave(answer(r));
}

/* What the other commands do is nothing to us: they are libc's, with no frame of ours below. */
static inline bool is_ours(int cmd)
{
	return cmd == F_SETFL || cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_SETLKW ||
	       cmd == F_OFD_SETLKW;
}

static PARKING int fcntl_here(int fd, int cmd, long arg, int (*plain)(int, int, ...), const char *why)
{
	bool waits = cmd == F_SETLKW || cmd == F_OFD_SETLKW;
	struct coro *me = waits ? coro_enter() : NULL;
	int r;

	if (me)
		return lock_range(me, fd, cmd, (const struct flock *)arg, why);
	r = plain(fd, cmd, arg);
	if (r < 0 || waits)
		return r;
	if (cmd == F_SETFL)
		fd_set_nonblock(fd, arg & O_NONBLOCK);
	else
		fd_duplicated(fd, r);
	return r;
}

/* fcntl(2).  Parks: F_SETLKW and F_OFD_SETLKW, until the range is free.  Passes through: all other commands.
 * The flags are the program's own at any time.
 * errno: the kernel's; EDEADLK; EINTR as for SA_RESTART; EBADF if closed while parked.
 * Differs: the kernel lets the wait outlive close(2); we end it. */
EXPORT int fcntl(int fd, int cmd, ...) VARIADIC(fcntl_word);
EXPORT_ALIAS(__fcntl, fcntl);

static HOT ALIASED int fcntl_word(int fd, int cmd, long arg)
{
	_Static_assert(F_SETLKW == F_SETLKW64 && sizeof(struct flock) == sizeof(struct flock64),
		       "one for both");
	if (!is_ours(cmd))
		return libc.fcntl(fd, cmd, arg);
	return fcntl_here(fd, cmd, arg, libc.fcntl, "fcntl");
}

/* fcntl64: what a program built with _FILE_OFFSET_BITS=64 calls. */
EXPORT int fcntl64(int fd, int cmd, ...) VARIADIC(fcntl64_word);

static HOT ALIASED int fcntl64_word(int fd, int cmd, long arg)
{
	if (!is_ours(cmd))
		return libc.fcntl64(fd, cmd, arg);
	return fcntl_here(fd, cmd, arg, libc.fcntl64, "fcntl64");
}

/* lockf(3).  Parks: F_LOCK, until the section is free.  Passes through: the rest.  errno: as fcntl(). */
EXPORT int lockf(int fd, int cmd, off_t len)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = len };
	struct coro *me;

	if (cmd != F_LOCK || !(me = coro_enter()))
		return libc.lockf(fd, cmd, len);
	return lock_range(me, fd, F_SETLKW, &range, "lockf");
}

/* lockf64: as lockf(). */
EXPORT int lockf64(int fd, int cmd, off64_t len)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = len };
	struct coro *me;

	if (cmd != F_LOCK || !(me = coro_enter()))
		return libc.lockf64(fd, cmd, len);
	return lock_range(me, fd, F_SETLKW, &range, "lockf64");
}

static long await_flock(struct coro *me, int fd, int operation)
{
	struct errand *e = errand_new(0);

	if (!e)
		return -ENOMEM;
	e->call[0] = SYS_flock;
	e->call[1] = fd;
	e->call[2] = operation;
	return errand_end(me, e,
			  errand_run(me, e, fd, OFFLOAD_LONG,
				     LOCK_FLAGS | wait_flag_of_no_cancellation_point(me), "flock"));
}

/* flock(2).  Parks: until no other open file has the lock.  Passes through: LOCK_NB, LOCK_UN.
 * errno: the kernel's; EINTR as for SA_RESTART; EBADF if closed while parked.
 * Differs: the kernel lets the wait outlive close(2); we end it. */
EXPORT int flock(int fd, int operation)
{
	struct coro *me = coro_may_park();
	int saved = errno;
	long r;

	if (LIKELY(!me) || ((operation & (LOCK_NB | LOCK_UN)) && coro_leave(true)))
		return libc.flock(fd, operation);
	r = raw2(SYS_flock, fd, operation | LOCK_NB);
	if (r == -EWOULDBLOCK) {
		r = await_flock(me, fd, operation);
		errno = saved;
	}
	return (int)coro_leave(answer(r));
}
