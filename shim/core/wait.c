/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of wait.h.  All have one shape: register, arm the timer, park until the registration fired or the
 * wait is to end early, take the registration back.  What fired wins over what ends early: a wake that was
 * spent on us is used, and the cancellation or signal is acted on in the next call.
 *
 * poll(2) asks finer questions than libev answers (POLLPRI, or only the hang-up of something that is readable
 * all the time).  Such entries go into an epoll set of their own, made for the wait, which becomes readable
 * when one of them has happened.
 */
#include "wait.h"
#include <stdlib.h>
#include <sys/epoll.h>
#include "greenlet.h"
#include "loop.h"
#include "raw.h"

/* The timer's end, unless it was no memory for a timer that ended the wait at once. */
static int timed_out(const struct coro *me, deadline_t until)
{
	return me->nudged || now_ns() >= until ? -ETIMEDOUT : -ENOMEM;
}

static int park_on_fd(struct coro *me, struct fdrec *f, short want, deadline_t until, int flags,
		      const char *why)
{
	struct fdwait *w = &me->fdwait;
	int fd = f->fd, r = loop_watch(f, want);
	short got;

	if (r < 0)
		return r;
	fdwait_remove(w); /* queued: we are in a handler that runs inside a wait */
	fdwait_add(f, w, me, want);
	coro_begin_wait(me, until, flags);
	while (!w->got && (r = coro_early_end(me, flags)) == 0)
		sched_park(me, why, fd);
	coro_end_wait(me);
	fdwait_remove(w);
	got = w->got;
	w->got = want; /* so that the wait around a handler looks again */
	if (got)
		return got & WAIT_CLOSED ? -EBADF : 0;
	return r == -ETIMEDOUT ? timed_out(me, until) : r;
}

/* How long to wait for what the loop cannot be told to look at, before the next look. */
#define UNWATCHED_PAUSE (8 * NS_PER_MS)

static deadline_t pause_before(deadline_t until)
{
	deadline_t pause = deadline_in(UNWATCHED_PAUSE);

	return pause < until ? pause : until;
}

/* Sleeps end early for ever: who counts tries, as SQLite does while a database is locked, comes to an end
 * so. */
static int cancel_flag(const struct coro *me)
{
	return UNLIKELY(greenlet_is_stubborn(me)) ? 0 : WAITQ_CANCEL;
}

int wait_fd(struct coro *me, struct fdrec *f, short want, deadline_t until, int flags, const char *why)
{
	int r;

	if (UNLIKELY(f->unwatchable)) { /* next time it is tried again */
		f->unwatchable = false;
		r = wait_until(me, pause_before(until), flags, why);
		return r == 0 && now_ns() >= until ? -ETIMEDOUT : r;
	}
	me = coro_flow(me);
	r = park_on_fd(me, f, want, until, flags | cancel_flag(me), why);
	if (UNLIKELY(r == -ECANCELED))
		r = coro_ended_early(me);
	return r;
}

static int let_time_pass(struct io_wait *w, int flags)
{
	int doublings = w->fruitless - IO_FRUITLESS_MAX;
	deadline_t pause = deadline_in(NS_PER_MS << (doublings < 3 ? doublings : 3));
	int r;

	if (pause < w->until)
		return wait_until(w->me, pause, flags, w->why);
	r = wait_until(w->me, w->until, flags, w->why);
	return r ? r : -ETIMEDOUT;
}

/* NULL: errno says why. */
static struct fdrec *begin_io(struct io_wait *w)
{
	struct fdrec *f = fd_to_wait(w->fd, w->want);

	if (f)
		w->until = deadline_in(w->want == WAIT_READ ? f->rcvtimeo_ns : f->sndtimeo_ns);
	return f;
}

/* It stays readable, and says EAGAIN to those who do not wait. */
static bool is_shut(const struct io_wait *w, const struct fdrec *f)
{
	return w->fruitless && w->want == WAIT_READ && f->datagrams &&
	       (fd_events(w->fd, POLLRDHUP) & POLLRDHUP);
}

int wait_io(struct io_wait *w)
{
	/* The first try is past already: whatever has come since the call began ends the first wait. */
	int saved = errno, flags = w->until ? 0 : WAITQ_KEEP, r;
	struct fdrec *f = w->until ? fd_record(w->fd) : begin_io(w);

	if (!f || is_shut(w, f)) {
		r = f ? -ESHUTDOWN : -errno;
		errno = saved;
		return r;
	}
	flags |= w->has_some ? WAIT_INTR_ALWAYS : wait_flags_for(w->until);
	if (w->fruitless++ < IO_FRUITLESS_MAX)
		r = wait_fd(w->me, f, w->want, w->until, flags, w->why);
	else
		r = let_time_pass(w, flags);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

/* --- Many at once. */

#define ORDINARY_IN (POLLIN | POLLRDNORM)
#define ORDINARY_OUT (POLLOUT | POLLWRNORM)

/* On the heap, all of it: the stack may be moved away meanwhile. */
struct many {
	nfds_t n;
	int epfd;	       /* of the fine questions; -1: there is none */
	bool unwatched;	       /* there is one that the loop does not look at */
	struct fdwait waits[]; /* one for each entry, one for epfd */
};

static bool any_fired(const struct many *m)
{
	for (nfds_t i = 0; i <= m->n; i++)
		if (m->waits[i].got)
			return true;
	return false;
}

static void leave_many(struct many *m)
{
	for (nfds_t i = 0; i <= m->n; i++)
		fdwait_remove(&m->waits[i]);
	if (m->epfd >= 0) {
		fd_closing(m->epfd);
		raw1(SYS_close, m->epfd);
	}
	free(m);
}

/* 1: look again, the fd is not what it was; 0; -errno. */
static int add_wait(struct many *m, nfds_t i, struct coro *me, int fd, short want)
{
	struct fdrec *f = fd_record(fd);
	int r;

	if (!f)
		return errno == EBADF ? 1 : -errno;
	if (UNLIKELY(f->unwatchable)) {
		f->unwatchable = false;
		m->unwatched = true;
		return 0;
	}
	r = loop_watch(f, want);
	if (r < 0)
		return r;
	fdwait_add(f, &m->waits[i], me, want);
	return 0;
}

/* What libev would not tell apart.  A hang-up of the peer makes a descriptor readable, too. */
static short fine_events(short events)
{
	short fine = events & ~(ORDINARY_IN | ORDINARY_OUT);

	if (events & ORDINARY_IN)
		fine &= ~POLLRDHUP;
	return fine;
}

static bool has_fine_question(const struct pollfd *p)
{
	return !(p->events & (ORDINARY_IN | ORDINARY_OUT)) || fine_events(p->events);
}

/* Poll's bits are epoll's.  A descriptor that stands in the list twice is asked both questions.  Short of
 * descriptors, memory or watches, which poll(2) has no errors for, the caller looks itself, now and then. */
static int ask_finely(struct many *m, const struct pollfd *fds, nfds_t i, short events)
{
	struct epoll_event ev = { .events = (unsigned short)events };
	long r;

	if (m->epfd < 0)
		m->epfd = (int)raw1(SYS_epoll_create1, EPOLL_CLOEXEC);
	if (m->epfd < 0) {
		m->unwatched = true;
		return 0;
	}
	fd_created(m->epfd, FD_SLOW);
	r = raw4(SYS_epoll_ctl, m->epfd, EPOLL_CTL_ADD, fds[i].fd, &ev);
	if (r == -EEXIST) {
		for (nfds_t k = 0; k < i; k++)
			if (fds[k].fd == fds[i].fd && has_fine_question(&fds[k]))
				ev.events |= (unsigned short)fine_events(fds[k].events);
		r = raw4(SYS_epoll_ctl, m->epfd, EPOLL_CTL_MOD, fds[i].fd, &ev);
	}
	if (r < 0 && r != -EBADF && r != -EPERM)
		m->unwatched = true;
	return r == -EBADF;
}

static int add_entry(struct many *m, struct coro *me, const struct pollfd *fds, nfds_t i)
{
	short want = 0;
	int kind, r;

	if (fds[i].fd < 0)
		return 0;
	kind = fd_kind(fds[i].fd) & FD_KIND_MASK;
	if (kind == FD_BAD) /* or a number too high for our table */
		return ask_finely(m, fds, i, fds[i].events);
	if (kind == FD_INERT)
		return 0;
	if (fds[i].events & ORDINARY_IN)
		want |= WAIT_READ;
	if (fds[i].events & ORDINARY_OUT)
		want |= WAIT_WRITE;
	r = want ? add_wait(m, i, me, fds[i].fd, want) : 0;
	if (r == 0 && has_fine_question(&fds[i]))
		r = ask_finely(m, fds, i, fine_events(fds[i].events));
	return r;
}

static int add_all(struct many *m, struct coro *me, const struct pollfd *fds)
{
	int r = 0;

	fd_drain_notes();
	for (nfds_t i = 0; i < m->n && r == 0; i++)
		r = add_entry(m, me, fds, i);
	if (r == 0 && m->epfd >= 0)
		r = add_wait(m, m->n, me, m->epfd, WAIT_READ);
	return r;
}

static int park_on_many(struct coro *me, const struct many *m, deadline_t until, int flags, const char *why)
{
	int r = 0, fd = m->n == 1 && m->waits[0].rec ? m->waits[0].rec->fd : -1;
	deadline_t end = m->unwatched ? pause_before(until) : until;

	coro_begin_wait(me, end, flags);
	while (!any_fired(m) && (r = coro_early_end(me, flags)) == 0)
		sched_park(me, why, fd);
	coro_end_wait(me);
	if (any_fired(m) || (r == -ETIMEDOUT && end < until && now_ns() >= end))
		return 0;
	return r == -ETIMEDOUT ? timed_out(me, until) : r;
}

int wait_many(struct coro *me, const struct pollfd *fds, nfds_t n, deadline_t until, int flags, const char *why)
{
	int saved = errno, r;
	struct many *m;

	if (n == 0) {
		r = wait_until(me, until, flags, why);
		return r ? r : -ETIMEDOUT;
	}
	me = coro_flow(me);
	m = calloc(1, sizeof(*m) + (n + 1) * sizeof(m->waits[0]));
	if (!m) {
		errno = saved;
		return -ENOMEM;
	}
	m->n = n;
	m->epfd = -1;
	r = add_all(m, me, fds);
	if (r == 0)
		r = park_on_many(me, m, until, flags | cancel_flag(me), why);
	leave_many(m);
	errno = saved;
	if (UNLIKELY(r == -ECANCELED))
		r = coro_ended_early(me);
	return r > 0 ? 0 : r;
}

/* --- Time, and processes. */

/* There was no memory for the timer: late is wrong, early is wrong, so let the others run meanwhile. */
static int yield_until(struct coro *me, deadline_t until, int flags)
{
	int r = 0;

	me->timed_out = false;
	while (now_ns() < until && (r = coro_early_end(me, flags)) == 0)
		sched_yield_now(me);
	return r;
}

int wait_until(struct coro *me, deadline_t until, int flags, const char *why)
{
	int r;

	me = coro_flow(me);
	flags |= WAITQ_CANCEL;
	coro_begin_wait(me, until, flags);
	while ((r = coro_early_end(me, flags)) == 0)
		sched_park(me, why, -1);
	coro_end_wait(me);
	if (r == -ETIMEDOUT && !(me->nudged && me->heeds_nudges))
		r = yield_until(me, until, flags);
	if (UNLIKELY(r == -ECANCELED))
		r = coro_ended_early(me);
	return r;
}

#define LONGEST_NAP_NS (4 * NS_PER_MS)

int wait_nap(struct coro *me, struct nap *nap, deadline_t until, const char *why)
{
	deadline_t soon = deadline_in(nap->ns);
	int r;

	if (now_ns() >= until)
		return -ETIMEDOUT;
	r = wait_until(me, soon < until ? soon : until, nap->flags, why);
	nap->flags |= WAITQ_KEEP;
	if (nap->ns < LONGEST_NAP_NS)
		nap->ns *= 2;
	return r;
}

int wait_pidfd(struct coro *me, int pidfd, int flags, const char *why)
{
	struct fdrec *f;
	int saved = errno, r;

	fd_created(pidfd, FD_SLOW);
	f = fd_record(pidfd);
	r = f ? wait_fd(me, f, WAIT_READ, NEVER, flags, why) : -errno;
	errno = saved;
	return r == -EBADF ? 0 : r;
}
