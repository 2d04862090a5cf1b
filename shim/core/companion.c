/* SPDX-License-Identifier: Apache-2.0
 *
 * See companion.h.
 */
#include "companion.h"
#include "libc.h"
#include "native.h"
#include "thread.h"

static void join_last(struct companion *c)
{
	if (c->to_join)
		libc.pthread_join(c->thread, NULL);
	c->to_join = false;
}

void companion_start(struct companion *c)
{
	if (atomic_load(&c->state) != COMPANION_NONE)
		return;
	rawlock_take(&c->lock);
	if (atomic_load(&c->state) == COMPANION_NONE) {
		join_last(c);
		atomic_store(&c->state, COMPANION_RESTS);
		c->to_join = native_start(&c->thread, c->stack_size, c->main, NULL) == 0;
		if (!c->to_join)
			atomic_store(&c->state, COMPANION_NONE);
	}
	rawlock_drop(&c->lock);
}

bool companion_rest(struct companion *c, int64_t ns)
{
	deadline_t until = deadline_in(ns);

	while (futex_wait(&c->state, COMPANION_RESTS, &until) != -ETIMEDOUT)
		if (atomic_load(&c->state) != COMPANION_RESTS)
			return false;
	return true;
}

bool companion_begin_work(struct companion *c)
{
	int rests = COMPANION_RESTS;

	return atomic_compare_exchange_strong(&c->state, &rests, COMPANION_WORKS);
}

void companion_end_work(struct companion *c)
{
	atomic_store(&c->state, COMPANION_RESTS);
}

bool companion_may_end(struct companion *c, bool is_needed(void), int *times)
{
	bool end;

	if (is_needed()) {
		*times = 0;
		return false;
	}
	/* Whoever holds the lock may be about to join us. */
	if (++*times < 2 || !rawlock_try(&c->lock))
		return false;
	if (atomic_load(&c->state) == COMPANION_RESTS)
		atomic_store(&c->state, COMPANION_NONE);
	/* Looked at again after the store: a starter that still saw us alive has made the need known before. */
	end = atomic_load(&c->state) != COMPANION_NONE || !is_needed();
	if (!end)
		atomic_store(&c->state, COMPANION_RESTS);
	rawlock_drop(&c->lock);
	return end;
}

void companion_nap(struct companion *c, void announce(void))
{
	int rests = COMPANION_RESTS;

	if (!atomic_compare_exchange_strong(&c->state, &rests, COMPANION_NAPS))
		return;
	announce();
	while (atomic_load(&c->state) == COMPANION_NAPS)
		futex_wait(&c->state, COMPANION_NAPS, NULL);
}

void companion_wake(struct companion *c)
{
	int naps = COMPANION_NAPS;

	if (atomic_compare_exchange_strong(&c->state, &naps, COMPANION_RESTS))
		futex_wake(&c->state, 1);
}

void companion_before_fork(struct companion *c)
{
	int rests = COMPANION_RESTS, naps = COMPANION_NAPS;

	if (!c->to_join || atomic_load(&green_alive) > 0)
		return;
	rawlock_take(&c->lock);
	if (atomic_compare_exchange_strong(&c->state, &rests, COMPANION_STOPS) ||
	    atomic_compare_exchange_strong(&c->state, &naps, COMPANION_STOPS))
		futex_wake(&c->state, 1);
	if (atomic_load(&c->state) != COMPANION_WORKS) {
		join_last(c);
		atomic_store(&c->state, COMPANION_NONE);
	}
	rawlock_drop(&c->lock);
}

void companion_after_fork_child(struct companion *c)
{
	c->lock = (struct rawlock){ 0 };
	atomic_store(&c->state, COMPANION_NONE);
	c->to_join = false;
}
