/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls that receive, each tried with MSG_DONTWAIT.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include "coro.h"
#include "fdtab.h"
#include "iov.h"
#include "libc.h"
#include "wait.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

/* The kernel never waits for out-of-band data and for errors. */
#define NEVER_WAIT (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)

/* Numbers that came along are new to us. */
static ssize_t note_passed(const struct msghdr *msg, ssize_t n)
{
	struct msghdr *m = (struct msghdr *)msg;

	if (n < 0 || !m->msg_controllen)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const unsigned char *at = CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || (c->cmsg_type != SCM_RIGHTS && c->cmsg_type != SCM_PIDFD))
			continue;
		for (size_t left = c->cmsg_len - CMSG_LEN(0); left >= sizeof(int); left -= sizeof(int)) {
			int fd;

			memcpy(&fd, at, sizeof(fd));
			at += sizeof(fd);
			fd_appeared(fd);
		}
	}
	return n;
}

static bool is_stream(int fd)
{
	struct fdrec *f = fd_is_socket(fd) ? fd_record(fd) : NULL;

	return f && f->stream;
}

static PARKING ssize_t park_recvfrom(struct coro *me, int fd, void *buf, size_t len, int flags,
				     struct sockaddr *addr, socklen_t *addr_len, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = why };
	bool dry = fd_is_dry(fd);
	int saved = errno, r;
	ssize_t n = -1;

	for (;;) {
		if (!dry)
			n = libc.recvfrom(fd, buf, len, flags | MSG_DONTWAIT, (__SOCKADDR_ARG)addr, addr_len);
		if (n >= 0)
			break;
		if (!dry && !would_block(errno))
			return -1;
		dry = false;
		r = wait_io(&w);
		if (r < 0)
			return fail(-r);
	}
	if (!(flags & MSG_PEEK))
		fd_note_read(fd, n > 0 && (size_t)n < len);
	errno = saved;
	return n;
}

static PARKING ssize_t park_recvmsg(struct coro *me, int fd, struct msghdr *msg, int flags, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = why };
	int saved = errno, r;
	ssize_t n;

	while ((n = libc.recvmsg(fd, msg, flags | MSG_DONTWAIT)) == -1) {
		if (!would_block(errno))
			return -1;
		r = wait_io(&w);
		if (r < 0)
			return fail(-r);
	}
	errno = saved;
	return n;
}

/* The rest of a MSG_WAITALL receive of which `done` bytes are there.  A piece that brings ancillary data is the
 * last one, as in the kernel.  Returns the sum: errors are for the next call to find. */
static size_t receive_rest(struct io_wait *w, struct msghdr *msg, const struct msghdr *asked, int flags,
			   size_t done)
{
	size_t total = iov_total(asked->msg_iov, asked->msg_iovlen);
	struct iovec win[IOV_WINDOW];
	struct msghdr piece;
	ssize_t n;

	while (done < total && !msg->msg_controllen) {
		piece = *asked;
		piece.msg_name = NULL;
		piece.msg_iov = win;
		piece.msg_iovlen = (size_t)iov_window(win, asked->msg_iov, asked->msg_iovlen, done, SSIZE_MAX);
		n = libc.recvmsg(w->fd, &piece, flags | MSG_DONTWAIT);
		if (n > 0) {
			done += (size_t)n;
			w->fruitless = 0;
			msg->msg_controllen = piece.msg_controllen;
			msg->msg_flags |= piece.msg_flags;
		} else if (n == 0 || !would_block(errno) || wait_io(w) < 0) {
			break;
		}
	}
	return done;
}

/* What is only looked at stays there and keeps the socket readable: look again as time passes. */
static ssize_t peek_all(struct io_wait *w, struct msghdr *msg, const struct msghdr *asked, int flags, ssize_t n)
{
	ssize_t total = (ssize_t)iov_total(asked->msg_iov, asked->msg_iovlen), seen = n;

	while (n > 0 && n < total) {
		w->fruitless = IO_FRUITLESS_MAX;
		if (wait_io(w) < 0)
			break;
		*msg = *asked;
		n = libc.recvmsg(w->fd, msg, flags | MSG_DONTWAIT);
		if (n == seen && !fd_is_ready(w->fd, POLLRDHUP))
			continue;
		if (n <= seen)
			break; /* the end of the stream, or another reader */
		seen = n;
	}
	return n > 0 ? n : seen;
}

/* MSG_WAITALL on a stream: a non-blocking try returns short, so it is ours to complete. */
static ssize_t park_for_all(struct coro *me, int fd, struct msghdr *msg, int flags, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = why };
	const struct msghdr asked = *msg;
	int saved = errno;
	ssize_t n;

	flags &= ~MSG_WAITALL;
	n = park_recvmsg(me, fd, msg, flags, why);
	if (n <= 0)
		return n;
	if (flags & MSG_PEEK)
		n = peek_all(&w, msg, &asked, flags, n);
	else
		n = (ssize_t)receive_rest(&w, msg, &asked, flags, (size_t)n);
	errno = saved;
	return n;
}

static PARKING ssize_t park_recv_all(struct coro *me, int fd, void *buf, size_t len, int flags,
				     struct sockaddr *addr, socklen_t *addr_len, const char *why)
{
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = addr_len ? addr : NULL };
	ssize_t n;

	if (msg.msg_name)
		msg.msg_namelen = *addr_len;
	n = park_for_all(me, fd, &msg, flags, why);
	if (n >= 0 && msg.msg_name)
		*addr_len = msg.msg_namelen;
	return n;
}

/* recv(2).  Parks: until there is something to receive (all of it with MSG_WAITALL), or SO_RCVTIMEO.
 * Passes through: non-blocking sockets, MSG_DONTWAIT, MSG_OOB, MSG_ERRQUEUE.
 * errno: the kernel's; EAGAIN on timeout; EINTR as for SA_RESTART; EBADF if closed while parked.
 * Differs: the kernel lets a recv outlive close(2); we end it. */
EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((flags & NEVER_WAIT) && coro_leave(true)))
		return libc.recv(fd, buf, len, flags);
	if (UNLIKELY(flags & MSG_WAITALL) && is_stream(fd))
		return coro_leave(park_recv_all(me, fd, buf, len, flags, NULL, NULL, "recv"));
	return coro_leave(park_recvfrom(me, fd, buf, len, flags, NULL, NULL, "recv"));
}

/* recvfrom(2).  As recv(). */
EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, __SOCKADDR_ARG addr, socklen_t *addr_len)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((flags & NEVER_WAIT) && coro_leave(true)))
		return libc.recvfrom(fd, buf, len, flags, addr, addr_len);
	if (UNLIKELY(flags & MSG_WAITALL) && is_stream(fd))
		return coro_leave(
			park_recv_all(me, fd, buf, len, flags, addr.__sockaddr__, addr_len, "recvfrom"));
	return coro_leave(park_recvfrom(me, fd, buf, len, flags, addr.__sockaddr__, addr_len, "recvfrom"));
}

/* recvmsg(2).  As recv(). */
EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((flags & NEVER_WAIT) && coro_leave(true)))
		return note_passed(msg, libc.recvmsg(fd, msg, flags));
	if (UNLIKELY(flags & MSG_WAITALL) && is_stream(fd))
		return coro_leave(note_passed(msg, park_for_all(me, fd, msg, flags, "recvmsg")));
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

/* The timeout is looked at after each message and never ends a wait for one, as in the kernel (recvmmsg(2)).
 * Returns how many came, or -1. */
static PARKING int park_recvmmsg(struct coro *me, int fd, struct mmsghdr *vec, unsigned n, int flags,
				 struct timespec *timeout)
{
	deadline_t until = timeout ? deadline_in(timespec_ns(timeout)) : NEVER;
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = "recvmmsg" };
	int saved = errno, r;
	unsigned got = 0;

	while (got < n) {
		unsigned batch = timeout ? 1 : n - got;

		r = libc.recvmmsg(fd, vec + got, batch, (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT, NULL);
		if (r > 0) {
			got += (unsigned)r;
			w.fruitless = 0;
			if (is_over(timeout, until) || (vec[got - 1].msg_hdr.msg_flags & MSG_OOB))
				break;
			continue;
		}
		if (r == 0 || !would_block(errno) || (got && (flags & MSG_WAITFORONE)))
			break;
		r = wait_io(&w);
		if (r < 0) {
			errno = -r;
			break;
		}
	}
	if (!got && n)
		return -1;
	errno = saved;
	return (int)got;
}

static bool receives_plainly(unsigned n, int flags, const struct timespec *timeout)
{
	return (flags & NEVER_WAIT) || !n ||
	       (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= NS_PER_S));
}

/* recvmmsg(2).  Parks: until the vector is full; with MSG_WAITFORONE, until the first message.
 * Passes through and errno: as recv().
 * Differs: an error after the first message is not kept for the next call. */
EXPORT int recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags, struct timespec *timeout)
{
	struct coro *me = coro_enter();
	int r;

	if (LIKELY(!me) || (receives_plainly(n, flags, timeout) && coro_leave(true)))
		r = libc.recvmmsg(fd, vec, n, flags, timeout);
	else
		r = coro_leave(park_recvmmsg(me, fd, vec, n, flags, timeout));
	for (int i = 0; i < r; i++)
		note_passed(&vec[i].msg_hdr, 0);
	return r;
}
