/* SPDX-License-Identifier: Apache-2.0
 *
 * One word, the owner; waiters stand in the queue of its address.  The owner may be a thread of either kind,
 * and the calls it guards may run constructors and handlers that take it again.  Beside it stands which guest
 * (owner.h) of that thread it is, for that thread's flows alone to read.
 */
#include "cooplock.h"
#include "owner.h"
#include "waitq.h"

static struct coro *forking; /* the guest that does */

static bool try_take(struct cooplock *l, pthread_t self)
{
	pthread_t nobody = 0;

	if (!atomic_compare_exchange_strong(&l->owner, &nobody, self))
		return false;
	l->guest = owner_guest();
	return true;
}

bool cooplock_is_mine(const struct cooplock *l)
{
	return atomic_load_explicit(&l->owner, memory_order_relaxed) == pthread_self() && l->guest == owner_guest();
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

	if (!cooplock_is_mine(l) && !try_take(l, self))
		await_turn(l, self, why);
	l->depth++;
}

void cooplock_drop(struct cooplock *l)
{
	if (--l->depth > 0)
		return;
	l->guest = NULL;
	atomic_store(&l->owner, 0);
	if (waitq_has_waiters(l))
		waitq_wake(l, 1);
}

void cooplock_before_fork(void)
{
	forking = owner_guest();
}

/* In the child no flow is a guest any more. */
void cooplock_after_fork(struct cooplock *l)
{
	pthread_t owner = atomic_load(&l->owner);
	bool forkers = owner == pthread_self() && l->guest == forking;

	if (l->guest) /* else a page less to copy */
		l->guest = NULL;
	if (!owner || forkers)
		return;
	l->depth = 0;
	atomic_store(&l->owner, 0);
}
