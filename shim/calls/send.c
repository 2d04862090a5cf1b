/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls that send, each tried with MSG_DONTWAIT.  A blocking send is over when all is sent.  What comes after its
 * first bytes (an error, a signal, a timeout) makes it return their count, and raises no SIGPIPE, as in the kernel.
 */
#include <limits.h>
#include "coro.h"
#include "fdtab.h"
#include "iov.h"
#include "libc.h"
#include "passed.h"
#include "sending.h"
#include "wait.h"

/* Numbers that are sent along are from now on others' as well. */
static void note_shared(int fd)
{
	fd_mark(fd, FD_SHARED);
}

static ssize_t note_sent(const struct msghdr *msg, ssize_t n)
{
	return each_passed(msg, n, note_shared);
}

static PARKING ssize_t park_sendto(struct coro *me, int fd, const void *buf, size_t len, int flags,
				   const struct sockaddr *addr, socklen_t addr_len, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_WRITE, .why = why };
	const char *at = buf;
	int saved = errno, r;
	size_t done = 0;
	ssize_t n;

	for (;;) {
		n = libc.sendto(fd, at + done, len - done, flags | sending_flags(&w),
				(__CONST_SOCKADDR_ARG)addr, addr_len);
		if (n >= 0) {
			done += (size_t)n;
			if (done >= len || n == 0)
				break;
			io_progress(&w);
		} else if (errno == EINPROGRESS && (flags & MSG_FASTOPEN)) {
			flags &= ~MSG_FASTOPEN; /* it connects; the data is for later */
		} else if (!would_block(errno)) {
			if (!done)
				return fail(sending_error(&w, errno, flags));
			break;
		}
		r = sending_wait(&w);
		if (r < 0 && !done)
			return fail(-r);
		if (r < 0)
			break;
	}
	errno = saved;
	return (ssize_t)done;
}

/* The rest of a message of which `done` bytes are sent, and with them what was ancillary.  Returns the sum. */
static size_t send_rest(struct io_wait *w, const struct msghdr *msg, int flags, size_t done)
{
	size_t total = iov_total(msg->msg_iov, msg->msg_iovlen);
	struct iovec win[IOV_WINDOW];
	struct msghdr piece = { .msg_iov = win };
	ssize_t n;

	io_progress(w);
	while (done < total) {
		piece.msg_iovlen = (size_t)iov_window(win, msg->msg_iov, msg->msg_iovlen, done, SSIZE_MAX);
		n = libc.sendmsg(w->fd, &piece, flags | sending_flags(w));
		if (n > 0) {
			done += (size_t)n;
			io_progress(w);
		} else if (n == 0 || !would_block(errno) || sending_wait(w) < 0) {
			break;
		}
	}
	return done;
}

static PARKING ssize_t park_sendmsg(struct coro *me, int fd, const struct msghdr *msg, int flags,
				    const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_WRITE, .why = why };
	int saved = errno, r;
	ssize_t n;

	while ((n = libc.sendmsg(fd, msg, flags | sending_flags(&w))) == -1) {
		if (errno == EINPROGRESS && (flags & MSG_FASTOPEN))
			flags &= ~MSG_FASTOPEN;
		else if (!would_block(errno))
			return fail(sending_error(&w, errno, flags));
		r = sending_wait(&w);
		if (r < 0)
			return fail(-r);
	}
	if (n > 0)
		n = (ssize_t)send_rest(&w, msg, flags, (size_t)n);
	errno = saved;
	return n;
}

static PARKING ssize_t send_here(int fd, const void *buf, size_t len, int flags)
{
	struct coro *me = coro_enter();

	if (!me || ((flags & MSG_DONTWAIT) && coro_leave(true)))
		return libc.send(fd, buf, len, flags);
	return coro_leave(park_sendto(me, fd, buf, len, flags, NULL, 0, "send"));
}

/* send(2).  Parks: until all is sent, or SO_SNDTIMEO.  Passes through: non-blocking sockets, MSG_DONTWAIT.
 * errno: the kernel's; EAGAIN on timeout; EINTR as for SA_RESTART; EBADF if closed while parked; none of them
 * once a byte is sent.
 * Differs: that another process has shut the other end of a unix socket down for reading ends no wait for room, since
 * the kernel raises no event for it. */
EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	if (LIKELY(!coro_self))
		return libc.send(fd, buf, len, flags);
	return send_here(fd, buf, len, flags);
}
EXPORT_ALIAS(__send, send);

/* sendto(2).  As send(). */
EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG addr,
		      socklen_t addr_len)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((flags & MSG_DONTWAIT) && coro_leave(true)))
		return libc.sendto(fd, buf, len, flags, addr, addr_len);
	return coro_leave(park_sendto(me, fd, buf, len, flags, addr.__sockaddr__, addr_len, "sendto"));
}

/* sendmsg(2).  As send(). */
EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((flags & MSG_DONTWAIT) && coro_leave(true)))
		return note_sent(msg, libc.sendmsg(fd, msg, flags));
	return coro_leave(note_sent(msg, park_sendmsg(me, fd, msg, flags, "sendmsg")));
}

/* --- Vectors of messages */

/* Completes the last message that went out, where it is one of a stream. */
static bool complete(struct io_wait *w, struct mmsghdr *m, int flags)
{
	size_t total = iov_total(m->msg_hdr.msg_iov, m->msg_hdr.msg_iovlen);

	if (m->msg_len < total)
		m->msg_len = (unsigned)send_rest(w, &m->msg_hdr, flags, m->msg_len);
	return m->msg_len >= total;
}

static PARKING int park_sendmmsg(struct coro *me, int fd, struct mmsghdr *vec, unsigned n, int flags)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_WRITE, .why = "sendmmsg" };
	int saved = errno, r;
	unsigned sent = 0;

	while (sent < n) {
		r = libc.sendmmsg(fd, vec + sent, n - sent, flags | sending_flags(&w));
		if (r > 0) {
			sent += (unsigned)r;
			io_progress(&w);
			if (!complete(&w, &vec[sent - 1], flags))
				break;
			continue;
		}
		if (r == 0 || !would_block(errno)) {
			if (!sent)
				return fail(sending_error(&w, errno, flags));
			break;
		}
		r = sending_wait(&w);
		if (r < 0) {
			errno = -r;
			break;
		}
	}
	if (!sent && n)
		return -1;
	errno = saved;
	return (int)sent;
}

/* sendmmsg(2).  Parks: until all messages are sent.  Otherwise as send(). */
EXPORT int sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags)
{
	struct coro *me = coro_enter();
	int r;

	if (n > IOV_MAX) /* the kernel's limit, too */
		n = IOV_MAX;
	if (LIKELY(!me) || (((flags & MSG_DONTWAIT) || !n) && coro_leave(true)))
		r = libc.sendmmsg(fd, vec, n, flags);
	else
		r = coro_leave(park_sendmmsg(me, fd, vec, n, flags));
	for (int i = 0; i < r; i++)
		note_sent(&vec[i].msg_hdr, 0);
	return r;
}
