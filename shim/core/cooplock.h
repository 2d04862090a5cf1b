/* SPDX-License-Identifier: Apache-2.0
 *
 * A recursive lock that parks, put around calls which hold a lock of libc while they run foreign code:
 * dlopen (constructors), dlclose, fork (handlers), exit (handlers).  The second taker parks here, not on
 * libc's own futex, where it would stop the whole host.  Native threads take it too, else one of them could
 * hold libc's lock while a coroutine runs into it.
 */
#ifndef SYNCLESS_COOPLOCK_H
#define SYNCLESS_COOPLOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include "base.h"

struct cooplock {
	_Atomic pthread_t owner; /* 0: free; pthread_self() tells green threads apart too */
	struct coro *guest;	 /* which flow on that thread; NULL: its own */
	int depth;		 /* the owner's */
};

void cooplock_take(struct cooplock *l, const char *why);
void cooplock_drop(struct cooplock *l);
bool cooplock_is_mine(const struct cooplock *l);
/* Before the caller forks. */
void cooplock_before_fork(void);
/* In a forked child, where the holder may not exist: free unless it is the caller's. */
FORKED void cooplock_after_fork(struct cooplock *l);

#endif
