/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks that the kernel or another process knows the owner of: mutexes with priority inheritance or
 * protection, robust ones, and all that are shared between processes.
 *
 * A green thread's tid means nothing outside: the kernel would look for its owner in vain, and two
 * processes give out the same ones.  So these are locked and unlocked as if by the host's own flow,
 * under its FS base, where libc finds a tid and a robust list that the kernel knows.  Which coroutine it was is
 * kept here, else each one would pass for the owner of what any other holds.
 *
 * Host only.  Nothing here parks.
 */
#ifndef SYNCLESS_HOSTLOCK_H
#define SYNCLESS_HOSTLOCK_H

#include <pthread.h>
#include "coro.h"

/* Bits of pthread_mutex_t.__data.__kind, part of the ABI since static initialisers spell them out. */
enum {
	MUTEX_TYPE_MASK = 3, /* PTHREAD_MUTEX_NORMAL … PTHREAD_MUTEX_ADAPTIVE_NP */
	MUTEX_ROBUST = 16,
	MUTEX_INHERITS = 32,
	MUTEX_PROTECTS = 64,
	MUTEX_SHARED = 128,
};

static inline int mutex_kind(const pthread_mutex_t *m)
{
	return __atomic_load_n(&m->__data.__kind, __ATOMIC_RELAXED);
}

static inline bool hostlock_is_needed(const pthread_mutex_t *m)
{
	return UNLIKELY(mutex_kind(m) & (MUTEX_ROBUST | MUTEX_INHERITS | MUTEX_PROTECTS | MUTEX_SHARED));
}

/* As the pthread calls; EBUSY where another coroutine is the owner; ENOMEM. */
int hostlock_trylock(struct coro *me, pthread_mutex_t *m);
int hostlock_unlock(struct coro *me, pthread_mutex_t *m);
int hostlock_consistent(struct coro *me, pthread_mutex_t *m);
void hostlock_destroyed(pthread_mutex_t *m);

enum holder { HELD_BY_ME, HELD_BY_COROUTINE, HELD_ELSEWHERE };
/* Who holds m, as far as this process can tell; HELD_ELSEWHERE also if nobody does. */
enum holder hostlock_holder(struct coro *me, const pthread_mutex_t *m);

/* Read-write locks shared between processes: libc keeps the writer's tid. */
int hostlock_tryrdlock(struct coro *me, pthread_rwlock_t *rw);
int hostlock_trywrlock(struct coro *me, pthread_rwlock_t *rw);
int hostlock_rwunlock(struct coro *me, pthread_rwlock_t *rw);

/* So many are held; a kernel thread must stay the host meanwhile. */
int hostlock_count(void);

/* A thread or native coroutine is ending: what the kernel does to the robust mutexes of a dying thread. */
void hostlock_owner_ends(struct coro *me);

#endif
