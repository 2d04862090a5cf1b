/* SPDX-License-Identifier: Apache-2.0
 *
 * poll() and select().  Each is tried with timeout 0; what found nothing waits for any of its descriptors and
 * is then tried again, until something is ready, the deadline has passed, or a handler has run.  The kernel
 * alone decides what is ready and what is an error; the wait is only told where to look.
 *
 * select() writes its answer over its question, so the tries work on copies, on the heap, as long as the
 * kernel would read: a set may be longer than fd_set, and nfds may be larger than the set.
 */
#include <limits.h>
#include <string.h>
#include "coro.h"
#include "libc.h"
#include "masked.h"
#include "probe.h"
#include "raw.h"
#include "wait.h"

/* How long to wait. */
struct patience {
	bool only_look; /* a timeout of 0 */
	deadline_t until;
	const char *why;
};

static bool is_valid(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < NS_PER_S;
}

/* NULL: for ever. */
static struct patience patience(const struct timespec *timeout, const char *why)
{
	struct patience p = { .until = NEVER, .why = why };

	if (timeout) {
		p.only_look = !timeout->tv_sec && !timeout->tv_nsec;
		p.until = deadline_in(timespec_ns(timeout));
	}
	return p;
}

/* A signal that ends a look at nothing was meant for the host's own flow. */
static int look(const struct coro *me, struct pollfd *fds, nfds_t n)
{
	int r;

	do
		r = libc.poll(fds, n, 0);
	while (r == -1 && errno == EINTR && me->green);
	return r;
}

static int park_poll(struct coro *me, struct pollfd *fds, nfds_t n, const struct patience *p)
{
	int saved = errno, err = 0, r;

	while ((r = look(me, fds, n)) == 0 && err != -ETIMEDOUT) {
		if (p->only_look) {
			sched_yield_now(me);
			break;
		}
		err = wait_many(me, fds, n, p->until, WAIT_POLL, p->why);
		if (err && err != -ETIMEDOUT)
			return fail(-err);
	}
	if (r >= 0)
		errno = saved;
	return r;
}

static PARKING int poll_here(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct coro *me = coro_enter();
	struct timespec ts;
	struct patience p;

	if (!me)
		return libc.poll(fds, n, timeout_ms);
	ts = ns_timespec(timeout_ms * NS_PER_MS);
	p = patience(timeout_ms < 0 ? NULL : &ts, "poll");
	return coro_leave(park_poll(me, fds, n, &p));
}

/* poll(2).  Parks: until a descriptor is ready or the timeout.  A timeout of 0 lets the others run once.
 * errno: the kernel's; EINTR on any handler.
 * Differs: a descriptor that is closed meanwhile is POLLNVAL at once. */
EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (LIKELY(!coro_self))
		return libc.poll(fds, n, timeout_ms);
	return poll_here(fds, n, timeout_ms);
}
EXPORT_ALIAS(__poll, poll);

static int park_ppoll(struct coro *me, struct pollfd *fds, nfds_t n, struct patience *p, const sigset_t *mask)
{
	sigset_t old;
	int r;

	if (!mask)
		return park_poll(me, fds, n, p);
	r = look(me, fds, n);
	if (r)
		return r;
	r = masked_enter(me, mask, &old);
	r = r ? fail(-r) : park_poll(me, fds, n, p);
	masked_leave(me, &old);
	return r;
}

/* ppoll(2).  As poll(), under another signal mask; the timeout stays as it was.  errno: also EINVAL. */
EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct coro *me = coro_enter();
	struct patience p;

	if (LIKELY(!me))
		return libc.ppoll(fds, n, timeout, mask);
	if (timeout && !is_valid(timeout))
		return coro_leave(fail(EINVAL));
	p = patience(timeout, "ppoll");
	return coro_leave(park_ppoll(me, fds, n, &p, mask));
}

/* The three sets of a select(): the caller's, and room for a try, in one piece of memory. */
struct sets {
	int nfds;
	size_t nbytes; /* of one set, as the kernel rounds */
	fd_set *asked[3];
	char *room;
};

/* The size of the kernel's descriptor table; nfds where it is not told. */
static int table_size(int nfds)
{
	char text[4096];
	const char *at;
	long n, fd = raw4(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return nfds;
	n = raw3(SYS_read, fd, text, sizeof(text) - 1);
	raw1(SYS_close, fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\nFDSize:");
	return at ? (int)strtol(at + 8, NULL, 10) : nfds;
}

/* The kernel reads no further than its table goes: select(getdtablesize(), ...) on an fd_set is common. */
static int readable_nfds(int nfds)
{
	int size;

	if (nfds <= FD_SETSIZE)
		return nfds;
	size = table_size(nfds);
	return nfds < size ? nfds : size;
}

static int make_sets(struct sets *s, int nfds, fd_set *in, fd_set *out, fd_set *ex)
{
	s->nfds = readable_nfds(nfds);
	s->nbytes = ((size_t)s->nfds + 63) / 64 * 8;
	s->asked[0] = in;
	s->asked[1] = out;
	s->asked[2] = ex;
	for (int i = 0; i < 3; i++)
		if (s->asked[i] && !mem_is_writable(s->asked[i], s->nbytes))
			return -EFAULT;
	s->room = malloc(3 * s->nbytes + 1);
	return s->room ? 0 : -ENOMEM;
}

static fd_set *copy_of(const struct sets *s, int i)
{
	return s->asked[i] ? (fd_set *)(void *)(s->room + (size_t)i * s->nbytes) : NULL;
}

static int look_at_sets(const struct coro *me, const struct sets *s)
{
	struct timespec zero = { 0, 0 };
	int r;

	for (int i = 0; i < 3; i++)
		if (s->asked[i])
			memcpy(copy_of(s, i), s->asked[i], s->nbytes);
	do
		r = libc.pselect(s->nfds, copy_of(s, 0), copy_of(s, 1), copy_of(s, 2), &zero, NULL);
	while (r == -1 && errno == EINTR && me->green);
	return r;
}

static void answer(const struct sets *s)
{
	for (int i = 0; i < 3; i++)
		if (s->asked[i])
			memcpy(s->asked[i], copy_of(s, i), s->nbytes);
}

static bool has_bit(const fd_set *set, int fd)
{
	const uint64_t *words = (const void *)set;

	return set && words[fd / 64] >> (fd % 64) & 1;
}

static short events_of(const struct sets *s, int fd)
{
	short events = 0;

	events |= has_bit(s->asked[0], fd) ? POLLIN : 0;
	events |= has_bit(s->asked[1], fd) ? POLLOUT : 0;
	events |= has_bit(s->asked[2], fd) ? POLLPRI : 0;
	return events;
}

/* The same question for poll(): with fds NULL it only counts. */
static nfds_t list_fds(const struct sets *s, struct pollfd *fds)
{
	nfds_t n = 0;

	for (int fd = 0; fd < s->nfds; fd++) {
		short events = events_of(s, fd);

		if (!events)
			continue;
		if (fds)
			fds[n] = (struct pollfd){ .fd = fd, .events = events };
		n++;
	}
	return n;
}

static int wait_for_sets(struct coro *me, const struct sets *s, const struct patience *p)
{
	nfds_t n = list_fds(s, NULL);
	struct pollfd *fds = malloc((n + 1) * sizeof(*fds));
	int err;

	if (!fds)
		return -ENOMEM;
	list_fds(s, fds);
	pthread_cleanup_push(free, fds);
	err = wait_many(me, fds, n, p->until, WAIT_POLL, p->why);
	pthread_cleanup_pop(1);
	return err;
}

/* As park_poll(); the caller's sets are written only when there is an answer. */
static int park_on_sets(struct coro *me, const struct sets *s, const struct patience *p)
{
	int saved = errno, err = 0, r;

	while ((r = look_at_sets(me, s)) == 0 && err != -ETIMEDOUT) {
		if (p->only_look) {
			sched_yield_now(me);
			break;
		}
		err = wait_for_sets(me, s, p);
		if (err && err != -ETIMEDOUT)
			return fail(-err);
	}
	if (r < 0)
		return r;
	answer(s);
	errno = saved;
	return r;
}

static int park_masked(struct coro *me, const struct sets *s, struct patience *p, const sigset_t *mask)
{
	sigset_t old;
	int r;

	if (!mask)
		return park_on_sets(me, s, p);
	r = look_at_sets(me, s);
	if (r > 0)
		answer(s);
	if (r)
		return r;
	r = masked_enter(me, mask, &old);
	r = r ? fail(-r) : park_on_sets(me, s, p);
	masked_leave(me, &old);
	return r;
}

static int park_select(struct coro *me, struct sets *s, struct patience *p, const sigset_t *mask)
{
	int r;

	pthread_cleanup_push(free, s->room);
	r = park_masked(me, s, p, mask);
	pthread_cleanup_pop(1);
	return r;
}

/* As glibc: more than a million microseconds are accepted. */
static struct timespec normal_timespec(const struct timeval *tv)
{
	struct timespec ts = { .tv_sec = tv->tv_sec, .tv_nsec = tv->tv_usec % 1000000 * NS_PER_US };

	if (__builtin_add_overflow(ts.tv_sec, tv->tv_usec / 1000000, &ts.tv_sec))
		ts.tv_sec = LONG_MAX;
	return ts;
}

static void write_rest(struct timeval *tv, deadline_t until)
{
	int64_t left = until == NEVER ? 0 : until - now_ns();

	if (until == NEVER)
		return; /* centuries: what is gone of them does not show */
	if (left < 0)
		left = 0;
	tv->tv_sec = left / NS_PER_S;
	tv->tv_usec = left % NS_PER_S / NS_PER_US;
}

/* select(2).  Parks: until a descriptor is ready or the timeout, whose rest is written back.  A timeout of 0
 * lets the others run once.
 * errno: the kernel's; EINTR on any handler; EBADF also for one that is closed meanwhile. */
EXPORT int select(int nfds, fd_set *in, fd_set *out, fd_set *ex, struct timeval *timeout)
{
	struct coro *me = coro_enter();
	struct timespec ts;
	struct patience p;
	struct sets s;
	int r;

	if (LIKELY(!me) || (nfds < 0 && coro_leave(true)))
		return libc.select(nfds, in, out, ex, timeout);
	if (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0))
		return coro_leave(fail(EINVAL));
	r = make_sets(&s, nfds, in, out, ex);
	if (r < 0)
		return coro_leave(fail(-r));
	if (timeout)
		ts = normal_timespec(timeout);
	p = patience(timeout ? &ts : NULL, "select");
	r = park_select(me, &s, &p, NULL);
	if (timeout)
		write_rest(timeout, p.until);
	return coro_leave(r);
}
EXPORT_ALIAS(__select, select);

/* pselect(2).  As select(), under another signal mask; the timeout stays as it was. */
EXPORT int pselect(int nfds, fd_set *in, fd_set *out, fd_set *ex, const struct timespec *timeout,
		   const sigset_t *mask)
{
	struct coro *me = coro_enter();
	struct patience p;
	struct sets s;
	int r;

	if (LIKELY(!me) || (nfds < 0 && coro_leave(true)))
		return libc.pselect(nfds, in, out, ex, timeout, mask);
	if (timeout && !is_valid(timeout))
		return coro_leave(fail(EINVAL));
	r = make_sets(&s, nfds, in, out, ex);
	if (r < 0)
		return coro_leave(fail(-r));
	p = patience(timeout, "pselect");
	return coro_leave(park_select(me, &s, &p, mask));
}
