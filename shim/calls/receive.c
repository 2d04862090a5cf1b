/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls that receive, each tried with MSG_DONTWAIT.
 */
#include <limits.h>
#include <poll.h>
#include "coro.h"
#include "fdtab.h"
#include "iov.h"
#include "libc.h"
#include "passed.h"
#include "probe.h"
#include "wait.h"

/* The kernel never waits for out-of-band data, nor for errors; but a unix socket has no queue of them, and
 * takes the flag for none. */
static bool never_waits(int fd, int flags)
{
	if (LIKELY(!(flags & (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE))))
		return false;
	return (flags & (MSG_DONTWAIT | MSG_OOB)) || !fd_is_unix(fd);
}

/* Numbers that came along are new to us. */
static ssize_t note_passed(const struct msghdr *msg, ssize_t n)
{
	return each_passed(msg, n, fd_appeared);
}

static bool is_stream(int fd)
{
	struct fdrec *f = fd_is_socket(fd) ? fd_record(fd) : NULL;

	return f && f->stream;
}

/* How many bytes a blocking receive of `total` waits for. */
static size_t least(int fd, int flags, size_t total)
{
	size_t low;

	if (!is_stream(fd))
		return 1;
	low = flags & MSG_WAITALL ? total : (size_t)fd_option(fd, SO_RCVLOWAT);
	return low < total ? low : total;
}

/* The first bytes, or message: -1 and errno.  Success leaves errno as it may be. */
static ssize_t receive_some(struct io_wait *w, void *buf, size_t len, int flags, struct sockaddr *addr,
			    socklen_t *addr_len)
{
	bool dry = fd_is_dry(w->fd);
	ssize_t n = -1;
	int r;

	for (;;) {
		if (!dry)
			n = libc.recvfrom(w->fd, buf, len, flags | MSG_DONTWAIT, (__SOCKADDR_ARG)addr,
					  addr_len);
		if (n >= 0)
			break;
		if (!dry && !would_block(errno))
			return -1;
		dry = false;
		r = wait_io(w);
		if (r == -ESHUTDOWN)
			return 0;
		if (r < 0)
			return fail(-r);
	}
	if (!(flags & MSG_PEEK))
		fd_note_read(w->fd, n > 0 && (size_t)n < len);
	return n;
}

static ssize_t receive_msg(struct io_wait *w, struct msghdr *msg, int flags)
{
	ssize_t n;
	int r;

	while ((n = libc.recvmsg(w->fd, msg, flags | MSG_DONTWAIT)) == -1) {
		if (!would_block(errno))
			return -1;
		r = wait_io(w);
		if (r == -ESHUTDOWN) {
			msg->msg_namelen = 0;
			msg->msg_controllen = 0;
			msg->msg_flags = 0;
			return 0;
		}
		if (r < 0)
			return fail(-r);
	}
	return n;
}

/* The rest of a receive of which `done` bytes are there, and which waits for `enough`.  A piece that brings
 * ancillary data is the last one, as in the kernel.  Returns the sum: errors are for the next call to find. */
static size_t receive_rest(struct io_wait *w, struct msghdr *msg, const struct msghdr *asked, int flags,
			   size_t done, size_t enough)
{
	struct iovec win[IOV_WINDOW];
	struct msghdr piece;
	ssize_t n;

	io_progress(w);
	while (done < enough && !msg->msg_controllen) {
		piece = *asked;
		piece.msg_name = NULL;
		piece.msg_iov = win;
		piece.msg_iovlen = (size_t)iov_window(win, asked->msg_iov, asked->msg_iovlen, done, SSIZE_MAX);
		n = libc.recvmsg(w->fd, &piece, flags | MSG_DONTWAIT);
		if (n > 0) {
			done += (size_t)n;
			io_progress(w);
			msg->msg_controllen = piece.msg_controllen;
			msg->msg_flags |= piece.msg_flags;
			continue;
		}
		if (n == 0 || !would_block(errno))
			break;
		if (fd_kind(w->fd) & FD_LOWAT) /* less than the mark raises no event: time must pass */
			w->fruitless = IO_FRUITLESS_MAX;
		if (wait_io(w) < 0)
			break;
	}
	return done;
}

/* What is only looked at stays there and keeps the socket readable: look again as time passes. */
static size_t peek_rest(struct io_wait *w, struct msghdr *msg, const struct msghdr *asked, int flags,
			size_t seen, size_t enough)
{
	ssize_t n;

	while (seen < enough) {
		w->has_some = true;
		w->fruitless = IO_FRUITLESS_MAX;
		if (wait_io(w) < 0)
			break;
		*msg = *asked;
		n = libc.recvmsg(w->fd, msg, flags | MSG_DONTWAIT);
		if (n == (ssize_t)seen && !fd_is_ready(w->fd, POLLRDHUP))
			continue;
		if (n <= (ssize_t)seen)
			break; /* the end of the stream, or another reader */
		seen = (size_t)n;
	}
	return seen;
}

/* A try takes what is there; what a blocking call would wait for besides is ours to complete. */
static ssize_t complete(struct io_wait *w, struct msghdr *msg, const struct msghdr *asked, int flags, size_t n,
			size_t enough)
{
	flags &= ~MSG_WAITALL;
	if (flags & MSG_PEEK)
		return (ssize_t)peek_rest(w, msg, asked, flags, n, enough);
	return (ssize_t)receive_rest(w, msg, asked, flags, n, enough);
}

static PARKING ssize_t complete_bytes(struct io_wait *w, void *buf, size_t len, int flags, size_t n)
{
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 }, asked = msg;
	size_t enough = least(w->fd, flags, len);

	return n < enough ? complete(w, &msg, &asked, flags, n, enough) : (ssize_t)n;
}

static bool may_be_short(int fd, int flags)
{
	return UNLIKELY((flags & MSG_WAITALL) || (fd_kind(fd) & FD_LOWAT));
}

static PARKING ssize_t park_recvfrom(struct coro *me, int fd, void *buf, size_t len, int flags,
				     struct sockaddr *addr, socklen_t *addr_len, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = why };
	int saved = errno;
	ssize_t n = receive_some(&w, buf, len, flags, addr, addr_len);

	if (n > 0 && (size_t)n < len && may_be_short(fd, flags))
		n = complete_bytes(&w, buf, len, flags, (size_t)n);
	if (n >= 0)
		errno = saved;
	return n;
}

static PARKING ssize_t receive_msg_whole(struct io_wait *w, struct msghdr *msg, int flags)
{
	struct msghdr asked;
	size_t enough;
	ssize_t n;

	if (!mem_is_writable(msg, sizeof(*msg)))
		return fail(EFAULT);
	asked = *msg;
	n = receive_msg(w, msg, flags);
	if (n <= 0)
		return n;
	enough = least(w->fd, flags, iov_total(asked.msg_iov, asked.msg_iovlen));
	return (size_t)n < enough ? complete(w, msg, &asked, flags, (size_t)n, enough) : n;
}

static PARKING ssize_t park_recvmsg(struct coro *me, int fd, struct msghdr *msg, int flags, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = why };
	int saved = errno;
	ssize_t n = may_be_short(fd, flags) ? receive_msg_whole(&w, msg, flags) : receive_msg(&w, msg, flags);

	if (n >= 0)
		errno = saved;
	return n;
}

static PARKING ssize_t recv_here(int fd, void *buf, size_t len, int flags)
{
	struct coro *me = coro_enter();

	if (!me || (never_waits(fd, flags) && coro_leave(true)))
		return libc.recv(fd, buf, len, flags);
	return coro_leave(park_recvfrom(me, fd, buf, len, flags, NULL, NULL, "recv"));
}

/* recv(2).  Parks: until there is something to receive (SO_RCVLOWAT bytes; all of it with MSG_WAITALL), or
 * SO_RCVTIMEO.
 * Passes through: non-blocking sockets, MSG_DONTWAIT, MSG_OOB, MSG_ERRQUEUE.
 * errno: the kernel's; EAGAIN on timeout; EINTR as for SA_RESTART; EBADF if closed while parked.
 * Differs: the kernel lets a recv outlive close(2); we end it. */
EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	if (LIKELY(!coro_self))
		return libc.recv(fd, buf, len, flags);
	return recv_here(fd, buf, len, flags);
}

/* recvfrom(2).  As recv(). */
EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, __SOCKADDR_ARG addr, socklen_t *addr_len)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || (never_waits(fd, flags) && coro_leave(true)))
		return libc.recvfrom(fd, buf, len, flags, addr, addr_len);
	return coro_leave(park_recvfrom(me, fd, buf, len, flags, addr.__sockaddr__, addr_len, "recvfrom"));
}

/* recvmsg(2).  As recv(). */
EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || (never_waits(fd, flags) && coro_leave(true)))
		return note_passed(msg, libc.recvmsg(fd, msg, flags));
	return coro_leave(note_passed(msg, park_recvmsg(me, fd, msg, flags, "recvmsg")));
}

/* --- Vectors of messages */

/* What is left of the timeout is written back; true when nothing is. */
static bool is_over(struct timespec *timeout, deadline_t until)
{
	int64_t left;

	if (!timeout || until == NEVER)
		return false;
	left = until - now_ns();
	*timeout = ns_timespec(left > 0 ? left : 0);
	return left <= 0;
}

/* One message, which may come in pieces.  As recvmmsg(2). */
static int receive_one(struct io_wait *w, struct mmsghdr *m, int flags)
{
	struct msghdr asked;
	size_t enough;
	int r;

	if (!mem_is_writable(m, sizeof(*m)))
		return fail(EFAULT);
	asked = m->msg_hdr;
	r = libc.recvmmsg(w->fd, m, 1, flags | MSG_DONTWAIT, NULL);
	if (r != 1 || !m->msg_len)
		return r;
	enough = least(w->fd, flags, iov_total(asked.msg_iov, asked.msg_iovlen));
	if (m->msg_len < enough)
		m->msg_len = (unsigned)complete(w, &m->msg_hdr, &asked, flags, m->msg_len, enough);
	return r;
}

/* A socket of datagrams that is shut down gives empty ones. */
static unsigned empty_messages(struct mmsghdr *vec, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		vec[i].msg_len = 0;
	return n;
}

/* The timeout is looked at after each message and never ends a wait for one, as in the kernel (recvmmsg(2)).
 * An error after the first message is left for the next call.  Returns how many came, or -1. */
static PARKING int park_recvmmsg(struct coro *me, int fd, struct mmsghdr *vec, unsigned n, int flags,
				 struct timespec *timeout)
{
	deadline_t until = timeout ? deadline_in(timespec_ns(timeout)) : NEVER;
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = "recvmmsg" };
	bool one_by_one = timeout || may_be_short(fd, flags);
	int saved = errno, r;
	unsigned got = 0;

	while (got < n) {
		if (one_by_one)
			r = receive_one(&w, vec + got, flags & ~MSG_WAITFORONE);
		else
			r = libc.recvmmsg(fd, vec + got, n - got, (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT,
					  NULL);
		if (r > 0) {
			got += (unsigned)r;
			io_progress(&w);
			if (is_over(timeout, until) || (vec[got - 1].msg_hdr.msg_flags & MSG_OOB))
				break;
			continue;
		}
		if (r == 0 || !would_block(errno) || (got && (flags & MSG_WAITFORONE)))
			break;
		r = wait_io(&w);
		if (r == -ESHUTDOWN)
			got += empty_messages(vec + got, n - got);
		else if (r < 0)
			errno = -r;
		if (r < 0 || (got && (fd_events(fd, 0) & POLLERR)))
			break;
	}
	if (!got && n)
		return -1;
	errno = saved;
	return (int)got;
}

static bool receives_plainly(int fd, unsigned n, int flags, const struct timespec *timeout)
{
	if (never_waits(fd, flags) || !n)
		return true;
	return timeout && (!mem_is_writable(timeout, sizeof(*timeout)) || timeout->tv_sec < 0 ||
			   timeout->tv_nsec < 0 || timeout->tv_nsec >= NS_PER_S);
}

/* recvmmsg(2).  Parks: until the vector is full; with MSG_WAITFORONE, until the first message.
 * Passes through and errno: as recv(). */
EXPORT int recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags, struct timespec *timeout)
{
	struct coro *me = coro_enter();
	int r;

	if (LIKELY(!me) || (receives_plainly(fd, n, flags, timeout) && coro_leave(true)))
		r = libc.recvmmsg(fd, vec, n, flags, timeout);
	else
		r = coro_leave(park_recvmmsg(me, fd, vec, n, flags, timeout));
	for (int i = 0; i < r; i++)
		note_passed(&vec[i].msg_hdr, 0);
	return r;
}
