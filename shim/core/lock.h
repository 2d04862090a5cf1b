/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of locks in calls/ share: who is in charge, and waiting until a time of the
 * application's clock.
 */
#ifndef SYNCLESS_LOCK_H
#define SYNCLESS_LOCK_H

#include "base.h"
#include "coro.h"
#include "waitq.h"

/* False: libc's own locks serve everybody.  True: a contended lock is waited for in our queues, by native
 * threads too.  It turns true once, with the first green thread; who sleeps in libc then is woken by libc,
 * since each lock is really unlocked. */
static inline bool locks_are_ours(void)
{
	return UNLIKELY(atomic_load_explicit(&green_exist, memory_order_relaxed));
}

/* A time at which the application wants to be back: of its own clock, and NULL for never. */
struct app_time {
	clockid_t clock;
	const struct timespec *at;
};
#define NO_LIMIT ((struct app_time){ CLOCK_MONOTONIC, NULL })

static inline bool app_time_is_valid(struct app_time t)
{
	return !t.at || (t.at->tv_nsec >= 0 && t.at->tv_nsec < NS_PER_S);
}

static inline bool clock_is_known(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

static inline deadline_t app_time_deadline(struct app_time t)
{
	if (!t.at)
		return NEVER;
	return t.at->tv_sec < 0 ? 0 : deadline_at(t.clock, t.at);
}

static inline bool app_time_has_come(struct app_time t)
{
	struct timespec ts;

	if (!t.at)
		return false;
	clock_gettime(t.clock, &ts);
	return ts.tv_sec > t.at->tv_sec || (ts.tv_sec == t.at->tv_sec && ts.tv_nsec >= t.at->tv_nsec);
}

/* waitq_wait() until then.  Its clock is asked again when our deadline has passed: it may have been set
 * back, or there was no memory for the timer; then 0, a spurious wake. */
static inline int lock_wait(struct waiter *w, struct app_time t, int flags, const char *why)
{
	int r = waitq_wait(w, app_time_deadline(t), flags, why);

	if (r != -ETIMEDOUT || app_time_has_come(t))
		return r;
	if (w->co)
		sched_yield_now(w->co);
	return 0;
}

#endif
