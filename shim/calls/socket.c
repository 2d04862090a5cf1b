/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls that only sockets know.  What can be told MSG_DONTWAIT is tried with it; what cannot:
 *
 *   accept   poll(2) first.  Between the two, only somebody else who accepts from the same socket can take the
 *            connection and leave us waiting in the kernel.  Where there may be somebody (FD_SHARED: another
 *            process, a native thread), a thread of the offload pool does the accept.
 *   connect  borrows O_NONBLOCK for the length of the system call.  Its end is asked of a second connect(),
 *            not of SO_ERROR: that leaves the socket as a blocking call leaves it, ready to be tried again.
 *
 * A call that is the plain one after all leaves before it: `(... && coro_leave(true))`.
 *
 * A blocking send is over when all is sent.  What comes after its first bytes (an error, a signal, a
 * timeout) makes it return their count, and raises no SIGPIPE, as in the kernel.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include "coro.h"
#include "fdtab.h"
#include "iov.h"
#include "libc.h"
#include "offload.h"
#include "raw.h"
#include "wait.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

/* The kernel never waits for out-of-band data and for errors. */
#define NEVER_WAIT (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)

static bool is_socket(int fd)
{
	return (fd_kind(fd) & FD_KIND_MASK) == FD_SOCKET;
}

/* --- connect */

/* 0 or -errno. */
static int connect_without_waiting(int fd, const struct sockaddr *addr, socklen_t len)
{
	int on = 1, off = 0, r;

	raw3(SYS_ioctl, fd, FIONBIO, &on);
	r = libc.connect(fd, addr, len) == -1 ? -errno : 0;
	raw3(SYS_ioctl, fd, FIONBIO, &off);
	return r;
}

#define BACKLOG_PAUSE_MAX_MS 16

/* AF_UNIX has no event for room in a backlog.  0: try again; -EAGAIN: SO_SNDTIMEO is over; -EINTR. */
static int wait_for_backlog(struct io_wait *w, int tries)
{
	struct fdrec *f = fd_record(w->fd);
	int ms = tries < 4 ? 1 << tries : BACKLOG_PAUSE_MAX_MS, r;
	deadline_t pause = deadline_in(ms * NS_PER_MS);

	if (!f)
		return -errno;
	if (w->until == 0)
		w->until = deadline_in(f->sndtimeo_ns);
	if (pause < w->until)
		return wait_until(w->me, pause, wait_flags_for(w->until), w->why);
	r = wait_until(w->me, w->until, wait_flags_for(w->until), w->why);
	return r ? r : -EAGAIN;
}

static PARKING int park_connect(struct coro *me, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_WRITE, .why = "connect" };
	int saved = errno, r, err;

	for (int tries = 0;; tries++) {
		r = connect_without_waiting(fd, addr, len);
		if (r == -EISCONN && tries > 0)
			r = 0; /* not every family lets a second connect() say how the first has ended */
		if (r == -EINPROGRESS || r == -EALREADY)
			err = wait_io(&w);
		else if (r == -EAGAIN && addr->sa_family == AF_UNIX)
			err = wait_for_backlog(&w, tries);
		else
			break;
		if (err)
			return fail(err == -EAGAIN ? -r : -err);
	}
	if (r < 0)
		return fail(-r);
	errno = saved;
	return 0;
}

/* connect(2).  Parks: until connected, refused, or SO_SNDTIMEO; AF_UNIX: until there is room in the backlog.
 * Passes through: non-blocking sockets.
 * errno: the kernel's; EINPROGRESS on timeout (AF_UNIX: EAGAIN); EINTR as for SA_RESTART.  After either the
 * connection goes on by itself, and a second connect() waits for it. */
EXPORT int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((!is_socket(fd) || fd_is_nonblock(fd)) && coro_leave(true)))
		return libc.connect(fd, addr, len);
	return coro_leave(park_connect(me, fd, addr.__sockaddr__, len));
}
EXPORT_ALIAS(__connect, connect);

/* --- accept */

struct accept_job {
	struct offload_job job;
	int fd, flags;
	int result; /* a descriptor or -errno */
	socklen_t len;
	struct sockaddr_storage addr;
};

static void run_accept(struct offload_job *job)
{
	struct accept_job *a = CONTAINER_OF(job, struct accept_job, job);

	a->len = sizeof(a->addr);
	a->result = libc.accept4(a->fd, (struct sockaddr *)&a->addr, &a->len, a->flags);
	if (a->result == -1)
		a->result = -errno;
}

static void give_address(const struct accept_job *a, struct sockaddr *addr, socklen_t *len)
{
	if (!addr || !len)
		return;
	memcpy(addr, &a->addr, *len < a->len ? *len : a->len);
	*len = a->len;
}

/* Should somebody have been faster, nothing ends this wait but a connection: rare, and it stops nobody else. */
static int accept_on_worker(struct coro *me, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct accept_job *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return fail(ENOMEM);
	a->job.run = run_accept;
	a->fd = fd;
	a->flags = flags;
	if (offload_run(me, &a->job, OFFLOAD_LONG, NEVER, 0, "accept") < 0) {
		free(a);
		return libc.accept4(fd, (__SOCKADDR_ARG)addr, len, flags);
	}
	r = a->result;
	if (r >= 0)
		give_address(a, addr, len);
	free(a);
	return r < 0 ? fail(-r) : r;
}

static bool is_listening(int fd)
{
	int yes = 0;
	socklen_t len = sizeof(yes);

	return raw6(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, (long)&yes, (long)&len, 0) == 0 && yes;
}

static int park_accept(struct coro *me, int fd, struct sockaddr *addr, socklen_t *len, int flags,
		       const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = why };
	int saved = errno, r;
	bool waits = !fd_is_nonblock(fd);

	if (waits && !fd_is_ready(fd, POLLIN)) {
		if (!is_listening(fd)) /* an error that needs no connection */
			return libc.accept4(fd, (__SOCKADDR_ARG)addr, len, flags);
		do {
			r = wait_io(&w);
			if (r < 0)
				return fail(-r);
		} while (!fd_is_ready(fd, POLLIN));
	}
	if (waits && (fd_kind(fd) & FD_SHARED))
		r = accept_on_worker(me, fd, addr, len, flags);
	else
		r = libc.accept4(fd, (__SOCKADDR_ARG)addr, len, flags);
	if (r >= 0)
		errno = saved;
	return r;
}

/* A timeout is inherited, O_NONBLOCK is not. */
static int note_accepted(int listener, int fd, int flags)
{
	if (fd >= 0)
		fd_created(fd, FD_SOCKET | (flags & SOCK_NONBLOCK ? FD_NONBLOCK : 0) |
				       (fd_kind(listener) & (FD_TIMEO | FD_SHARED) ? FD_TIMEO : 0));
	return fd;
}

/* A native thread that accepts is somebody who may take what poll() has shown to a green one. */
static void note_native_accept(int fd)
{
	if (UNLIKELY(atomic_load_explicit(&green_exist, memory_order_relaxed)) && !(fd_kind(fd) & FD_SHARED))
		fd_mark(fd, FD_SHARED);
}

/* accept(2).  Parks: until a connection comes, or SO_RCVTIMEO.  Passes through: non-blocking sockets.
 * errno: the kernel's; EAGAIN on timeout; EINTR as for SA_RESTART; EBADF if closed while parked. */
EXPORT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me)) {
		note_native_accept(fd);
		return note_accepted(fd, libc.accept(fd, addr, len), 0);
	}
	if (!is_socket(fd) && coro_leave(true))
		return libc.accept(fd, addr, len);
	return coro_leave(note_accepted(fd, park_accept(me, fd, addr.__sockaddr__, len, 0, "accept"), 0));
}

/* accept4(2).  As accept(). */
EXPORT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me)) {
		note_native_accept(fd);
		return note_accepted(fd, libc.accept4(fd, addr, len, flags), flags);
	}
	if ((!is_socket(fd) || (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))) && coro_leave(true))
		return libc.accept4(fd, addr, len, flags);
	return coro_leave(
		note_accepted(fd, park_accept(me, fd, addr.__sockaddr__, len, flags, "accept4"), flags));
}

/* --- Receiving */

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
	struct fdrec *f = is_socket(fd) ? fd_record(fd) : NULL;

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

/* --- Sending */

static PARKING ssize_t park_sendto(struct coro *me, int fd, const void *buf, size_t len, int flags,
				   const struct sockaddr *addr, socklen_t addr_len, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_WRITE, .why = why };
	const char *at = buf;
	int saved = errno, r;
	size_t done = 0;
	ssize_t n;

	for (;;) {
		n = libc.sendto(fd, at + done, len - done, flags | MSG_DONTWAIT, (__CONST_SOCKADDR_ARG)addr,
				addr_len);
		if (n >= 0) {
			done += (size_t)n;
			if (done >= len || n == 0)
				break;
			w.fruitless = 0;
			flags |= MSG_NOSIGNAL;
		} else if (errno == EINPROGRESS && (flags & MSG_FASTOPEN)) {
			flags &= ~MSG_FASTOPEN; /* it connects; the data is for later */
		} else if (!would_block(errno)) {
			if (!done)
				return -1;
			break;
		}
		r = wait_io(&w);
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

	while (done < total) {
		piece.msg_iovlen = (size_t)iov_window(win, msg->msg_iov, msg->msg_iovlen, done, SSIZE_MAX);
		n = libc.sendmsg(w->fd, &piece, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			done += (size_t)n;
			w->fruitless = 0;
		} else if (n == 0 || !would_block(errno) || wait_io(w) < 0) {
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

	while ((n = libc.sendmsg(fd, msg, flags | MSG_DONTWAIT)) == -1) {
		if (errno == EINPROGRESS && (flags & MSG_FASTOPEN))
			flags &= ~MSG_FASTOPEN;
		else if (!would_block(errno))
			return -1;
		r = wait_io(&w);
		if (r < 0)
			return fail(-r);
	}
	if (n > 0)
		n = (ssize_t)send_rest(&w, msg, flags, (size_t)n);
	errno = saved;
	return n;
}

/* send(2).  Parks: until all is sent, or SO_SNDTIMEO.  Passes through: non-blocking sockets, MSG_DONTWAIT.
 * errno: the kernel's; EAGAIN on timeout; EINTR as for SA_RESTART; EBADF if closed while parked; none of them
 * once a byte is sent. */
EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((flags & MSG_DONTWAIT) && coro_leave(true)))
		return libc.send(fd, buf, len, flags);
	return coro_leave(park_sendto(me, fd, buf, len, flags, NULL, 0, "send"));
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
		return libc.sendmsg(fd, msg, flags);
	return coro_leave(park_sendmsg(me, fd, msg, flags, "sendmsg"));
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
		r = libc.sendmmsg(fd, vec + sent, n - sent, flags | MSG_DONTWAIT);
		if (r > 0) {
			sent += (unsigned)r;
			w.fruitless = 0;
			if (!complete(&w, &vec[sent - 1], flags))
				break;
			continue;
		}
		if (r == 0 || !would_block(errno))
			break;
		r = wait_io(&w);
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

	if (LIKELY(!me) || (((flags & MSG_DONTWAIT) || !n) && coro_leave(true)))
		return libc.sendmmsg(fd, vec, n, flags);
	if (n > IOV_MAX) /* the kernel's limit, too */
		n = IOV_MAX;
	return coro_leave(park_sendmmsg(me, fd, vec, n, flags));
}

/* shutdown(2).  Never parks.  Who waits finds out: a reader the end, a writer EPIPE, an accept() EINVAL. */
EXPORT int shutdown(int fd, int how)
{
	int r = libc.shutdown(fd, how);

	if (r == 0 && how != SHUT_RD)
		fd_shut_down(fd);
	return r;
}
