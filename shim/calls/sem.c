/* SPDX-License-Identifier: Apache-2.0
 *
 * Semaphores.  The tokens are always libc's: a wait is sem_trywait() until it succeeds, a post is libc's post
 * and then a wake, so a token can neither be lost in our queue nor be counted twice.
 *
 * One shared between processes (libc marks those of sem_open() too) may be posted where nobody knows our queue.
 * A coroutine looks again a few times, since most waits are short, and then has an offload worker asleep in
 * its place, on the futex that every sem_post() wakes.  The worker takes no token and touches no memory of the
 * program: a waiter that leaves may unmap the semaphore at once.  What is written there, the count of
 * waiters by which a poster knows that somebody sleeps, the coroutine writes itself.
 */
#include <limits.h>
#include <stdlib.h>
#include "greenlet.h"
#include "libc.h"
#include "lock.h"
#include "offload.h"
#include "python.h"
#include "rawlock.h"
#include "standby.h"

#define FIRST_NAP_NS (20 * NS_PER_US)
#define LAST_NAP_NS (320 * NS_PER_US)

#define FIRST_SLICE_NS (10 * NS_PER_MS)
#define LAST_SLICE_NS (500 * NS_PER_MS)

/* glibc's struct new_sem, since 2.21, where 64-bit atomics exist: the number of waiters is the upper half. */
struct sem_layout {
	union {
		_Atomic uint64_t value_and_waiters;
		uint32_t value;
	};
	int shared;
};
#define ONE_WAITER (UINT64_C(1) << 32)

static struct sem_layout *layout(const sem_t *s)
{
	return (struct sem_layout *)s;
}

static bool is_shared(const sem_t *s)
{
	return layout(s)->shared != 0;
}

/* What signal(7) says: a wait without a timeout is restarted for SA_RESTART, one with a timeout never. */
static int flags_for(struct app_time limit)
{
	return WAITQ_CANCEL | WAITQ_INTR | (limit.at ? 0 : WAITQ_RESTART);
}

/* sem_wait() knows one error of this kind, and the interpreter's locks would complain of another. */
static int ended_early(struct coro *me)
{
	int r = coro_ended_early(me);

	return r == -ECANCELED && me->flow_of ? -EINTR : r;
}

/* 0 or -errno, of which -EAGAIN is impossible: the kind for threads of one process. */
static int await_private(sem_t *s, struct app_time limit, const char *why)
{
	struct waiter native, *w = waitq_mine(&native);
	int r;

	waitq_add(w, s);
	for (;;) {
		if (!greenlet_stands_back(s) && libc.sem_trywait(s) == 0) {
			waitq_leave(w); /* a wake that has come as well announces another token */
			return 0;
		}
		r = lock_wait(w, limit, greenlet_is_deaf(w->co) ? 0 : flags_for(limit), why);
		if (r == -ECANCELED)
			r = ended_early(w->co);
		if (r < 0)
			return r;
		if (libc.sem_trywait(s) == 0)
			return 0;
		waitq_add_again(w, s, ~0u);
	}
}

/* A sleep by a worker.  Two hold it: the job, until it has run or been abandoned, and the waiter. */
struct proxy {
	struct offload_job job;
	const uint32_t *value; /* an address for the kernel, perhaps of nothing any more */
	uint32_t bit;	       /* by which its own waiter wakes it */
	deadline_t until;
	bool was_woken;
	_Atomic bool left; /* the waiter is gone */
	_Atomic int holders;
};

static void let_go(struct proxy *p)
{
	if (atomic_fetch_sub(&p->holders, 1) == 1)
		free(p);
}

/* No FUTEX_PRIVATE_FLAG: the poster may be another process. */
static long sleep_while_zero(struct proxy *p, int64_t until)
{
	struct timespec at = ns_timespec(until);

	return raw6(SYS_futex, (long)p->value, FUTEX_WAIT_BITSET, 0, (long)&at, 0, p->bit);
}

/* In slices, for the waiter may leave between our look and the sleep. */
static void proxy_run(struct offload_job *job)
{
	struct proxy *p = CONTAINER_OF(job, struct proxy, job);
	int64_t slice = FIRST_SLICE_NS, now;
	long r = -ETIMEDOUT;

	while (r == -ETIMEDOUT && !atomic_load(&p->left) && (now = now_ns()) < p->until) {
		r = sleep_while_zero(p, p->until - now < slice ? p->until : now + slice);
		if (slice < LAST_SLICE_NS)
			slice *= 2;
	}
	p->was_woken = r == 0;
}

/* The wake was meant for whoever still waits. */
static void proxy_abandoned(struct offload_job *job)
{
	struct proxy *p = CONTAINER_OF(job, struct proxy, job);

	if (p->was_woken)
		raw3(SYS_futex, p->value, FUTEX_WAKE, 1);
	let_go(p);
}

static void leave_proxy(struct proxy *p)
{
	atomic_store(&p->left, true);
	raw6(SYS_futex, (long)p->value, FUTEX_WAKE_BITSET, INT_MAX, 0, 0, p->bit);
	let_go(p);
}

/* A short rest, ended by a post within this process as well, and by a signal since the first.  0: look again;
 * -EINTR, -ECANCELED. */
static int nap(struct coro *me, sem_t *s, struct app_time limit, int64_t ns, const char *why)
{
	struct waiter *w = waitq_mine(&me->waiter);
	deadline_t until = app_time_deadline(limit), soon = deadline_in(ns);
	int r;

	waitq_add(w, s);
	r = waitq_wait(w, soon < until ? soon : until, flags_for(limit) | (ns > FIRST_NAP_NS ? WAITQ_KEEP : 0),
		       why);
	return r == -ETIMEDOUT ? 0 : r;
}

static struct proxy *make_proxy(sem_t *s, struct app_time limit)
{
	static unsigned made;
	struct proxy *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->job.run = proxy_run;
	p->job.abandoned = proxy_abandoned;
	p->value = &layout(s)->value;
	p->bit = 1u << made++ % 32;
	p->until = app_time_deadline(limit);
	atomic_store(&p->holders, 2);
	return p;
}

/* Until a worker has been woken.  0: look again; -EINTR, -ECANCELED. */
static int await_by_proxy(struct coro *me, sem_t *s, struct app_time limit, const char *why)
{
	struct proxy *p = make_proxy(s, limit);
	int r;

	if (!p)
		return nap(me, s, limit, LAST_NAP_NS, why);
	atomic_fetch_add(&layout(s)->value_and_waiters, ONE_WAITER);
	r = offload_run(me, &p->job, OFFLOAD_LONG, p->until, flags_for(limit) | WAITQ_KEEP, why);
	atomic_fetch_sub(&layout(s)->value_and_waiters, ONE_WAITER);
	if (r == 0 || r == -EAGAIN) /* the job is ours again */
		free(p);
	else
		leave_proxy(p);
	if (r == -EAGAIN)
		return nap(me, s, limit, LAST_NAP_NS, why);
	return r == -ETIMEDOUT ? 0 : r;
}

static int await_shared(struct coro *me, sem_t *s, struct app_time limit, const char *why)
{
	int64_t ns = FIRST_NAP_NS;
	int r;

	while (libc.sem_trywait(s) == -1) {
		if (app_time_has_come(limit))
			return -ETIMEDOUT;
		if (ns <= LAST_NAP_NS)
			r = nap(me, s, limit, ns, why);
		else
			r = await_by_proxy(me, s, limit, why);
		if (r == -ECANCELED)
			r = coro_ended_early(me);
		if (r < 0)
			return r;
		if (ns <= LAST_NAP_NS)
			ns *= 2;
	}
	return 0;
}

/* A token that is there needs nothing of the scheduler.  Not for who is to end here. */
static bool take_at_once(sem_t *s)
{
	struct coro *me = coro_self;

	if (!me)
		libc.pthread_testcancel();
	else if (coro_cancel_due(me))
		return false;
	return !greenlet_stands_back(s) && libc.sem_trywait(s) == 0;
}

static int wait_in_libc(sem_t *s, struct app_time limit)
{
	if (!limit.at)
		return libc.sem_wait(s);
	return limit.clock == CLOCK_REALTIME ? libc.sem_timedwait(s, limit.at)
					     : libc.sem_clockwait(s, limit.clock, limit.at);
}

static int await_token(sem_t *s, struct app_time limit, const char *why, const void *caller)
{
	struct coro *me;
	int saved = errno, r;
	bool whole;

	if (take_at_once(s))
		return 0;
	if (standby_is_me() && !limit.at)
		return libc.sem_wait(s); /* as in await_mutex(), mutex.c */
	me = coro_enter();
	if (is_shared(s) && !me) { /* in a handler */
		errno = saved;
		return wait_in_libc(s, limit);
	}
	whole = greenlet_enter_whole(python_parks_thread(caller));
	r = is_shared(s) ? await_shared(me, s, limit, why) : await_private(s, limit, why);
	greenlet_leave_whole(whole);
	if (r < 0)
		return coro_leave(fail(-r));
	errno = saved;
	return coro_leave(0);
}

/* Is this one for libc: nothing is green, or a native thread meets a semaphore of several processes? */
static inline bool is_libcs(const sem_t *s)
{
	return !locks_are_ours() || (is_shared(s) && !coro_self);
}

static inline bool is_refused(struct app_time limit)
{
	return locks_are_ours() && (!clock_is_known(limit.clock) || !app_time_is_valid(limit));
}

/* sem_wait(3).  Parks: until there is a token; a cancellation point.  Passes through: no green thread exists
 * yet; a native thread and a semaphore shared between processes.
 * errno: EINTR by a handler without SA_RESTART. */
EXPORT int sem_wait(sem_t *s)
{
	if (is_libcs(s))
		return libc.sem_wait(s);
	return await_token(s, NO_LIMIT, "sem_wait", __builtin_return_address(0));
}

/* sem_timedwait(3).  Parks: as sem_wait, until CLOCK_REALTIME reaches `abs` at the latest.
 * errno: ETIMEDOUT; EINVAL; EINTR by any handler. */
EXPORT int sem_timedwait(sem_t *s, const struct timespec *abs)
{
	struct app_time limit = { CLOCK_REALTIME, abs };

	if (is_refused(limit))
		return fail(EINVAL);
	if (is_libcs(s))
		return libc.sem_timedwait(s, abs);
	return await_token(s, limit, "sem_timedwait", __builtin_return_address(0));
}

/* sem_clockwait(3).  The same on either clock; EINVAL for any other. */
EXPORT int sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *abs)
{
	struct app_time limit = { clock, abs };

	if (is_refused(limit))
		return fail(EINVAL);
	if (is_libcs(s))
		return libc.sem_clockwait(s, clock, abs);
	return await_token(s, limit, "sem_clockwait", __builtin_return_address(0));
}

/* sem_trywait(3).  Parks: never.
 * Differs: EAGAIN also while a greenlet of the caller's thread that has lost its turn before has not had the token. */
EXPORT int sem_trywait(sem_t *s)
{
	return greenlet_stands_back(s) ? fail(EAGAIN) : libc.sem_trywait(s);
}

/* sem_post(3).  Parks: never, but gives way when it wakes a thread that has lost its turn before: one that posts
 * and waits in a loop would take each token again.  Signal handlers may call it: the wake knows. */
EXPORT int sem_post(sem_t *s)
{
	int r = libc.sem_post(s);

	if (locks_are_ours() && waitq_has_waiters(s) && r == 0)
		waitq_wake_next(s);
	return r;
}
