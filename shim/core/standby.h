/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for a lock without wanting it.
 *
 * The watchdog asks for the GIL so that a computing thread gives it up to the others, not to have it.  In the
 * queue of the GIL's condition it would be served in turn, often just when another thread had become ready to
 * take it, and the computing one would have the GIL again at once.  So its wait stands beside the queue: no
 * signal is spent on it.  It ends at its deadline, upon which the interpreter asks the holder to let go, and when
 * the host has nobody left to run: then nobody else will take the GIL, and who let go waits for that.
 */
#ifndef SYNCLESS_STANDBY_H
#define SYNCLESS_STANDBY_H

#include <pthread.h>
#include <stdatomic.h>
#include "base.h"

extern _Atomic pthread_t standby_thread; /* 0: none */
extern _Atomic int standby_word;	 /* 1: it sleeps */

/* Must a wait of that thread stand beside the queue?  Not while the host is idle already: then it is served as any other. */
bool standby_applies(void);

static inline bool standby_is_me(void)
{
	return UNLIKELY(atomic_load_explicit(&standby_thread, memory_order_relaxed) == pthread_self());
}

/* 0: the host is idle; -ETIMEDOUT. */
int standby_wait(deadline_t until);

/* The host is about to sleep in the loop, and sched.idle says so. */
void standby_wake(void);

static inline void standby_host_is_idle(void)
{
	if (UNLIKELY(atomic_load(&standby_word)))
		standby_wake();
}

#endif
