/* SPDX-License-Identifier: Apache-2.0
 *
 * splice, tee and vmsplice.  SPLICE_F_NONBLOCK is for their pipes, and a pipe's O_NONBLOCK counts as that
 * flag; a socket at the other end looks at its own O_NONBLOCK alone, which is set for the length of one system
 * call.  Where others share that flag, and on terminals, poll(2) is asked first, and no more is moved than
 * surely fits.
 *
 * All of them are over when something has been moved; only into a socket goes all that the pipe holds
 * meanwhile.
 */
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include "coro.h"
#include "fdtab.h"
#include "libc.h"
#include "raw.h"
#include "wait.h"

struct splicing {
	int in, out;
	off64_t *in_at, *out_at;
	size_t len;
	unsigned flags; /* as the program gave them */
};

static bool never_waits(int fd)
{
	return fd_never_waits(fd_kind(fd));
}

/* An anonymous inode's descriptor counts among the pipes elsewhere. */
static bool is_pipe(int fd)
{
	return (fd_kind(fd) & FD_KIND_MASK) == FD_PIPE && raw2(SYS_fcntl, fd, F_GETPIPE_SZ) >= 0;
}

static bool is_socket(int fd)
{
	return (fd_kind(fd) & FD_KIND_MASK) == FD_SOCKET;
}

static bool can_lend_flag(int fd)
{
	return is_socket(fd) && !(fd_kind(fd) & FD_SHARED) && !fd_is_nonblock(fd);
}

/* It would wait whatever the flags of the call are. */
static bool must_be_asked(int fd)
{
	return !never_waits(fd) && !is_pipe(fd) && !fd_is_nonblock(fd) && !can_lend_flag(fd);
}

static void set_nonblock(int fd, int on)
{
	raw3(SYS_ioctl, fd, FIONBIO, &on);
}

static long try_splice(const struct splicing *s, size_t len)
{
	int lent = can_lend_flag(s->in) ? s->in : can_lend_flag(s->out) ? s->out : -1;
	long r;

	if (must_be_asked(s->in) && !fd_is_ready(s->in, POLLIN))
		return -EAGAIN;
	if (must_be_asked(s->out) && !fd_is_ready(s->out, POLLOUT))
		return -EAGAIN;
	if (must_be_asked(s->out) && len > PIPE_BUF)
		len = PIPE_BUF; /* which what is "writable" takes */
	if (lent >= 0)
		set_nonblock(lent, 1);
	r = raw6(SYS_splice, s->in, (long)s->in_at, s->out, (long)s->out_at, (long)len,
		 s->flags | SPLICE_F_NONBLOCK);
	if (lent >= 0)
		set_nonblock(lent, 0);
	return r;
}

struct splice_wait {
	struct io_wait in, out;
	bool pipes_wait;
};

/* After EAGAIN, for the end that said it, if the program does not want to see it.  0: try again. */
static int await_end(struct splice_wait *w)
{
	struct io_wait *end = fd_is_ready(w->in.fd, POLLIN) ? &w->out : &w->in;

	return !w->pipes_wait && is_pipe(end->fd) ? -EAGAIN : wait_io(end);
}

/* The pipes' own flags count as the call's. */
static bool pipes_wait(int in, int out, unsigned flags)
{
	if (flags & SPLICE_F_NONBLOCK)
		return false;
	return !(is_pipe(in) && fd_is_nonblock(in)) && !(is_pipe(out) && fd_is_nonblock(out));
}

static struct splice_wait wait_on(struct coro *me, int in, int out, unsigned flags, const char *why)
{
	return (struct splice_wait){
		.in = { .me = me, .fd = in, .want = WAIT_READ, .why = why },
		.out = { .me = me, .fd = out, .want = WAIT_WRITE, .why = why },
		.pipes_wait = pipes_wait(in, out, flags),
	};
}

static long answer(long r, int saved)
{
	if (r < 0)
		return fail((int)-r);
	errno = saved;
	return r;
}

/* The kernel goes on as long as the pipe has something. */
static bool has_more(const struct splicing *s, size_t done)
{
	return done < s->len && is_socket(s->out) && fd_is_ready(s->in, POLLIN);
}

static PARKING ssize_t park_splice(struct coro *me, const struct splicing *s)
{
	struct splice_wait w = wait_on(me, s->in, s->out, s->flags, "splice");
	int saved = errno;
	size_t done = 0;
	long r;

	do {
		r = try_splice(s, s->len - done);
		if (r > 0)
			done += (size_t)r;
		else if (r == -EAGAIN && (r = await_end(&w)) == 0)
			r = 1;
	} while (r > 0 && (!done || has_more(s, done)));
	return answer(done ? (long)done : r, saved);
}

/* What the kernel says no to, before it waits for anything. */
static bool is_refused(const struct splicing *s)
{
	return (!is_pipe(s->in) && !is_pipe(s->out)) || (s->in_at && !never_waits(s->in)) ||
	       (s->out_at && !never_waits(s->out));
}

/* splice(2).  Parks: until something is moved; to a socket, until what the pipe holds is.  Passes through:
 * nothing that may wait.
 * errno: the kernel's; EAGAIN as the flags have it; EINTR as for SA_RESTART; EBADF if closed while parked. */
EXPORT ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
	const struct splicing s = { in, out, in_at, out_at, len, flags };
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((!len || is_refused(&s)) && coro_leave(true)))
		return libc.splice(in, in_at, out, out_at, len, flags);
	return coro_leave(park_splice(me, &s));
}

/* tee(2).  As splice(). */
EXPORT ssize_t tee(int in, int out, size_t len, unsigned flags)
{
	struct coro *me = coro_enter();
	struct splice_wait w;
	int saved = errno;
	long r;

	if (LIKELY(!me) || (!len && coro_leave(true)))
		return libc.tee(in, out, len, flags);
	w = wait_on(me, in, out, flags, "tee");
	do
		r = raw4(SYS_tee, in, out, len, flags | SPLICE_F_NONBLOCK);
	while (r == -EAGAIN && (r = await_end(&w)) == 0);
	return coro_leave(answer(r, saved));
}

/* vmsplice(2).  Parks: until something is moved.  Passes through: SPLICE_F_NONBLOCK.  O_NONBLOCK does not
 * count here.
 * errno: as splice(). */
EXPORT ssize_t vmsplice(int fd, const struct iovec *iov, size_t n, unsigned flags)
{
	struct coro *me = coro_enter();
	struct fdrec *f;
	int saved = errno;
	short want;
	long r;

	if (LIKELY(!me) || ((flags & SPLICE_F_NONBLOCK) && coro_leave(true)))
		return libc.vmsplice(fd, iov, n, flags);
	want = (raw2(SYS_fcntl, fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? WAIT_READ : WAIT_WRITE;
	while ((r = raw4(SYS_vmsplice, fd, iov, n, flags | SPLICE_F_NONBLOCK)) == -EAGAIN) {
		f = fd_record(fd);
		r = f ? wait_fd(me, f, want, NEVER, WAIT_INTR_RESTART, "vmsplice") : -errno;
		if (r < 0)
			break;
	}
	return coro_leave(answer(r, saved));
}
