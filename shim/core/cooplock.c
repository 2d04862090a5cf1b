/* SPDX-License-Identifier: Apache-2.0
 *
 * One word, the owner; waiters stand in the queue of its address.  The owner may be a thread of either
 * kind, and the calls it guards may run constructors and handlers that take it again.
 */
#include "cooplock.h"
#include "coro.h"
#include "waitq.h"

static bool try_take(struct cooplock *l, pthread_t self)
{
	pthread_t nobody = 0;

	return atomic_compare_exchange_strong(&l->owner, &nobody, self);
}

static void await_turn(struct cooplock *l, pthread_t self, const char *why)
{
	struct waiter native, *w = waitq_mine(&native);
	int saved = errno;

	waitq_add(w, l);
	while (!try_take(l, self)) {
		waitq_wait(w, NEVER, 0, why);
		waitq_add_again(w, l, ~0u);
	}
	waitq_leave(w);
	errno = saved;
}

void cooplock_take(struct cooplock *l, const char *why)
{
	pthread_t self = pthread_self();

	if (atomic_load_explicit(&l->owner, memory_order_relaxed) != self && !try_take(l, self))
		await_turn(l, self, why);
	l->depth++;
}

void cooplock_drop(struct cooplock *l)
{
	if (--l->depth > 0)
		return;
	atomic_store(&l->owner, 0);
	if (waitq_has_waiters(l))
		waitq_wake(l, 1);
}

void cooplock_after_fork(struct cooplock *l)
{
	pthread_t owner = atomic_load(&l->owner);

	if (!owner || owner == pthread_self())
		return;
	l->depth = 0;
	atomic_store(&l->owner, 0);
}
