/* SPDX-License-Identifier: Apache-2.0
 *
 * syncless.h: coroutines and their values.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "handoff.h"
#include "routine.h"
#include "syncless.h"
#include "thread.h"
#include "wait.h"

static struct routine *routine_of(syncless_co *co)
{
	return (struct routine *)co;
}

static struct routine *self(void)
{
	struct coro *me = coro_self;

	return me && me->is_routine ? CONTAINER_OF(me, struct routine, co) : NULL;
}

EXPORT syncless_co *syncless_spawn(void *(*start)(void *), void *arg, size_t stack_size)
{
	return (syncless_co *)routine_spawn(start, arg, stack_size);
}

EXPORT int syncless_join(syncless_co *co, void **result)
{
	return (int)coro_leave(routine_join(routine_of(co), result));
}

EXPORT int syncless_detach(syncless_co *co)
{
	return routine_detach(routine_of(co));
}

EXPORT syncless_co *syncless_self(void)
{
	return (syncless_co *)self();
}

EXPORT void syncless_yield(void)
{
	struct coro *me = coro_self;

	/* Nothing takes the scheduler from one of these, so there is nothing to begin and to end. */
	if (LIKELY(me && me->is_routine && coro_can_park(me))) {
		sched_yield_now(me);
	} else if ((me = coro_may_park()) != NULL) {
		sched_yield_now(me);
		coro_leave(0);
	}
}

EXPORT int syncless_sleep(int64_t ns)
{
	struct coro *me = coro_enter();
	struct timespec ts = ns_timespec(ns < 0 ? 0 : ns);
	int r;

	if (!me)
		return nanosleep(&ts, NULL);
	r = wait_until(me, deadline_in(ns < 0 ? 0 : ns), WAIT_INTR_ALWAYS, "syncless_sleep");
	return (int)coro_leave(r < 0 && r != -ETIMEDOUT ? fail(-r) : 0);
}

EXPORT void syncless_cancel(syncless_co *co)
{
	routine_cancel(routine_of(co));
}

EXPORT int64_t syncless_deadline(int64_t ns)
{
	struct routine *me = self();
	int64_t left;

	if (!me)
		return -1;
	left = me->co.has_limit ? me->co.limit - now_ns() : -1;
	if (me->co.has_limit && left < 0)
		left = 0;
	me->co.limit = deadline_in(ns);
	me->co.has_limit = ns >= 0;
	return left;
}

/* --- Values.  A key is a pthread key as well, for those that are no coroutines of ours. */

static struct {
	pthread_key_t thread_key;
	void (*destroy)(void *);
} keys[ROUTINE_KEYS];
static _Atomic unsigned nkeys;
static pthread_mutex_t keys_lock = PTHREAD_MUTEX_INITIALIZER;

EXPORT int syncless_key_create(unsigned *key, void (*destroy)(void *))
{
	unsigned n;
	int err = EAGAIN;

	pthread_mutex_lock(&keys_lock);
	n = nkeys;
	if (n < ROUTINE_KEYS && (err = pthread_key_create(&keys[n].thread_key, destroy)) == 0) {
		keys[n].destroy = destroy;
		*key = n;
		nkeys = n + 1;
	}
	pthread_mutex_unlock(&keys_lock);
	return err;
}

EXPORT void *syncless_get(unsigned key)
{
	struct routine *me = self();

	if (me)
		return me->values ? me->values[key] : NULL;
	return pthread_getspecific(keys[key].thread_key);
}

/* In the coroutine that ends.  Destructors may set values again; like libc, four rounds are made. */
static void destroy_values(struct routine *me)
{
	bool again = true;

	for (int round = 0; again && round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
		again = false;
		for (unsigned i = 0; i < nkeys; i++) {
			void *value = me->values[i];

			me->values[i] = NULL;
			if (value && keys[i].destroy) {
				keys[i].destroy(value);
				again = true;
			}
		}
	}
	free(me->values);
	me->values = NULL;
}

EXPORT int syncless_set(unsigned key, void *value)
{
	struct routine *me = self();

	if (!me)
		return pthread_setspecific(keys[key].thread_key, value);
	if (!me->values && !value)
		return 0;
	if (!me->values)
		me->values = calloc(ROUTINE_KEYS, sizeof(*me->values));
	if (!me->values)
		return ENOMEM;
	me->destroy_values = destroy_values;
	me->values[key] = value;
	return 0;
}

EXPORT int syncless_get_stats(struct syncless_stats *stats)
{
	size_t size = stats->size;
	struct syncless_stats all = {
		.size = size,
		.switches = atomic_load_explicit(&sched.switches, memory_order_relaxed),
		.green_threads = atomic_load(&green_alive),
		.coroutines = atomic_load(&routines_alive),
		.handoffs = atomic_load(&handoff_counts.handoffs),
	};

	/* The struct grows at its end; a caller may know less of it. */
	if (size != sizeof(all) && size != offsetof(struct syncless_stats, handoffs))
		return EINVAL;
	memcpy(stats, &all, size);
	return 0;
}
