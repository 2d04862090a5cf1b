/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap behind timer.h.  heap[i].at is kept beside the pointer so that sifting does not touch the
 * records; record->timer_slot is i + 1.  Host only.
 */
#include "timer.h"
#include <stdlib.h>
#include "coro.h"

struct entry {
	deadline_t at;
	struct coro *co;
};

static struct entry *heap;
static int heap_len, heap_room;

static void put(int i, struct entry e)
{
	heap[i] = e;
	e.co->timer_slot = i + 1;
}

static void sift_up(int i, struct entry e)
{
	while (i > 0) {
		int parent = (i - 1) / 4;

		if (heap[parent].at <= e.at)
			break;
		put(i, heap[parent]);
		i = parent;
	}
	put(i, e);
}

static void sift_down(int i, struct entry e)
{
	for (;;) {
		int first = 4 * i + 1, best = -1;

		for (int k = first; k < first + 4 && k < heap_len; k++)
			if (heap[k].at < (best < 0 ? e.at : heap[best].at))
				best = k;
		if (best < 0)
			break;
		put(i, heap[best]);
		i = best;
	}
	put(i, e);
}

int timer_start(struct coro *co, deadline_t at)
{
	if (co->timer_slot)
		timer_stop(co);
	if (heap_len == heap_room) {
		int room = heap_room ? heap_room * 2 : 64;
		struct entry *bigger = realloc(heap, (size_t)room * sizeof(*heap));

		if (!bigger)
			return -ENOMEM;
		heap = bigger;
		heap_room = room;
	}
	co->timer_at = at;
	sift_up(heap_len++, (struct entry){ at, co });
	return 0;
}

void timer_stop(struct coro *co)
{
	int i = co->timer_slot - 1;
	struct entry last;

	if (i < 0)
		return;
	co->timer_slot = 0;
	last = heap[--heap_len];
	if (i == heap_len)
		return;
	if (i > 0 && last.at < heap[(i - 1) / 4].at)
		sift_up(i, last);
	else
		sift_down(i, last);
}

deadline_t timer_next(void)
{
	return heap_len ? heap[0].at : NEVER;
}

int timer_expire(int64_t now)
{
	int n = 0;

	while (heap_len && heap[0].at <= now) {
		struct coro *co = heap[0].co;

		timer_stop(co);
		co->timed_out = true;
		waitq_time_is_up(&co->waiter);
		coro_ready(co);
		n++;
	}
	return n;
}

void timer_forget_all(void)
{
	heap_len = 0;
}

int timer_verify(void)
{
	for (int i = 0; i < heap_len; i++) {
		if (heap[i].co->timer_slot != i + 1 || heap[i].co->timer_at != heap[i].at)
			return -1;
		if (i && heap[(i - 1) / 4].at > heap[i].at)
			return -1;
	}
	return 0;
}
