/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of owners is a plain array: at any time few such locks are held.  An entry whose lock no longer
 * bears the host's tid is stale (unlocked by a native thread or another process, destroyed) and is dropped
 * by whoever meets it.  A lock that bears the host's tid and has no entry was taken by main before there was a
 * host.
 */
#include "hostlock.h"
#include "handoff.h"
#include <linux/futex.h>
#include <stdlib.h>
#include "libc.h"
#include "owner.h"
#include "raw.h"
#include "switch.h"

struct held {
	const void *lock;
	int owner; /* the coroutine's number (owner.h); records are reused, these are not */
	int depth;
	bool robust; /* a mutex whose death as a locked one matters */
};

static struct held *held;
static int held_count, held_room;
static unsigned held_generation;

/* Between these two: no TLS, no errno, no park. */
static void borrow_host(const struct coro *me)
{
	if (me->fs_base != sched.seat->fs)
		switch_set_fs(sched.seat->fs);
}

static void give_host_back(const struct coro *me)
{
	if (me->fs_base != sched.seat->fs)
		switch_set_fs(me->fs_base);
}

static __attribute__((noinline)) int as_host(struct coro *me, int (*call)(pthread_mutex_t *),
					     pthread_mutex_t *m)
{
	int r;

	borrow_host(me);
	r = call(m);
	give_host_back(me);
	return r;
}

static __attribute__((noinline)) int as_host_rw(struct coro *me, int (*call)(pthread_rwlock_t *),
						pthread_rwlock_t *rw)
{
	int r;

	borrow_host(me);
	r = call(rw);
	give_host_back(me);
	return r;
}

static bool mutex_is_hosts(const pthread_mutex_t *m)
{
	int word = __atomic_load_n(&m->__data.__lock, __ATOMIC_RELAXED);

	/* An inconsistent robust mutex has no owner but in its word. */
	if (mutex_kind(m) & (MUTEX_ROBUST | MUTEX_INHERITS))
		return (word & FUTEX_TID_MASK) == sched.host_tid;
	return __atomic_load_n(&m->__data.__owner, __ATOMIC_RELAXED) == sched.host_tid;
}

static bool rwlock_is_hosts(const pthread_rwlock_t *rw)
{
	return __atomic_load_n(&rw->__data.__cur_writer, __ATOMIC_RELAXED) == sched.host_tid;
}

static void drop(struct held *h)
{
	*h = held[--held_count];
}

static struct held *find(const void *lock, bool is_hosts)
{
	if (held_generation != sched.generation) { /* a forked child: the parent's threads are not here */
		held_generation = sched.generation;
		held_count = 0;
	}
	for (struct held *h = held; h < held + held_count; h++) {
		if (h->lock != lock)
			continue;
		if (is_hosts)
			return h;
		drop(h);
		break;
	}
	return NULL;
}

static int make_room(void)
{
	int room = held_room ? held_room * 2 : 16;
	struct held *bigger;

	if (held_count < held_room)
		return 0;
	bigger = realloc(held, (size_t)room * sizeof(*held));
	if (!bigger)
		return ENOMEM;
	held = bigger;
	held_room = room;
	return 0;
}

/* The number of the coroutine that holds it; 0: none does. */
static int owner_of(const struct held *h, bool is_hosts)
{
	if (h)
		return h->owner;
	return is_hosts ? sched.main->tid : 0;
}

int hostlock_count(void)
{
	return held_generation == sched.generation ? held_count : 0;
}

enum holder hostlock_holder(struct coro *me, const pthread_mutex_t *m)
{
	bool is_hosts = mutex_is_hosts(m);
	int owner = owner_of(find(m, is_hosts), is_hosts);

	if (!owner)
		return HELD_ELSEWHERE;
	return owner == owner_number(me) ? HELD_BY_ME : HELD_BY_COROUTINE;
}

/* libc's trylock of one that can never be had again leaves its word taken, by us. */
static void leave_unrecoverable(pthread_mutex_t *m)
{
	if (!mutex_is_hosts(m))
		return;
	__atomic_store_n(&m->__data.__lock, 0, __ATOMIC_SEQ_CST);
	raw3(SYS_futex, &m->__data.__lock, FUTEX_WAKE, 1);
}

int hostlock_trylock(struct coro *me, pthread_mutex_t *m)
{
	bool is_hosts = mutex_is_hosts(m);
	struct held *h = find(m, is_hosts);
	int owner = owner_of(h, is_hosts), err;

	if (owner && owner != owner_number(me))
		return EBUSY;
	if (!h && make_room() != 0)
		return ENOMEM;
	err = as_host(me, libc.pthread_mutex_trylock, m);
	if (err == 0 || err == EOWNERDEAD) {
		if (!h) {
			h = &held[held_count++];
			*h = (struct held){ .lock = m, .owner = owner_number(me), .robust = mutex_kind(m) & MUTEX_ROBUST };
		}
		h->depth++;
	}
	if (err == ENOTRECOVERABLE)
		leave_unrecoverable(m);
	return err;
}

/* Does libc check who unlocks it? */
static bool has_owner(const pthread_mutex_t *m)
{
	int kind = mutex_kind(m), type = kind & MUTEX_TYPE_MASK;

	return type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK ||
	       (kind & (MUTEX_ROBUST | MUTEX_INHERITS));
}

int hostlock_unlock(struct coro *me, pthread_mutex_t *m)
{
	bool is_hosts = mutex_is_hosts(m);
	struct held *h = find(m, is_hosts);

	if (has_owner(m) && owner_of(h, is_hosts) != owner_number(me))
		return EPERM;
	if (h && --h->depth == 0)
		drop(h);
	return as_host(me, libc.pthread_mutex_unlock, m);
}

int hostlock_consistent(struct coro *me, pthread_mutex_t *m)
{
	if (hostlock_holder(me, m) != HELD_BY_ME)
		return EINVAL;
	return as_host(me, libc.pthread_mutex_consistent, m);
}

void hostlock_destroyed(pthread_mutex_t *m)
{
	find(m, false);
}

int hostlock_tryrdlock(struct coro *me, pthread_rwlock_t *rw)
{
	bool is_hosts = rwlock_is_hosts(rw);

	if (owner_of(find(rw, is_hosts), is_hosts) == owner_number(me))
		return EDEADLK;
	return as_host_rw(me, libc.pthread_rwlock_tryrdlock, rw);
}

int hostlock_trywrlock(struct coro *me, pthread_rwlock_t *rw)
{
	bool is_hosts = rwlock_is_hosts(rw);
	int err;

	if (owner_of(find(rw, is_hosts), is_hosts) == owner_number(me))
		return EDEADLK;
	if (make_room() != 0)
		return ENOMEM;
	err = as_host_rw(me, libc.pthread_rwlock_trywrlock, rw);
	if (err == 0)
		held[held_count++] = (struct held){ .lock = rw, .owner = owner_number(me), .depth = 1 };
	return err;
}

int hostlock_rwunlock(struct coro *me, pthread_rwlock_t *rw)
{
	find(rw, false); /* a writer's entry ends here; readers have none */
	return as_host_rw(me, libc.pthread_rwlock_unlock, rw);
}

/* libc links robust mutexes both ways.  As the kernel wants it each link is the address of a neighbour's
 * __next, with bit 0 set for PI; the head has the same two fields. */
static struct __pthread_internal_list *neighbour(const void *link)
{
	uintptr_t next = (uintptr_t)link & ~(uintptr_t)1;

	return (void *)(next - offsetof(struct __pthread_internal_list, __next));
}

static void unlink_robust(pthread_mutex_t *m)
{
	struct __pthread_internal_list *l = &m->__data.__list;

	neighbour(l->__next)->__prev = l->__prev;
	neighbour(l->__prev)->__next = l->__next;
	l->__prev = l->__next = NULL;
}

static void release_as_dead(pthread_mutex_t *m)
{
	int *word = &m->__data.__lock, old = __atomic_load_n(word, __ATOMIC_RELAXED), dead;
	bool inherits = mutex_kind(m) & MUTEX_INHERITS;

	do {
		/* Kernel threads queue for a PI mutex in the kernel, which can only pass it on; the next one
		 * does not learn of the death then. */
		if (inherits && (old & FUTEX_WAITERS)) {
			raw3(SYS_futex, word, FUTEX_UNLOCK_PI, 0);
			return;
		}
		dead = (old & (int)FUTEX_WAITERS) | FUTEX_OWNER_DIED;
	} while (!__atomic_compare_exchange_n(word, &old, dead, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (old & FUTEX_WAITERS)
		raw3(SYS_futex, word, FUTEX_WAKE, 1);
}

/* list_op_pending covers the moments in which m is neither on the list nor marked, as it does for libc. */
static void die_holding(pthread_mutex_t *m)
{
	struct robust_list_head *head = NULL;
	size_t len;
	bool inherits = mutex_kind(m) & MUTEX_INHERITS;

	if (raw3(SYS_get_robust_list, 0, &head, &len) < 0 || !head)
		return;
	head->list_op_pending = (struct robust_list *)((uintptr_t)&m->__data.__list.__next | inherits);
	atomic_signal_fence(memory_order_seq_cst);
	unlink_robust(m);
	release_as_dead(m);
	atomic_signal_fence(memory_order_seq_cst);
	head->list_op_pending = NULL;
	if (waitq_has_waiters(m))
		waitq_wake(m, 1);
}

void hostlock_owner_ends(struct coro *me)
{
	int owner = me->is_guest ? me->owner_number : me->tid;

	for (int i = held_generation == sched.generation ? held_count : 0; i-- > 0;) {
		pthread_mutex_t *m = (pthread_mutex_t *)(uintptr_t)held[i].lock;

		if (held[i].owner != owner || !held[i].robust)
			continue;
		drop(&held[i]);
		if (mutex_is_hosts(m))
			die_holding(m);
	}
}
