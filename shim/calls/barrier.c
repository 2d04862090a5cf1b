/* SPDX-License-Identifier: Apache-2.0
 *
 * Barriers.  Ours has no state but the queue itself: whoever finds count - 1 waiters there is the last,
 * wakes them all and is the serial thread; the others are told by their wake alone (waiter.exact) and touch
 * the barrier no more, so destroying it is safe at once.  libc's object stays as its init left it, and
 * gives the count.
 *
 * libc's own wait, done by an offload worker in a coroutine's place, serves the barriers that others use at
 * the same time: those shared between processes, and those in which threads already waited when the first green
 * thread was made.
 */
#include <limits.h>
#include <stdlib.h>
#include "libc.h"
#include "lock.h"
#include "offload.h"

/* glibc's struct pthread_barrier, since 2.22. */
struct barrier_layout {
	unsigned in, current_round, count;
	int shared;
};

static bool is_libcs(const pthread_barrier_t *b)
{
	const struct barrier_layout *l = (const struct barrier_layout *)b;

	return l->shared || __atomic_load_n(&l->in, __ATOMIC_RELAXED) !=
				    __atomic_load_n(&l->current_round, __ATOMIC_RELAXED);
}

struct proxy {
	struct offload_job job;
	pthread_barrier_t *b;
	int result;
};

static void proxy_run(struct offload_job *job)
{
	struct proxy *p = CONTAINER_OF(job, struct proxy, job);

	p->result = libc.pthread_barrier_wait(p->b);
}

static int wait_in_libc(pthread_barrier_t *b)
{
	struct coro *me = coro_may_park();
	struct proxy *p = me ? calloc(1, sizeof(*p)) : NULL;
	int r = -EAGAIN, result = 0;

	if (p) {
		p->job.run = proxy_run;
		p->b = b;
		r = offload_run(me, &p->job, OFFLOAD_LONG, NEVER, 0, "pthread_barrier_wait");
		result = p->result;
		free(p);
	}
	coro_leave(0);
	return r == 0 ? result : libc.pthread_barrier_wait(b); /* a native thread, or no worker to be had */
}

static int wait_here(pthread_barrier_t *b)
{
	struct waiter native, *w = waitq_mine(&native);
	unsigned count = ((const struct barrier_layout *)b)->count;

	waitq_lock(b);
	if ((unsigned)waitq_length_locked(b) + 1 >= count) {
		waitq_wake_locked(b, INT_MAX, ~0u);
		waitq_unlock(b);
		return coro_leave(PTHREAD_BARRIER_SERIAL_THREAD);
	}
	w->exact = true;
	waitq_add_locked(w, b, ~0u);
	waitq_unlock(b);
	waitq_wait(w, NEVER, 0, "pthread_barrier_wait");
	return coro_leave(0);
}

/* pthread_barrier_init(3).  Parks: never. */
EXPORT int pthread_barrier_init(pthread_barrier_t *b, const pthread_barrierattr_t *attr, unsigned count)
{
	return libc.pthread_barrier_init(b, attr, count);
}

/* pthread_barrier_destroy(3).  Parks: never: who was woken by us does not come back to it. */
EXPORT int pthread_barrier_destroy(pthread_barrier_t *b)
{
	return libc.pthread_barrier_destroy(b);
}

/* pthread_barrier_wait(3).  Parks: until the last has come; no signal and no cancellation ends it.
 * Passes through: no green thread exists yet; a native thread and a barrier that libc has waiters of. */
EXPORT int pthread_barrier_wait(pthread_barrier_t *b)
{
	int saved = errno, result;

	if (!locks_are_ours())
		return libc.pthread_barrier_wait(b);
	result = is_libcs(b) ? wait_in_libc(b) : wait_here(b);
	errno = saved;
	return result;
}
