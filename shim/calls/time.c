/* SPDX-License-Identifier: Apache-2.0
 *
 * Sleeps and yields.  A sleep is a wait for nothing but its deadline.  The clocks that the kernel sleeps on
 * by a timer (realtime, monotonic, boottime, TAI) park; CPU clocks and alarm clocks go to libc, since what
 * they wait for is not a time that the loop knows.
 */
/* The headers make pthread_yield() another name of sched_yield() at compile time, which hides the symbol. */
#define pthread_yield pthread_yield_of_the_headers
#include "coro.h"
#include "libc.h"
#include "raw.h"
#include "rawlock.h"
#include "wait.h"
#undef pthread_yield

static bool is_timer_clock(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
	       clock == CLOCK_TAI;
}

/* 0, EINVAL or EFAULT, by the kernel's own look at the timeout: a futex wait reads that first, and then finds
 * that its word has another value. */
static int bad_timespec(const struct timespec *ts)
{
	static _Atomic int zero;
	long r = raw4(SYS_futex, &zero, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, ts);

	return r == -EINVAL || r == -EFAULT ? (int)-r : 0;
}

/* A native thread may be what the caller waits for: where no coroutine wanted the host, the kernel is asked
 * for another thread. */
static void yield(struct coro *me)
{
	unsigned long before = sched.switches;
	int saved = errno;

	sched_yield_now(me);
	if (sched.switches == before)
		libc.sched_yield();
	errno = saved;
}

/* 0, EINTR, or ETIMEDOUT before its time: the hub of another greenlet library that has no descriptors sleeps, and was
 * switched to.  Time that is over already is a yield: loops over usleep(0) wait for others. */
static int sleep_until(struct coro *me, deadline_t until, const char *why)
{
	if (until <= now_ns()) {
		yield(me);
		return 0;
	}
	return -wait_until(me, until, WAIT_SLEEP, why);
}

/* 0, EINTR (then *rem is what was left), EINVAL or EFAULT. */
static int sleep_for(struct coro *me, const struct timespec *span, struct timespec *rem, const char *why)
{
	int err = span ? bad_timespec(span) : EFAULT;
	deadline_t until;
	int64_t left;

	if (err)
		return err;
	until = deadline_in(timespec_ns(span));
	err = sleep_until(me, until, why);
	if (!err || err == ETIMEDOUT)
		return 0;
	left = until - now_ns();
	if (left <= 0)
		return 0; /* the signal came with the end; so says the kernel */
	if (rem)
		*rem = ns_timespec(left);
	return err;
}

static bool is_past(clockid_t clock, const struct timespec *at)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return timespec_ns(&ts) >= timespec_ns(at);
}

static int sleep_to(struct coro *me, clockid_t clock, const struct timespec *at, const char *why)
{
	int err = at ? bad_timespec(at) : EFAULT;

	/* A clock that was set back while we waited has not reached the time yet. */
	do
		if (!err)
			err = sleep_until(me, deadline_at(clock, at), why);
	while (!err && !is_past(clock, at));
	return err == ETIMEDOUT ? 0 : err;
}

/* clock_nanosleep(2).  Parks: until the time, on clocks that run on timers.
 * Passes through: CPU clocks, alarm clocks, unknown ones.  Returns an error number and leaves errno alone.
 * Differs: a realtime clock that is set forward is noticed when the old deadline has passed. */
EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *req, struct timespec *rem)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || (!is_timer_clock(clock) && coro_leave(true)))
		return libc.clock_nanosleep(clock, flags, req, rem);
	if (flags & TIMER_ABSTIME)
		return coro_leave(sleep_to(me, clock, req, "clock_nanosleep"));
	return coro_leave(sleep_for(me, req, rem, "clock_nanosleep"));
}

/* nanosleep(2).  Parks: for the time.  errno: EINTR on any handler, EINVAL, EFAULT. */
EXPORT int nanosleep(const struct timespec *req, struct timespec *rem)
{
	struct coro *me = coro_enter();
	int err;

	if (LIKELY(!me))
		return libc.nanosleep(req, rem);
	err = coro_leave(sleep_for(me, req, rem, "nanosleep"));
	return err ? fail(err) : 0;
}
EXPORT_ALIAS(__nanosleep, nanosleep);

/* usleep(3).  Parks: for the time; usleep(0) lets the others run once.  errno: EINTR on any handler. */
EXPORT int usleep(useconds_t us)
{
	struct coro *me = coro_enter();
	int err;

	if (LIKELY(!me))
		return libc.usleep(us);
	err = coro_leave(sleep_until(me, deadline_in(us * NS_PER_US), "usleep"));
	return err && err != ETIMEDOUT ? fail(err) : 0;
}

/* sleep(3).  Parks: for the time.  Returns the whole seconds left when a handler ended it, errno EINTR then. */
EXPORT unsigned sleep(unsigned seconds)
{
	struct timespec ts = { .tv_sec = seconds };
	struct coro *me = coro_enter();
	int err;

	if (LIKELY(!me))
		return libc.sleep(seconds);
	err = coro_leave(sleep_for(me, &ts, &ts, "sleep"));
	if (!err)
		return 0;
	errno = err;
	return (unsigned)ts.tv_sec;
}

/* thrd_sleep(3).  Parks: for the time.  0, -1 on a handler, -2 on a bad argument, as glibc. */
EXPORT int thrd_sleep(const struct timespec *span, struct timespec *rem)
{
	struct coro *me = coro_enter();
	int err;

	if (LIKELY(!me))
		return libc.thrd_sleep(span, rem);
	err = coro_leave(sleep_for(me, span, rem, "thrd_sleep"));
	return err == 0 ? 0 : err == EINTR ? -1 : -2;
}

/* sched_yield(2).  Lets each other ready coroutine run once.  Never fails. */
EXPORT int sched_yield(void)
{
	struct coro *me = coro_may_park();

	if (LIKELY(!me))
		return libc.sched_yield();
	yield(me);
	return coro_leave(0);
}
EXPORT_ALIAS(__sched_yield, sched_yield);
EXPORT_ALIAS(pthread_yield, sched_yield); /* old programs have it; libc keeps it in its old version only */

/* thrd_yield(3).  As sched_yield(). */
EXPORT void thrd_yield(void)
{
	struct coro *me = coro_may_park();

	if (LIKELY(!me)) {
		libc.thrd_yield();
		return;
	}
	yield(me);
	coro_leave(0);
}
