/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing at an offset, and waiting for the disk.  A file has no readiness: plainly such a call
 * keeps its kernel thread until it is done, and the others are handed off to another one.  With
 * SYNCLESS_FILES=offload a worker makes it (transfer.h); so it is with read() and its kin in file.c.  It
 * cannot be interrupted; a cancellation is acted on before it, not while a worker may be writing.
 *
 * preadv2 and pwritev2 with an offset of -1 are readv and writev, on pipes and sockets as well.
 */
#include <limits.h>
#include "coro.h"
#include "errand.h"
#include "fdtab.h"
#include "libc.h"
#include "raw.h"
#include "transfer.h"
#include "wait.h"

_Static_assert(sizeof(off_t) == sizeof(off64_t), "one body for both");

/* NULL: by the plain call.  Whoever is alone (handoff.h) does not come back for a disk, but to be cancelled. */
static inline struct coro *enter(int fd)
{
	const struct coro *me = coro_self;
	bool is_due;

	if (LIKELY(!me))
		return NULL;
	is_due = coro_cancel_due(me);
	if (LIKELY(!settings.offload_files && !is_due))
		return NULL;
	if (!is_due && (atomic_load_explicit(&me->keeps, memory_order_relaxed) & KEEPS_ALONE))
		return NULL;
	if (coro_enter() && transfer_offloads(fd))
		return coro_self;
	coro_leave(0);
	return NULL;
}

static long answer(long r, int saved)
{
	if (r < 0)
		return coro_leave(fail((int)-r));
	errno = saved;
	return coro_leave(r);
}

static PARKING ssize_t transfer(struct coro *me, struct transfer t)
{
	int saved = errno;

	return answer(transfer_of_file(me, &t), saved);
}

/* The kernel says what is wrong with it, or it has nothing to do. */
static bool is_refused(const struct iovec *iov, int n, off_t offset)
{
	return !iov || n <= 0 || n > IOV_MAX || offset < 0;
}

/* pread(2).  Parks: as this file says.  errno: the kernel's. */
EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	struct iovec iov = { buf, len };
	struct coro *me;

	if (!len || offset < 0 || !(me = enter(fd)))
		return libc.pread(fd, buf, len, offset);
	return transfer(me, (struct transfer){ false, fd, &iov, 1, offset, 0, "pread" });
}

EXPORT ssize_t pread64(int fd, void *buf, size_t len, off64_t offset)
{
	return pread(fd, buf, len, offset);
}
EXPORT_ALIAS(__pread64, pread64);

/* pwrite(2).  As pread(). */
EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	struct iovec iov = { (void *)buf, len };
	struct coro *me;

	if (!len || offset < 0 || !(me = enter(fd)))
		return libc.pwrite(fd, buf, len, offset);
	return transfer(me, (struct transfer){ true, fd, &iov, 1, offset, 0, "pwrite" });
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
	return pwrite(fd, buf, len, offset);
}
EXPORT_ALIAS(__pwrite64, pwrite64);

/* preadv(2).  As pread(). */
EXPORT ssize_t preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct coro *me;

	if (is_refused(iov, n, offset) || !(me = enter(fd)))
		return libc.preadv(fd, iov, n, offset);
	return transfer(me, (struct transfer){ false, fd, iov, n, offset, 0, "preadv" });
}

EXPORT ssize_t preadv64(int fd, const struct iovec *iov, int n, off64_t offset)
{
	return preadv(fd, iov, n, offset);
}

/* pwritev(2).  As pread(). */
EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct coro *me;

	if (is_refused(iov, n, offset) || !(me = enter(fd)))
		return libc.pwritev(fd, iov, n, offset);
	return transfer(me, (struct transfer){ true, fd, iov, n, offset, 0, "pwritev" });
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t offset)
{
	return pwritev(fd, iov, n, offset);
}

/* --- preadv2, pwritev2. */

/* What else than a file may wait, with flags that readv() has no place for: rare enough for a worker. */
static PARKING ssize_t transfer_slowly(struct transfer t)
{
	struct coro *me = coro_enter();
	int saved = errno;

	if (!me)
		return t.writes ? libc.pwritev2(t.fd, t.iov, t.n, -1, t.flags)
				: libc.preadv2(t.fd, t.iov, t.n, -1, t.flags);
	return answer(transfer_by_worker(me, &t, OFFLOAD_LONG, WAIT_INTR_RESTART | WAITQ_CANCEL), saved);
}

/* Something that has no position, and waits. */
static bool may_wait(int fd, off_t offset, int flags)
{
	return coro_self && offset == -1 && !(flags & RWF_NOWAIT) && !fd_never_waits(fd_kind(fd)) &&
	       !fd_is_nonblock(fd);
}

/* preadv2(2).  Parks: at an offset of -1, as readv(); else as pread().  Passes through: RWF_NOWAIT.
 * errno: the kernel's; of readv() as well. */
EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	struct coro *me;

	if (offset == -1 && !flags)
		return readv(fd, iov, n);
	if (is_refused(iov, n, offset == -1 ? 0 : offset) || (flags & RWF_NOWAIT))
		return libc.preadv2(fd, iov, n, offset, flags);
	if (may_wait(fd, offset, flags))
		return transfer_slowly((struct transfer){ false, fd, iov, n, -1, flags, "preadv2" });
	if (!(me = enter(fd)))
		return libc.preadv2(fd, iov, n, offset, flags);
	return transfer(me, (struct transfer){ false, fd, iov, n, offset, flags, "preadv2" });
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off64_t offset, int flags)
{
	return preadv2(fd, iov, n, offset, flags);
}

/* pwritev2(2).  As preadv2(), of writev(). */
EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	struct coro *me;

	if (offset == -1 && !flags)
		return writev(fd, iov, n);
	if (is_refused(iov, n, offset == -1 ? 0 : offset) || (flags & RWF_NOWAIT))
		return libc.pwritev2(fd, iov, n, offset, flags);
	if (may_wait(fd, offset, flags))
		return transfer_slowly((struct transfer){ true, fd, iov, n, -1, flags, "pwritev2" });
	if (!(me = enter(fd)))
		return libc.pwritev2(fd, iov, n, offset, flags);
	return transfer(me, (struct transfer){ true, fd, iov, n, offset, flags, "pwritev2" });
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off64_t offset, int flags)
{
	return pwritev2(fd, iov, n, offset, flags);
}

/* --- Waiting for the disk. */

static PARKING int sync_by_worker(struct coro *me, const long call[7], const char *why)
{
	int saved = errno;
	struct errand *e = errand_new(0);

	if (!e)
		return (int)coro_leave(fail(ENOMEM));
	for (int i = 0; i < 7; i++)
		e->call[i] = call[i];
	return (int)answer(errand_end(me, e, errand_run(me, e, (int)call[1], OFFLOAD_SHORT, 0, why)), saved);
}

/* fsync(2).  As pread(). */
EXPORT int fsync(int fd)
{
	struct coro *me = enter(fd);

	if (LIKELY(!me))
		return libc.fsync(fd);
	return sync_by_worker(me, (long[7]){ SYS_fsync, fd }, "fsync");
}

/* fdatasync(2).  As pread(). */
EXPORT int fdatasync(int fd)
{
	struct coro *me = enter(fd);

	if (LIKELY(!me))
		return libc.fdatasync(fd);
	return sync_by_worker(me, (long[7]){ SYS_fdatasync, fd }, "fdatasync");
}

/* sync_file_range(2).  As pread(). */
EXPORT int sync_file_range(int fd, off64_t offset, off64_t len, unsigned flags)
{
	struct coro *me = enter(fd);

	if (LIKELY(!me))
		return libc.sync_file_range(fd, offset, len, flags);
	return sync_by_worker(me, (long[7]){ SYS_sync_file_range, fd, offset, len, flags }, "sync_file_range");
}
