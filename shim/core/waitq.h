/* SPDX-License-Identifier: Apache-2.0
 *
 * Wait queues by address: what a futex is to threads, for coroutines and native threads alike.
 *
 * One FIFO per address holds both kinds, so neither is preferred (else native threads starve for the
 * GIL).  A lock built on it does: waitq_add(), try once more, waitq_wait(); its unlock does: the real
 * unlock, then waitq_wake() if waitq_has_waiters().  The second try and the full fence before the
 * look are what makes a lost wake impossible; no wait ever polls.
 *
 * A wake says "look again", no more: wakes asked for by a signal handler reach every waiter of a bucket.
 * Whoever cannot look again (barriers, where the wake is the news) says so with `exact`.
 *
 * Memory: a waiter is the coroutine record's own, or lies on a native thread's stack (which nobody
 * moves).  It may be reused as soon as waitq_wait() or waitq_remove() has returned.
 */
#ifndef SYNCLESS_WAITQ_H
#define SYNCLESS_WAITQ_H

#include <stdatomic.h>
#include "base.h"

struct coro;

struct waiter {
	struct waiter *next, *prev; /* bucket FIFO; under the bucket's lock */
	const void *addr;	  /* what it waits on; changed by waitq_requeue(), under both buckets' locks */
	bool queued;		  /* under the bucket's lock */
	bool exact;		  /* only a wake of its own address counts */
	unsigned char turns_lost; /* how often it was woken and found the lock taken by another */
	struct coro *co;	  /* NULL: a native thread, asleep on `word` */
	uint32_t bits;		  /* FUTEX_*_BITSET; all ones elsewhere */
	_Atomic int word;	  /* 0 waits, 1 woken */
};

#define WAITQ_BUCKETS 256

extern _Atomic int waitq_counts[WAITQ_BUCKETS];

static inline unsigned waitq_hash(const void *addr)
{
	uintptr_t p = (uintptr_t)addr;

	return (unsigned)((p >> 3) ^ (p >> 11) ^ (p >> 19)) % WAITQ_BUCKETS;
}

/* After a real unlock.  On x86-64 every unlock of glibc ends in a locked instruction, which is a full
 * fence; elsewhere the fence must be said. */
static inline bool waitq_has_waiters(const void *addr)
{
#if defined(__x86_64__)
	__asm__ volatile("" ::: "memory");
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
	return atomic_load_explicit(&waitq_counts[waitq_hash(addr)], memory_order_relaxed) != 0;
}

enum waitq_flags {
	WAITQ_INTR = 1,	   /* a signal handler ends the wait (sem_wait; not mutexes, not conditions) */
	WAITQ_RESTART = 2, /* … unless it was installed with SA_RESTART */
	WAITQ_CANCEL = 4,  /* a cancellation point: -ECANCELED, the caller then acts on it */
	WAITQ_NUDGE = 16,  /* so does somebody's own switch to a greenlet that waits: -ETIMEDOUT, as if its time were up */
	WAITQ_KEEP = 8,	   /* signals since the caller cleared `interrupted` itself end it as well (masked.h) */
};

/* The caller's waiter: the coroutine's own or `native` (uninitialised room on the caller's stack). */
struct waiter *waitq_mine(struct waiter *native);
/* The same, but one that is alone (handoff.h) does not come back yet: it must, by coro_host(), before it waits. */
struct waiter *waitq_mine_unless_alone(struct waiter *native);
/* The caller waits as a native thread, whatever it is. */
struct waiter *waitq_native(struct waiter *native);

void waitq_add(struct waiter *w, const void *addr);
/* The same for one that was woken and came too late: to the head, its turn is not over. */
void waitq_add_again(struct waiter *w, const void *addr, uint32_t bits);
/* True: it was still queued.  False: somebody has woken it, a wake was consumed. */
bool waitq_remove(struct waiter *w);
/* Leaves the queue; a wake that has come meanwhile goes to the next one. */
void waitq_leave(struct waiter *w);
/* 0 woken, -ETIMEDOUT, -EINTR, -ECANCELED.  In each case the waiter is off the queue. */
int waitq_wait(struct waiter *w, deadline_t until, int flags, const char *why);

/* The deadline of a coroutine's wait has come: it leaves the queue now, not when it next runs.  A wake that comes
 * in between goes to one that still waits.  (Twenty threads that compute queue for the GIL with a timeout of
 * 5 ms each, and all of them would keep their places before a native thread.)  Host only. */
void waitq_time_is_up(struct waiter *w);

/* Wakes up to n waiters of addr in order; returns how many.  From any thread and from signal handlers. */
int waitq_wake(const void *addr, int n);
int waitq_wake_bits(const void *addr, int n, uint32_t bits);
/* The same.  *owed: a woken one that others have taken the lock from before, which the caller should let run; NULL: none;
 * OWED_NATIVE: it is a native thread. */
int waitq_wake_owed(const void *addr, int n, uint32_t bits, struct coro **owed);
#define OWED_NATIVE ((struct coro *)1)
/* … and does: only a coroutine that has the scheduler can; NULL: nobody. */
void waitq_give_way(struct coro *owed, const void *addr);
/* After an unlock of addr, where the object may be gone already: wakes the next one.  If others have taken the lock
 * from that one before, a coroutine lets it run, or it could starve for ever.  Keeps errno. */
void waitq_wake_next(const void *addr);
/* Wakes nwake waiters of `from` and makes nmove others wait on `to`.  How many in all; -EAGAIN, and nothing
 * done, when `expected` is given and *from differs. */
int waitq_requeue(const uint32_t *from, const uint32_t *to, int nwake, int nmove, const uint32_t *expected);
/* Does any waiter of addr have one of these bits? */
bool waitq_has_bits(const void *addr, uint32_t bits);

/* For compound operations (barriers, futex compare): the bucket's lock around add or a look. */
void waitq_lock(const void *addr);
void waitq_unlock(const void *addr);
void waitq_add_locked(struct waiter *w, const void *addr, uint32_t bits);
/* How many wait there now. */
int waitq_length_locked(const void *addr);
int waitq_wake_locked(const void *addr, int n, uint32_t bits);

/* Wakes asked for by signal handlers on the host; called by the loop. */
void waitq_drain_deferred(void);

void waitq_before_fork(void);
void waitq_after_fork_parent(void);
void waitq_after_fork_child(void);

#endif
