/* SPDX-License-Identifier: Apache-2.0
 *
 * Condition variables, POSIX and C11.
 *
 * Once a green thread exists, threads of both kinds wait in our queue of the condition's address: register,
 * unlock the mutex by our own unlock (whose waiters a wait inside libc would not wake), sleep, lock it again.
 * Whoever signals after that unlock finds us registered.  Threads that went to sleep in libc before are
 * signalled by libc, once our queue has nobody.
 *
 * The relock is not interruptible and its error overrides the wait's result, which is what libc does:
 * the caller must know whether it has the mutex.
 *
 * A condition shared between processes may be signalled by one that knows nothing of our queue, and a worker
 * cannot wait in our place, since it would own the mutex.  A coroutine then sleeps for a moment and
 * returns 0, a spurious wake, which POSIX allows and every caller must expect.
 */
#include <limits.h>
#include "greenlet.h"
#include "libc.h"
#include "lock.h"
#include "monitor.h"
#include "python.h"
#include "standby.h"

#define FIRST_NAP_NS (100 * NS_PER_US)
#define LAST_NAP_NS (4 * NS_PER_MS)

enum { COND_SHARED = 1, COND_MONOTONIC = 2 };

/* Where libc keeps a condition's attributes: the word has moved between versions (2.41), so one whose word is
 * known is made and looked at. */
static int find_attributes(void)
{
	const int *words;
	pthread_condattr_t attr;
	pthread_cond_t probe;
	int at = -1;

	pthread_condattr_init(&attr);
	pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&probe, &attr);
	words = (const int *)&probe;
	for (size_t i = 0; i < sizeof(probe) / sizeof(*words) && at < 0; i++)
		if (words[i] == (COND_SHARED | COND_MONOTONIC))
			at = (int)i;
	return at;
}

static int attributes_of(const pthread_cond_t *c)
{
	static _Atomic int at = -2; /* any thread may find it out, with the same result */
	int i = atomic_load_explicit(&at, memory_order_relaxed);

	if (UNLIKELY(i == -2))
		atomic_store_explicit(&at, i = find_attributes(), memory_order_relaxed);
	return i < 0 ? 0 : __atomic_load_n((const int *)c + i, __ATOMIC_RELAXED);
}

/* A native thread that is cancelled in its wait: its cleanup handlers expect to have the mutex. */
static void relock(void *m)
{
	pthread_mutex_lock(m);
}

static int wait_registered(struct waiter *w, pthread_mutex_t *m, struct app_time limit, deadline_t nap,
			   const char *why)
{
	int r;

	pthread_cleanup_push(relock, m);
	if (nap == NEVER)
		r = lock_wait(w, limit, greenlet_is_deaf(w->co) ? 0 : WAITQ_CANCEL, why);
	else
		r = waitq_wait(w, nap, WAITQ_CANCEL, why);
	pthread_cleanup_pop(0);
	return r;
}

/* The calls on the mutex end as any others: after one of them a coroutine may have lost the scheduler. */
static void begin_again(const struct waiter *w)
{
	if (w->co)
		coro_host();
}

/* The whole of a wait.  nap: come back then with 0. */
static int wait_on(pthread_cond_t *c, pthread_mutex_t *m, struct app_time limit, deadline_t nap,
		   const char *why)
{
	struct waiter native, *w = waitq_mine_unless_alone(&native);
	int saved = errno, err, r;

	waitq_add(w, c);
	err = pthread_mutex_unlock(m);
	begin_again(w); /* one that is alone comes back now, not with the mutex: it might be the GIL's */
	if (err) {
		waitq_leave(w);
		return err;
	}
	r = wait_registered(w, m, limit, nap, why);
	err = pthread_mutex_lock(m);
	begin_again(w);
	errno = saved;
	if (r == -ECANCELED)
		r = coro_ended_early(w->co);
	if (r == -EINTR) /* an exception is due for a greenlet: to its caller a spurious wake */
		r = 0;
	if (r == -ETIMEDOUT && nap != NEVER && !app_time_has_come(limit))
		r = 0;
	return err ? err : -r;
}

/* The watchdog's wait for the GIL, which the interpreter bounds by its switch interval.  The one without a limit
 * is another: the watchdog has had the GIL, was asked for it, and is told by a signal that it has been taken. */
static int stand_by(pthread_mutex_t *m, struct app_time limit)
{
	int saved = errno, err = pthread_mutex_unlock(m), r;

	if (err)
		return err;
	r = standby_wait(app_time_deadline(limit));
	monitor_still_waits();
	err = pthread_mutex_lock(m);
	errno = saved;
	return err ? err : -r;
}

/* A loop of waits on one shared condition rests longer and longer. */
static deadline_t next_nap(const pthread_cond_t *c, deadline_t until)
{
	static __thread struct {
		const pthread_cond_t *c;
		int64_t nap_ns, ended;
	} last;
	int64_t now = now_ns();

	if (last.c != c || now - last.ended > LAST_NAP_NS)
		last.nap_ns = FIRST_NAP_NS;
	else if (last.nap_ns < LAST_NAP_NS)
		last.nap_ns *= 2;
	last.c = c;
	last.ended = now + last.nap_ns;
	return until < last.ended ? until : last.ended;
}

static int wait_ours(pthread_cond_t *c, pthread_mutex_t *m, struct app_time limit, const char *why, const void *caller)
{
	deadline_t nap = NEVER;
	bool whole;
	int err;

	if (coro_here())
		coro_enter_wait();
	if (standby_is_me() && limit.at && standby_applies())
		return stand_by(m, limit);
	if (attributes_of(c) & COND_SHARED)
		nap = next_nap(c, app_time_deadline(limit));
	whole = greenlet_enter_whole(python_is_runtime(caller)); /* the GIL */
	err = wait_on(c, m, limit, nap, why);
	greenlet_leave_whole(whole);
	return coro_leave(err);
}

/* Is this one for libc: nothing is green, or a native thread meets a condition of several processes? */
static bool is_libcs(const pthread_cond_t *c)
{
	return !locks_are_ours() || (!coro_self && (attributes_of(c) & COND_SHARED));
}

/* pthread_cond_wait(3).  Parks: until signalled; a cancellation point, with the mutex held; no handler ends it.
 * Passes through: no green thread exists yet; a native thread and a condition shared between processes.
 * errno: error numbers: libc's.
 * Differs: in a coroutine, one shared between processes has many spurious wakes. */
EXPORT int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	if (is_libcs(c))
		return libc.pthread_cond_wait(c, m);
	return wait_ours(c, m, NO_LIMIT, "pthread_cond_wait", __builtin_return_address(0));
}

static clockid_t clock_of(const pthread_cond_t *c)
{
	return attributes_of(c) & COND_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

static int wait_until_time(pthread_cond_t *c, pthread_mutex_t *m, struct app_time limit, const char *why,
			   const void *caller)
{
	return app_time_is_valid(limit) ? wait_ours(c, m, limit, why, caller) : EINVAL;
}

/* pthread_cond_timedwait(3).  Parks: until signalled, or the condition's own clock reaches `abs`. */
EXPORT int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *abs)
{
	if (is_libcs(c))
		return libc.pthread_cond_timedwait(c, m, abs);
	return wait_until_time(c, m, (struct app_time){ clock_of(c), abs }, "pthread_cond_timedwait",
			       __builtin_return_address(0));
}

/* pthread_cond_clockwait(3).  The same on the given clock; EINVAL if it is neither of the two. */
EXPORT int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
				  const struct timespec *abs)
{
	if (is_libcs(c))
		return libc.pthread_cond_clockwait(c, m, clock, abs);
	if (!clock_is_known(clock))
		return EINVAL;
	return wait_until_time(c, m, (struct app_time){ clock, abs }, "pthread_cond_clockwait",
			       __builtin_return_address(0));
}

/* Wakes up to n of ours; how many. */
static int wake_ours(const void *c, int n)
{
	int saved = errno, woken = waitq_has_waiters(c) ? waitq_wake(c, n) : 0;

	errno = saved;
	return woken;
}

static inline int wake(const void *c, int n)
{
	return locks_are_ours() ? wake_ours(c, n) : 0;
}

/* pthread_cond_signal(3).  Parks: never.
 * Differs: one shared between processes wakes a waiter here and another elsewhere. */
EXPORT int pthread_cond_signal(pthread_cond_t *c)
{
	int err;

	if (locks_are_ours() && UNLIKELY(attributes_of(c) & COND_SHARED)) {
		err = libc.pthread_cond_signal(c); /* first: who is woken may destroy it */
		wake(c, 1);
		return err;
	}
	return wake(c, 1) > 0 ? 0 : libc.pthread_cond_signal(c);
}

/* pthread_cond_broadcast(3).  Parks: never. */
EXPORT int pthread_cond_broadcast(pthread_cond_t *c)
{
	int err = libc.pthread_cond_broadcast(c);

	wake(c, INT_MAX);
	return err;
}

/* pthread_cond_destroy(3).  Parks: never: waiters of ours that a broadcast has woken touch it no more, so
 * there is nobody to wait for, unless a thread is just leaving libc's own wait. */
EXPORT int pthread_cond_destroy(pthread_cond_t *c)
{
	return libc.pthread_cond_destroy(c);
}

/* glibc's cnd_t is a pthread_cond_t under another name, and mtx_t a pthread_mutex_t. */
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "cnd_t is not a pthread_cond_t");

static int thrd_result(int err)
{
	if (err == 0)
		return thrd_success;
	return err == ETIMEDOUT ? thrd_timedout : thrd_error;
}

/* cnd_wait(3).  As pthread_cond_wait(). */
EXPORT int cnd_wait(cnd_t *c, mtx_t *m)
{
	return thrd_result(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

/* cnd_timedwait(3).  As pthread_cond_timedwait(). */
EXPORT int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *abs)
{
	return thrd_result(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, abs));
}

/* cnd_signal(3). */
EXPORT int cnd_signal(cnd_t *c)
{
	return thrd_result(pthread_cond_signal((pthread_cond_t *)c));
}

/* cnd_broadcast(3). */
EXPORT int cnd_broadcast(cnd_t *c)
{
	return thrd_result(pthread_cond_broadcast((pthread_cond_t *)c));
}
