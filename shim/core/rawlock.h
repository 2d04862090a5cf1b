/* SPDX-License-Identifier: Apache-2.0
 *
 * The lock of our own structures that native threads share with the host: bucket lists, the thread
 * table, the offload queue.  Three states of a futex word (0 free, 1 held, 2 held with sleepers).
 * Rules: held for a handful of instructions, never across a park, never in a signal handler.
 */
#ifndef SYNCLESS_RAWLOCK_H
#define SYNCLESS_RAWLOCK_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "raw.h"

struct rawlock {
	_Atomic int word;
};

static inline long futex_wait(_Atomic int *word, int val, int64_t *abs_ns_or_null)
{
	struct {
		long sec, nsec;
	} ts, *tsp = NULL;

	if (abs_ns_or_null) {
		ts.sec = *abs_ns_or_null / 1000000000;
		ts.nsec = *abs_ns_or_null % 1000000000;
		tsp = &ts;
	}
	/* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time; FUTEX_WAIT a relative one. */
	return raw6(SYS_futex, (long)word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, (long)tsp, 0,
		    FUTEX_BITSET_MATCH_ANY);
}

static inline void futex_wake(_Atomic int *word, int n)
{
	raw3(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
}

static inline bool rawlock_try(struct rawlock *l)
{
	int free_word = 0;

	return atomic_compare_exchange_strong_explicit(&l->word, &free_word, 1, memory_order_acquire,
						       memory_order_relaxed);
}

static inline void rawlock_take(struct rawlock *l)
{
	if (rawlock_try(l))
		return;
	while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0)
		futex_wait(&l->word, 2, NULL);
}

static inline void rawlock_drop(struct rawlock *l)
{
	if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
		futex_wake(&l->word, 1);
}

#endif
