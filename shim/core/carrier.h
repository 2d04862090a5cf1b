/* SPDX-License-Identifier: Apache-2.0
 *
 * What greenlet.c, where flows wait, and carrier.c, which makes them for the module, share.  The words are
 * those of glue.h.
 */
#ifndef SYNCLESS_CARRIER_H
#define SYNCLESS_CARRIER_H

#include "coro.h"
#include "glue.h"

struct carrier {
	struct coro *thread;
	struct carrier *next;	  /* in the list of all */
	void *data;		  /* the module's */
	struct coro *flows;	  /* all of them, through all_next; NULL-terminated */
	struct coro *head, *tail; /* the run queue */
	int length, round_left;
	unsigned woken_by; /* a poll of the loop */
	struct coro *woken_last; /* by it; valid until it ends, since nothing runs meanwhile */
	int whole; /* > 0: the thread waits as a whole */
	bool idle; /* it does so for want of a flow that is ready */
	bool poses;
	/* Of which the interpreter's handler is still to be told, when root runs; bit sig - 1. */
	_Atomic uint64_t signals;
	const void *promised; /* a lock; until promised_to has run */
	struct coro *promised_to;
	struct coro *current; /* found running by greenlet_flow() or switched to since */
	struct coro *root;    /* of the thread's main greenlet, where the interpreter's signal handlers run */
};

struct flow {
	struct coro co;
	void *data;   /* the module's */
	bool had_gil; /* when the call began that it waits in */
	int deliveries;
};

extern struct carrier *carriers; /* all of them */

extern const struct glue_hooks *greenlet_hooks; /* NULL: no module has come */
extern void (*greenlet_python_handler)(int);

static inline struct flow *flow_of(struct coro *co)
{
	return CONTAINER_OF(co, struct flow, co);
}

static inline bool is_stale(const struct flow *f)
{
	return f->co.fork_generation != sched.generation || !f->co.flow_of;
}

/* --- The run queue of a carrier. */

static inline void link_last(struct carrier *c, struct coro *co)
{
	co->next = NULL;
	co->prev = c->tail;
	if (c->tail)
		c->tail->next = co;
	else
		c->head = co;
	c->tail = co;
	c->length++;
}

static inline void link_first(struct carrier *c, struct coro *co)
{
	co->prev = NULL;
	co->next = c->head;
	if (c->head)
		c->head->prev = co;
	else
		c->tail = co;
	c->head = co;
	c->length++;
}

static inline void unlink_ready(struct carrier *c, struct coro *co)
{
	if (co->prev)
		co->prev->next = co->next;
	else
		c->head = co->next;
	if (co->next)
		co->next->prev = co->prev;
	else
		c->tail = co->prev;
	c->length--;
}

/* The next flow, which is in no queue any more, to switch to from `me` (NULL: from none).  *has_gil: held; it
 * is, unless the flow is `me` itself.  Waits. */
struct coro *greenlet_next(struct carrier *c, const struct coro *me, bool *has_gil);

#endif
