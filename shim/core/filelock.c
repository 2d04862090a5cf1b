/* SPDX-License-Identifier: Apache-2.0
 *
 * See filelock.h.  A plain array: at any time few FILEs are locked.
 */
#include "filelock.h"
#include <stdlib.h>
#include "libc.h"
#include "owner.h"
#include "waitq.h"

/* A call of libc that is not in the table gives a lock back without a word to us.  A waiter therefore looks
 * again every UNSEEN_NS; for everything that passes through here the wake is exact. */
#define UNSEEN_NS (10 * NS_PER_MS)

struct held {
	const FILE *f;
	int owner, depth;
};

#define WHO_WAITS -1 /* in place of an owner: whoever is inside the call */

static struct held *held;
static int held_count, held_room;
static unsigned held_generation;

static struct held *find(const FILE *f)
{
	if (held_generation != sched.generation) { /* a forked child: the parent's coroutines are not here */
		held_generation = sched.generation;
		held_count = 0;
	}
	for (struct held *h = held; h < held + held_count; h++)
		if (h->f == f)
			return h;
	return NULL;
}

bool filelock_is_anothers(struct coro *me, const FILE *f)
{
	const struct held *h = find(f);

	return h && h->owner != owner_number(me);
}

static bool add(const FILE *f, int owner)
{
	int room = held_room ? held_room * 2 : 8;
	struct held *more;

	if (held_count == held_room) {
		more = realloc(held, (size_t)room * sizeof(*held));
		if (!more)
			return false;
		held = more;
		held_room = room;
	}
	held[held_count++] = (struct held){ f, owner, 1 };
	return true;
}

void filelock_note(struct coro *me, const FILE *f)
{
	struct held *h = find(f);

	if (h)
		h->depth++;
	else
		add(f, owner_number(me));
}

bool filelock_enter(const FILE *f)
{
	return !find(f) && add(f, WHO_WAITS);
}

void filelock_leave(const FILE *f)
{
	struct held *h = find(f);

	if (h && h->owner == WHO_WAITS)
		*h = held[--held_count];
}

void filelock_release(struct coro *me, const FILE *f)
{
	struct held *h = find(f);

	if (h && h->owner == owner_number(me) && --h->depth == 0)
		*h = held[--held_count];
}

void filelock_forget(const FILE *f)
{
	struct held *h = find(f);

	if (h)
		*h = held[--held_count];
}

static bool try_take(struct coro *me, FILE *f)
{
	if (UNLIKELY(me->borrows_tls || me->carrier) && filelock_is_anothers(me, f))
		return false;
	if (libc.ftrylockfile(f) != 0)
		return false;
	if (UNLIKELY(me->borrows_tls))
		filelock_note(me, f);
	return true;
}

static void park_for_file(struct coro *me, FILE *f, const char *why)
{
	struct waiter *w = waitq_mine(NULL);

	waitq_add(w, f);
	while (!try_take(me, f)) {
		if (waitq_wait(w, deadline_in(UNSEEN_NS), 0, why) == 0)
			waitq_add_again(w, f, ~0u);
		else
			waitq_add(w, f);
	}
	waitq_leave(w);
}

/* A free lock needs nothing of the scheduler. */
bool filelock_take(FILE *f, const char *why)
{
	struct coro *me = coro_self;

	if (!me)
		return false;
	if (LIKELY(!me->borrows_tls && !me->carrier) && libc.ftrylockfile(f) == 0)
		return true;
	me = coro_may_park();
	if (!me)
		return false;
	if (!try_take(me, f))
		park_for_file(me, f, why);
	return coro_leave(true);
}

/* The caller, if the flows of its thread must be told apart; none of those ever loses the scheduler. */
static struct coro *borrower(void)
{
	return UNLIKELY(coro_self && (coro_self->borrows_tls || coro_self->carrier)) ? coro_may_park() : NULL;
}

bool filelock_try(FILE *f)
{
	struct coro *me = borrower();

	return me ? try_take(me, f) : libc.ftrylockfile(f) == 0;
}

void filelock_give(FILE *f, bool taken)
{
	struct coro *me;

	if (taken) {
		if ((me = borrower()) != NULL)
			filelock_release(me, f);
		libc.funlockfile(f);
	}
	if (waitq_has_waiters(f))
		waitq_wake(f, 1);
}
