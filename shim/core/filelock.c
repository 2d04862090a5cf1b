/* SPDX-License-Identifier: Apache-2.0
 *
 * See filelock.h.  A plain array: at any time few FILEs are locked.
 */
#include "filelock.h"
#include <stdlib.h>
#include "owner.h"

struct held {
	const FILE *f;
	int owner, depth;
};

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

void filelock_note(struct coro *me, const FILE *f)
{
	struct held *h = find(f);
	int room = held_room ? held_room * 2 : 8;

	if (h) {
		h->depth++;
		return;
	}
	if (held_count == held_room) {
		h = realloc(held, (size_t)room * sizeof(*held));
		if (!h)
			return;
		held = h;
		held_room = room;
	}
	held[held_count++] = (struct held){ f, owner_number(me), 1 };
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
