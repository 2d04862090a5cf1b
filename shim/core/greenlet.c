/* SPDX-License-Identifier: Apache-2.0
 *
 * Carriers and their flows; see greenlet.h.  No header of Python's: what only Python knows, the module's hooks
 * tell.
 *
 * The GIL.  CPython calls us without it, other extensions with it.  To learn which greenlet runs, and to
 * switch, it is taken; while the thread parks as a whole it is not held; and a call returns as it came
 * (flow.had_gil).
 *
 * A greenlet may be resumed by anybody.  It then finds in greenlet_park() that it is not its turn, and waits
 * on, for it has the thread now: it runs whoever is next.  What of the thread's storage should be its own
 * (borrowed.h) follows the switches of the scheduler alone.
 */
#include "greenlet.h"
#include <stdlib.h>
#include <string.h>
#include "borrowed.h"
#include "carrier.h"
#include "fdtab.h"
#include "python.h"
#include "sigmask.h"
#include "thread.h"
#include "timer.h"

/* So often the waits of a flow that something is due for end early, one after the other with nothing in between
 * that could raise it.  Whoever goes on has locks that are not the interpreter's: they may not fail. */
#define DELIVERIES_MAX (2 * GLUE_DELIVERIES)
/* There is C code that never gives up, such as gRPC's loop in a thread other than main. */
#define DELIVERIES_IN_VAIN 1000

const struct glue_hooks *greenlet_hooks;
void (*greenlet_python_handler)(int);
struct carrier *carriers;
static struct coro *gil_holder; /* the thread that has parked with it */
bool greenlets_exist;

static void link_after(struct carrier *c, struct coro *before, struct coro *co)
{
	co->prev = before;
	co->next = before->next;
	if (before->next)
		before->next->prev = co;
	else
		c->tail = co;
	before->next = co;
	c->length++;
}

/* What one poll wakes goes before what was queued, in the order of the wakes. */
void greenlet_ready(struct coro *co, unsigned poll)
{
	struct carrier *c = co->flow_of;

	if (!poll) {
		link_last(c, co);
	} else {
		if (poll == c->woken_by)
			link_after(c, c->woken_last, co);
		else
			link_first(c, co);
		c->woken_by = poll;
		c->woken_last = co;
		c->round_left++;
	}
	if (c->idle)
		coro_ready(c->thread);
}

/* --- The GIL. */

static void take_gil(struct carrier *c)
{
	c->whole++;
	greenlet_hooks->take_gil(c->data);
	c->whole--;
}

static void drop_gil(struct carrier *c)
{
	c->whole++;
	greenlet_hooks->drop_gil(c->data);
	c->whole--;
}

void greenlet_thread_parks(struct coro *thread)
{
	if (!gil_holder && python_is_up() && greenlet_hooks->has_gil())
		gil_holder = thread;
}

void greenlet_thread_is_back(struct coro *thread)
{
	if (gil_holder == thread)
		gil_holder = NULL;
}

/* --- Who runs. */

struct coro *greenlet_flow(struct coro *thread)
{
	struct carrier *c = thread->carrier;
	int saved = errno;
	struct flow *f;
	bool had_gil;

	if (c->whole || (gil_holder && gil_holder != thread) || !python_is_up())
		return thread;
	c->poses = false;
	had_gil = greenlet_hooks->has_gil();
	if (!had_gil)
		take_gil(c);
	c->whole++;
	f = greenlet_hooks->current(c->data);
	c->whole--;
	if (!had_gil)
		drop_gil(c);
	errno = saved;
	if (!f)
		return thread;
	f->had_gil = had_gil;
	f->co.interrupted = thread->interrupted; /* since masked_enter(), if that was before */
	c->current = &f->co;
	return &f->co;
}

void greenlet_give_way(struct coro *me, struct coro *owed, const void *lock)
{
	struct carrier *c = me->carrier;

	if (LIKELY(!c)) {
		sched_yield_now(me);
	} else if (owed != OWED_NATIVE && owed->flow_of == c) {
		c->promised = lock;
		c->promised_to = owed;
	} else {
		sched_yield_thread(me);
	}
}

bool greenlet_is_promised(const struct coro *me, const void *lock)
{
	return me->carrier->promised == lock;
}

void greenlet_count_whole(struct coro *me, int change)
{
	me->carrier->whole += change;
}

bool greenlet_is_whole(const struct coro *me)
{
	return me->carrier->whole;
}

/* --- Waiting. */

/* Until a flow is ready.  Without the GIL. */
static void park_thread(struct carrier *c, const struct coro *flow)
{
	c->idle = true;
	sched_park(c->thread, flow ? flow->why : "greenlets", flow ? flow->why_fd : -1);
	c->idle = false;
}

/* A round of the flows is over. */
static void let_other_threads_run(struct carrier *c, bool *has_gil)
{
	if (*has_gil && sched_someone_is_ready()) {
		drop_gil(c);
		*has_gil = false;
	}
	sched_yield_thread(c->thread);
	c->round_left = c->length;
}

static struct coro *pop(struct carrier *c)
{
	struct coro *co = c->head;

	if (co) {
		unlink_ready(c, co);
		c->round_left--;
	}
	return co;
}

struct coro *greenlet_next(struct carrier *c, const struct coro *me, bool *has_gil)
{
	struct coro *next;

	for (;;) {
		sched_look_if_due();
		if (c->round_left <= 0 && c->head)
			let_other_threads_run(c, has_gil);
		/* Before a flow is chosen: meanwhile the queue may change. */
		if (c->head && c->head != me && !*has_gil) {
			take_gil(c);
			*has_gil = true;
		}
		next = pop(c);
		if (next && (next == me || *has_gil))
			return next;
		if (next) { /* it has come to be the first since */
			link_first(c, next);
			continue;
		}
		if (*has_gil) {
			drop_gil(c);
			*has_gil = false;
		}
		if (!c->head)
			park_thread(c, me);
	}
}

/* root has the thread. */
static void tell_signals(struct carrier *c)
{
	for (uint64_t bits = atomic_exchange(&c->signals, 0); bits; bits &= bits - 1)
		greenlet_python_handler(__builtin_ctzll(bits) + 1);
}

/* The flow, linked in the run queue or parked, gives the thread to others until it is its turn. */
static void wait_for_turn(struct coro *me)
{
	struct carrier *c = me->flow_of;
	struct flow *f = flow_of(me);
	bool has_gil = f->had_gil;
	int saved = errno;

	for (;;) {
		struct coro *next = greenlet_next(c, me, &has_gil);

		if (next == me)
			break;
		next->state = CORO_RUNNING;
		c->current = next;
		borrowed_leave(&me->borrowed);
		borrowed_enter(&next->borrowed);
		if (!greenlet_hooks->switch_to(c->data, f->data, flow_of(next)->data)) {
			if (me->state == CORO_READY)
				unlink_ready(c, me);
			break;
		}
		has_gil = true;
		if (me->state == CORO_RUNNING)
			break;
		me->nudged = true;
		if (me->state == CORO_PARKED && me->heeds_nudges)
			break;
	}
	me->state = CORO_RUNNING;
	c->current = me;
	if (c->promised_to == me)
		c->promised = c->promised_to = NULL;
	if (UNLIKELY(me == c->root && atomic_load_explicit(&c->signals, memory_order_relaxed)))
		tell_signals(c);
	if (!f->had_gil && has_gil)
		drop_gil(c);
	if (f->had_gil && !has_gil)
		take_gil(c);
	errno = saved;
	if (UNLIKELY(c->thread->has_pending))
		sig_run_pending(c->thread);
}

void greenlet_park(struct coro *me)
{
	me->state = CORO_PARKED;
	sched_drain_remote();
	wait_for_turn(me);
}

void greenlet_yield(struct coro *me)
{
	me->state = CORO_READY;
	link_last(me->flow_of, me);
	wait_for_turn(me);
}

/* --- Early ends. */

int greenlet_ended_early(struct coro *me)
{
	struct flow *f;
	int err;

	if (me->carrier) {
		if (coro_cancel_due(me) || !me->carrier->current)
			green_act_on_cancel(me);
		me = me->carrier->current; /* the verb that has failed waited for it */
	}
	f = flow_of(me);
	err = greenlet_hooks->deliver(me->flow_of->data, f->data, ++f->deliveries);
	if (err == 0) {
		f->deliveries = 0;
		atomic_store(&me->cancel_requested, false);
	}
	return err ? -err : -EINTR;
}

static int deliveries_of(const struct coro *co)
{
	return co && co->flow_of ? CONTAINER_OF(co, const struct flow, co)->deliveries : 0;
}

bool greenlet_is_deaf(const struct coro *co)
{
	return deliveries_of(co) >= DELIVERIES_MAX;
}

bool greenlet_is_stubborn(const struct coro *co)
{
	return deliveries_of(co) >= DELIVERIES_IN_VAIN;
}

void greenlet_interrupted(struct coro *thread, int note)
{
	struct carrier *c = thread->carrier;
	struct coro *co = c->root && c->root->interruptible ? c->root : c->current;

	if (!co)
		return;
	co->interrupted |= (unsigned char)note;
	if (co->interruptible)
		coro_unpark(co);
}

bool greenlet_defers(struct coro *thread, int sig, const void *handler)
{
	struct carrier *c = thread->carrier;
	struct coro *root = c->root;

	if (handler != (const void *)greenlet_python_handler || !root)
		return false;
	if (root->state != CORO_PARKED && root->state != CORO_READY)
		return false;
	atomic_fetch_or(&c->signals, UINT64_C(1) << (sig - 1));
	coro_unpark(root);
	return true;
}

bool greenlet_notes_handler(void (*handler)(int))
{
	if (!greenlet_hooks)
		return false;
	if ((intptr_t)handler > 1)
		greenlet_python_handler = handler;
	return true;
}

bool greenlet_poses(const struct coro *me, const void *caller)
{
	return me->carrier->poses && python_is_runtime(caller);
}

/* The caller's thread is a plain one now; the memory of the flows is the module's to give back. */
void greenlet_after_fork_child(void)
{
	carriers = NULL;
	gil_holder = NULL;
	greenlets_exist = false;
	if (coro_self)
		coro_self->carrier = NULL;
}

int greenlet_verify(void)
{
	for (const struct carrier *c = carriers; c; c = c->next) {
		const struct coro *prev = NULL;
		int n = 0;

		for (const struct coro *co = c->head; co; prev = co, co = co->next, n++)
			if (co->state != CORO_READY || co->prev != prev || co->flow_of != c)
				return -1;
		if (c->tail != prev || n != c->length || c->thread->carrier != c)
			return -1;
	}
	return 0;
}
