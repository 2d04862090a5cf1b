/* SPDX-License-Identifier: Apache-2.0
 *
 * See sending.h.
 */
#include "sending.h"
#include <sys/socket.h>
#include "handler.h"
#include "raw.h"
#include "sigmask.h"

static bool ends_quietly(const struct io_wait *w)
{
	return w->until && fd_is_unix(w->fd);
}

/* The kernel's SIGPIPE goes to the kernel thread, whose mask is not the caller's.  (Where nobody blocks it, the
 * caller's mask would be a cache miss in vain.) */
static bool blocks_sigpipe(const struct coro *me)
{
	return UNLIKELY(sig_is_blocked_by_any(SIGPIPE)) && sig_blocks(me, SIGPIPE);
}

int sending_flags(const struct io_wait *w)
{
	bool quiet = w->has_some || blocks_sigpipe(w->me) || ends_quietly(w);

	return quiet ? MSG_DONTWAIT | MSG_NOSIGNAL : MSG_DONTWAIT;
}

int sending_error(const struct io_wait *w, int err, int flags)
{
	int pending;

	if (err != EPIPE)
		return err;
	if (ends_quietly(w)) {
		pending = fd_option(w->fd, SO_ERROR);
		return pending ? pending : EPIPE;
	}
	if (blocks_sigpipe(w->me) && !(flags & MSG_NOSIGNAL) && fd_option(w->fd, SO_TYPE) == SOCK_STREAM)
		sig_send(w->me, SIGPIPE);
	return EPIPE;
}

static bool has_broken(const struct io_wait *w)
{
	return (fd_kind(w->fd) & FD_KIND_MASK) == FD_SOCKET && (fd_events(w->fd, 0) & (POLLERR | POLLHUP)) &&
	       !fd_is_unix(w->fd);
}

int sending_wait(struct io_wait *w)
{
	int r = wait_io(w);

	return r == 0 && w->has_some && has_broken(w) ? -EPIPE : r;
}

static long write_now(int fd, const struct iovec *iov, int n)
{
	return raw6(SYS_pwritev2, fd, (long)iov, n, -1, 0, RWF_NOWAIT);
}

long sending_to_pipe(struct coro *me, int fd, const struct iovec *iov, int n)
{
	uint64_t pipe_only = 1ull << (SIGPIPE - 1), saved;
	struct timespec zero = { 0, 0 };
	long r;

	if (!blocks_sigpipe(me))
		return write_now(fd, iov, n);
	raw4(SYS_rt_sigprocmask, SIG_BLOCK, &pipe_only, &saved, 8);
	r = write_now(fd, iov, n);
	if (r == -EPIPE)
		raw4(SYS_rt_sigtimedwait, &pipe_only, 0, &zero, 8);
	raw4(SYS_rt_sigprocmask, SIG_SETMASK, &saved, 0, 8);
	if (r == -EPIPE)
		sig_send(me, SIGPIPE);
	return r;
}
