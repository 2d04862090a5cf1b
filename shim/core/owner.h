/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks that know their owner, where several flows live on one thread.
 *
 * libc takes the tid in the thread's record for the owner, so native coroutines and the flow of their host
 * would be one to it.  A tid on loan in the record is no way out: other kernel threads signal by it.  What libc
 * has written into the lock is put right instead: a guest's lock bears a number of the guest's own, which
 * nobody's record has, so libc refuses everybody else, and its true owner is recognised here.  For the moment
 * of the unlock the thread's tid is put back.  No table is needed, nothing to forget when a lock is destroyed,
 * and the thread's own flow, green threads and native ones stay with libc.
 *
 * That goes for mutexes and read-write locks of one process; the others are in hostlock.h, by the same numbers.
 * Host only.  Nothing here parks.
 */
#ifndef SYNCLESS_OWNER_H
#define SYNCLESS_OWNER_H

#include <pthread.h>
#include "greenlet.h"

/* The caller's record if it is a flow on somebody else's thread-local storage, else NULL.  Greenlets are not
 * asked for. */
static inline struct coro *owner_guest(void)
{
	struct coro *me = coro_self;

	return UNLIKELY(me && me->is_guest) ? me : NULL;
}

/* What locks know this one by: unique, and not given out again soon. */
int owner_number(struct coro *co);

/* The caller, if it is a guest and m one whose owner libc checks.  A greenlet counts, too: only its thread's
 * main one is known to libc. */
static inline struct coro *owner_apart(const pthread_mutex_t *m)
{
	struct coro *me;

	int kind = __atomic_load_n(&m->__data.__kind, __ATOMIC_RELAXED) & 3;

	if (kind != PTHREAD_MUTEX_RECURSIVE && kind != PTHREAD_MUTEX_ERRORCHECK)
		return NULL;
	me = coro_flow(coro_self);
	return UNLIKELY(me && me->is_guest) ? me : NULL;
}

/* As the pthread calls, for such a mutex. */
int owner_trylock(struct coro *guest, pthread_mutex_t *m);
int owner_unlock(struct coro *guest, pthread_mutex_t *m);
bool owner_holds(const struct coro *guest, const pthread_mutex_t *m);

/* The writers of a read-write lock.  The second one comes before libc's unlock. */
int owner_trywrlock(struct coro *guest, pthread_rwlock_t *rw);
void owner_before_rwunlock(struct coro *guest, pthread_rwlock_t *rw);
bool owner_writes(const struct coro *guest, const pthread_rwlock_t *rw);

#endif
