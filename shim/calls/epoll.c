/* SPDX-License-Identifier: Apache-2.0
 *
 * epoll_wait() and kin.  An epoll descriptor is itself readable while it has something to tell, so the wait is
 * one for a readable descriptor, and then the call again with timeout 0.  Edge trigger and one shot are not
 * disturbed: only that call takes events out, and the loop's own set merely looks.  O_NONBLOCK means nothing
 * to epoll_wait(), so it is not asked for.
 */
#include "coro.h"
#include "fdtab.h"
#include "libc.h"
#include "masked.h"
#include "wait.h"

/* Where the events go and how long to wait for them.  On the caller's stack, used by the caller alone. */
struct events {
	int epfd;
	struct epoll_event *room;
	int max;
	bool only_look; /* a timeout of 0 */
	deadline_t until;
	const char *why;
};

static int look(const struct events *e)
{
	return libc.epoll_wait(e->epfd, e->room, e->max, 0);
}

/* 0: look again; or a negative errno. */
static int wait_for_any(struct coro *me, const struct events *e)
{
	struct fdrec *f;

	fd_drain_notes();
	f = fd_record(e->epfd);
	return f ? wait_fd(me, f, WAIT_READ, e->until, WAIT_POLL, e->why) : -errno;
}

static int park_for_events(struct coro *me, const struct events *e)
{
	int saved = errno, err = 0, n;

	while ((n = look(e)) == 0 && err != -ETIMEDOUT) {
		if (e->only_look) {
			sched_yield_now(me);
			break;
		}
		err = wait_for_any(me, e);
		if (err && err != -ETIMEDOUT)
			return fail(-err);
	}
	if (n >= 0)
		errno = saved;
	return n;
}

static int park_masked(struct coro *me, const struct events *e, const sigset_t *mask)
{
	sigset_t old;
	int n;

	if (!mask || e->only_look) /* unlike ppoll(), the kernel's looks for no signal if it does not wait */
		return park_for_events(me, e);
	n = look(e);
	if (n)
		return n;
	n = masked_enter(me, mask, &old);
	n = n ? fail(-n) : park_for_events(me, e);
	masked_leave(me, &old);
	return n;
}

static struct events events_ms(int epfd, struct epoll_event *room, int max, int timeout_ms, const char *why)
{
	return (struct events){
		.epfd = epfd, .room = room, .max = max, .only_look = timeout_ms == 0, .why = why,
		.until = timeout_ms < 0 ? NEVER : deadline_in(timeout_ms * NS_PER_MS),
	};
}

static PARKING int wait_here(int epfd, struct epoll_event *room, int max, int timeout_ms)
{
	struct coro *me = coro_enter();
	struct events e;

	if (!me)
		return libc.epoll_wait(epfd, room, max, timeout_ms);
	e = events_ms(epfd, room, max, timeout_ms, "epoll_wait");
	return coro_leave(park_for_events(me, &e));
}

static PARKING int pwait_here(int epfd, struct epoll_event *room, int max, int timeout_ms, const sigset_t *mask)
{
	struct coro *me = coro_enter();
	struct events e;

	if (!me)
		return libc.epoll_pwait(epfd, room, max, timeout_ms, mask);
	e = events_ms(epfd, room, max, timeout_ms, "epoll_pwait");
	return coro_leave(park_masked(me, &e, mask));
}

/* epoll_wait(2).  Parks: until an event or the timeout.  A timeout of 0 lets the others run once.
 * errno: the kernel's; EINTR on any handler; EBADF if closed while parked.
 * Differs: the kernel lets the wait outlive close(2); we end it. */
EXPORT int epoll_wait(int epfd, struct epoll_event *room, int max, int timeout_ms)
{
	if (LIKELY(!coro_self))
		return libc.epoll_wait(epfd, room, max, timeout_ms);
	return wait_here(epfd, room, max, timeout_ms);
}

/* epoll_pwait(2).  As epoll_wait(), under another signal mask. */
EXPORT int epoll_pwait(int epfd, struct epoll_event *room, int max, int timeout_ms, const sigset_t *mask)
{
	if (LIKELY(!coro_self))
		return libc.epoll_pwait(epfd, room, max, timeout_ms, mask);
	return pwait_here(epfd, room, max, timeout_ms, mask);
}

/* epoll_pwait2(2).  As epoll_pwait(), to the nanosecond.  errno: also EINVAL for a bad timeout; ENOSYS where
 * libc has no such call. */
EXPORT int epoll_pwait2(int epfd, struct epoll_event *room, int max, const struct timespec *timeout,
			const sigset_t *mask)
{
	struct coro *me = coro_enter();
	struct events e = { .epfd = epfd, .room = room, .max = max, .until = NEVER, .why = "epoll_pwait2" };

	if (!libc.epoll_pwait2)
		return coro_leave(fail(ENOSYS));
	if (LIKELY(!me))
		return libc.epoll_pwait2(epfd, room, max, timeout, mask);
	if (timeout) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= NS_PER_S)
			return coro_leave(fail(EINVAL));
		e.only_look = !timeout->tv_sec && !timeout->tv_nsec;
		e.until = deadline_in(timespec_ns(timeout));
	}
	return coro_leave(park_masked(me, &e, mask));
}

/* epoll_create(2), epoll_create1(2).  Never park.  FD_PIPE, for read() to be told EINVAL without a look whether there is
 * something to read. */
EXPORT int epoll_create(int size)
{
	int fd = libc.epoll_create(size);

	fd_created(fd, FD_PIPE);
	return fd;
}

EXPORT int epoll_create1(int flags)
{
	int fd = libc.epoll_create1(flags);

	fd_created(fd, FD_PIPE);
	return fd;
}
