/* SPDX-License-Identifier: Apache-2.0
 *
 * See lookup.h.
 */
#include "lookup.h"
#include <netdb.h>
#include <stdlib.h>

void lookup_begins(const struct lookup *l)
{
	h_errno = LOOKUP_NO_HERR;
	errno = l->err;
}

void lookup_ends(struct lookup *l)
{
	l->err = errno;
	l->thread_herr = h_errno;
}

void lookup_free(struct offload_job *job)
{
	free(job);
}

/* It may take long, and modules of libc's make calls of ours. */
static void run_here(struct lookup *l)
{
	int herr = h_errno;

	coro_leave(0);
	l->job.run(&l->job);
	coro_host();
	h_errno = herr;
}

int lookup_run(struct coro *me, struct lookup *l, int flags, const char *why)
{
	int r;

	l->err = errno;
	r = offload_run(me, &l->job, OFFLOAD_SHORT, NEVER, flags, why);
	if (r == -ECANCELED)
		return -coro_ended_early(me);
	if (r < 0)
		run_here(l);
	if (l->thread_herr != LOOKUP_NO_HERR)
		h_errno = l->thread_herr;
	return 0;
}

bool lookup_room_make(struct lookup_room *r, const char *like, size_t len)
{
	size_t shift = (uintptr_t)like % 16;

	r->memory = malloc(len + shift);
	if (!r->memory)
		return false;
	r->buf = (char *)r->memory + shift;
	r->len = len;
	return true;
}

bool lookup_room_grow(struct lookup_room *r)
{
	void *bigger = realloc(r->memory, r->len * 2);

	if (!bigger)
		return false;
	r->memory = r->buf = bigger;
	r->len *= 2;
	return true;
}

char *lookup_moved(const struct lookup_room *r, char *to, void *p)
{
	uintptr_t offset = (uintptr_t)p - (uintptr_t)r->buf;

	return offset < r->len ? to + offset : p;
}

void lookup_move_list(const struct lookup_room *r, char *to, char ***list)
{
	if (!*list)
		return;
	*list = (char **)(void *)lookup_moved(r, to, *list);
	for (char **p = *list; *p; p++)
		*p = lookup_moved(r, to, *p);
}
