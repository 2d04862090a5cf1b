/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for the end of a thread, green or native, from either kind.
 *
 * A coroutine that joins a native thread cannot sleep on glibc's word; a worker joins in its place.
 */
#include <string.h>
#include "libc.h"
#include "offload.h"
#include "rawlock.h"
#include "thread.h"

/* A join in our place.  Left early, it must not take the thread from a later joiner, so the worker only waits
 * for the kernel to clear the tid and the join itself is the caller's. */
struct await_native {
	struct offload_job job;
	int *tid_word;
	int tid;
};

static void await_native_run(struct offload_job *job)
{
	struct await_native *a = CONTAINER_OF(job, struct await_native, job);
	int tid;

	while ((tid = __atomic_load_n(a->tid_word, __ATOMIC_ACQUIRE)) > 0 && tid == a->tid)
		raw4(SYS_futex, a->tid_word, FUTEX_WAIT, tid, 0);
}

static void await_native_abandoned(struct offload_job *job)
{
	free(CONTAINER_OF(job, struct await_native, job));
}

static int join_native(struct coro *me, pthread_t t, void **result, deadline_t until)
{
	struct await_native *a;
	int err, r;

	while ((err = libc.pthread_tryjoin_np(t, result)) == EBUSY) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return ENOMEM;
		a->job.run = await_native_run;
		a->job.abandoned = await_native_abandoned;
		a->tid_word = thread_tid_word(t);
		a->tid = __atomic_load_n(a->tid_word, __ATOMIC_ACQUIRE);
		r = offload_run(me, &a->job, OFFLOAD_LONG, until, WAITQ_CANCEL, "pthread_join");
		if (r == 0 || r == -EAGAIN)
			free(a);
		if (r == -ECANCELED)
			r = coro_ended_early(me);
		if (r == -EAGAIN) /* no worker to be had */
			return -1;
		if (r < 0)
			return -r;
	}
	return err;
}

/* An error number, or -1: libc shall do it. */
static int join_until(pthread_t t, void **result, deadline_t until)
{
	struct coro *target = coro_of(t), *me = target ? coro_host() : coro_enter();
	int err = -1;

	if (target)
		err = green_join(target, result, until);
	else if (me && thread_tid_word(t))
		err = join_native(me, t, result, until);
	return coro_leave(err);
}

/* pthread_join(3).  Parks: until the thread has ended.  Passes through: a native thread joins a native one.
 * errno: error numbers; EDEADLK for itself and for a thread that joins the caller, EINVAL for a detached one or a
 * second joiner. */
EXPORT int pthread_join(pthread_t t, void **result)
{
	int err;

	if (!atomic_load_explicit(&green_exist, memory_order_relaxed))
		return libc.pthread_join(t, result);
	err = join_until(t, result, NEVER);
	return err < 0 ? libc.pthread_join(t, result) : err;
}

/* pthread_tryjoin_np(3).  Parks: never. */
EXPORT int pthread_tryjoin_np(pthread_t t, void **result)
{
	struct coro *target = coro_of(t);

	if (LIKELY(!target))
		return libc.pthread_tryjoin_np(t, result);
	coro_host();
	return coro_leave(green_tryjoin(target, result));
}

static bool is_bad_time(const struct timespec *ts)
{
	return ts && (ts->tv_nsec < 0 || ts->tv_nsec >= NS_PER_S);
}

static int join_timed(pthread_t t, void **result, clockid_t clock, const struct timespec *abs)
{
	if (!atomic_load_explicit(&green_exist, memory_order_relaxed))
		return -1;
	if (is_bad_time(abs) || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
		return EINVAL;
	return join_until(t, result, abs ? deadline_at(clock, abs) : NEVER);
}

/* pthread_timedjoin_np(3).  Parks: as pthread_join, until CLOCK_REALTIME reaches abs at the latest. */
EXPORT int pthread_timedjoin_np(pthread_t t, void **result, const struct timespec *abs)
{
	int err = join_timed(t, result, CLOCK_REALTIME, abs);

	return err < 0 ? libc.pthread_timedjoin_np(t, result, abs) : err;
}

/* pthread_clockjoin_np(3).  The same on either clock. */
EXPORT int pthread_clockjoin_np(pthread_t t, void **result, clockid_t clock, const struct timespec *abs)
{
	int err = join_timed(t, result, clock, abs);

	return err < 0 ? libc.pthread_clockjoin_np(t, result, clock, abs) : err;
}

/* pthread_detach(3).  Parks: never. */
EXPORT int pthread_detach(pthread_t t)
{
	struct coro *target = coro_of(t);

	return target ? green_detach(target) : libc.pthread_detach(t);
}

static int thrd_error_of(int err)
{
	return err == 0 ? thrd_success : thrd_error;
}

/* thrd_join(3).  As pthread_join(). */
EXPORT int thrd_join(thrd_t t, int *result)
{
	void *value;
	int err = pthread_join(t, &value);

	if (err == 0 && result)
		*result = (int)(intptr_t)value;
	return thrd_error_of(err);
}

/* thrd_detach(3). */
EXPORT int thrd_detach(thrd_t t)
{
	return thrd_error_of(pthread_detach(t));
}
