/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections: the calls of sockets that know no MSG_DONTWAIT.
 *
 *   accept   poll(2) first.  Between the two, only somebody else who accepts from the same socket can take the
 *            connection and leave us waiting in the kernel.  Where there may be somebody (FD_SHARED: another
 *            process, a native thread), a thread of the offload pool does the accept.
 *   connect  borrows O_NONBLOCK for the length of the system call.  Its end is asked of a second connect():
 *            that leaves the socket as a blocking call leaves it, ready to be tried again.  But on a socket that
 *            was shut down meanwhile it would begin anew, so streams of IP are asked for their error before.
 *
 * A call that is the plain one after all leaves before it: `(... && coro_leave(true))`.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include "coro.h"
#include "fdtab.h"
#include "libc.h"
#include "offload.h"
#include "probe.h"
#include "raw.h"
#include "wait.h"

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

/* The error of a connection that has failed, and the socket as it was before, in the way of the kernel's own wait
 * (inet_stream_connect()); or 0. */
static int take_failure(int fd, int family)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int err = family == AF_INET || family == AF_INET6 ? fd_option(fd, SO_ERROR) : 0;

	if (err)
		raw3(SYS_connect, fd, &none, sizeof(none));
	return err;
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
		err = take_failure(fd, addr->sa_family);
		if (err)
			return fail(err);
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

	if (LIKELY(!me) || ((!fd_is_socket(fd) || fd_is_nonblock(fd)) && coro_leave(true)))
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

/* As the kernel does.  0 or -errno. */
static int give_address(const struct accept_job *a, struct sockaddr *addr, socklen_t *len)
{
	socklen_t n;

	if (!addr)
		return 0;
	if (!mem_is_writable(len, sizeof(*len)))
		return -EFAULT;
	n = *len < a->len ? *len : a->len;
	if (*len > INT_MAX)
		return -EINVAL;
	if (!mem_is_writable(addr, n))
		return -EFAULT;
	memcpy(addr, &a->addr, n);
	*len = a->len;
	return 0;
}

/* The connection is lost if its address cannot be told. */
static int with_address(const struct accept_job *a, struct sockaddr *addr, socklen_t *len)
{
	int r = a->result < 0 ? a->result : give_address(a, addr, len);

	if (r == 0)
		return a->result;
	if (a->result >= 0)
		raw1(SYS_close, a->result);
	return fail(-r);
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
	r = with_address(a, addr, len);
	free(a);
	return r;
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

/* A timeout and a low-water mark are inherited, O_NONBLOCK is not. */
static int note_accepted(int listener, int fd, int flags)
{
	if (fd >= 0)
		fd_created(fd, FD_SOCKET | (flags & SOCK_NONBLOCK ? FD_NONBLOCK : 0) |
				       (fd_kind(listener) & (FD_TIMEO | FD_SHARED) ? FD_TIMEO : 0) |
				       (fd_kind(listener) & FD_LOWAT));
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
	if (!fd_is_socket(fd) && coro_leave(true))
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
	if ((!fd_is_socket(fd) || (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))) && coro_leave(true))
		return libc.accept4(fd, addr, len, flags);
	return coro_leave(
		note_accepted(fd, park_accept(me, fd, addr.__sockaddr__, len, flags, "accept4"), flags));
}

/* shutdown(2).  Never parks.  Who waits finds out: a reader the end, a writer EPIPE, an accept() EINVAL. */
EXPORT int shutdown(int fd, int how)
{
	int r = libc.shutdown(fd, how);

	if (r == 0 && how != SHUT_RD)
		fd_shut_down(fd, false);
	else if (r == 0 && UNLIKELY(sched.main != NULL) && fd_is_unix(fd))
		fd_shut_down(fd, true); /* its peer may send no more */
	return r;
}
