/* SPDX-License-Identifier: Apache-2.0
 *
 * What the shim does for the module: struct glue_calls, over carriers and their flows.
 */
#include "carrier.h"
#include <stdlib.h>
#include <string.h>
#include "borrowed.h"
#include "fdtab.h"
#include "greenlet.h"
#include "thread.h"
#include "timer.h"

static struct carrier *carrier_get(void)
{
	struct coro *me = coro_host();
	struct carrier *c;
	int err;

	if (!me && (err = green_bring_up()) < 0) {
		errno = -err;
		return NULL;
	}
	me = coro_host();
	if (!me || me->is_routine) {
		errno = EPERM;
		return NULL;
	}
	if (me->carrier)
		return me->carrier;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	borrowed_begin();
	c->thread = me;
	c->next = carriers;
	carriers = c;
	me->carrier = c;
	atomic_fetch_or(&me->keeps, KEEPS_CARRIER);
	greenlets_exist = true;
	return c;
}

static void *carrier_data(struct carrier *c)
{
	return c->data;
}

static void carrier_set_data(struct carrier *c, void *data)
{
	c->data = data;
}

/* So that nothing of the scheduler points to it. */
static void let_go(struct coro *co)
{
	if (atomic_load(&co->remote_state))
		sched_drain_remote();
	if (co->state == CORO_READY)
		unlink_ready(co->flow_of, co);
	timer_stop(co);
	fdwait_remove(&co->fdwait);
	waitq_time_is_up(&co->waiter);
	if (co->flow_of->promised_to == co)
		co->flow_of->promised = co->flow_of->promised_to = NULL;
	co->state = CORO_DEAD;
}

static void carrier_end(struct carrier *c)
{
	struct carrier **at = &carriers;

	while (*at && *at != c)
		at = &(*at)->next;
	if (!*at) /* of the process that has forked this one */
		return;
	*at = c->next;
	for (struct coro *co = c->flows; co; co = co->all_next) {
		let_go(co);
		co->flow_of = NULL;
	}
	c->thread->carrier = NULL;
	atomic_fetch_and(&c->thread->keeps, ~KEEPS_CARRIER);
	free(c);
}

static struct flow *flow_new(struct carrier *c, void *data, enum flow_kind kind)
{
	struct flow *f;

	if (posix_memalign((void **)&f, _Alignof(struct flow), sizeof(*f)) != 0)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->data = data;
	f->co.flow_of = c;
	f->co.state = CORO_PARKED;
	f->co.is_guest = kind != FLOW_ROOT;
	f->co.may_be_hub = kind == FLOW_FOREIGN;
	f->co.tid = c->thread->tid;
	f->co.fork_generation = sched.generation;
	f->co.all_next = c->flows;
	if (c->flows)
		c->flows->all_prev = &f->co;
	c->flows = &f->co;
	if (kind == FLOW_ROOT)
		c->root = &f->co;
	return f;
}

static void flow_free(struct flow *f)
{
	struct coro *co = &f->co;
	struct carrier *c = co->flow_of;

	if (!is_stale(f)) {
		let_go(co);
		if (c->current == co)
			borrowed_leave(&co->borrowed);
		borrowed_end(&co->borrowed);
		if (co->all_prev)
			co->all_prev->all_next = co->all_next;
		else
			c->flows = co->all_next;
		if (co->all_next)
			co->all_next->all_prev = co->all_prev;
		if (c->root == co)
			c->root = NULL;
		if (c->current == co)
			c->current = NULL;
	}
	free(f);
}

static bool flow_is_stale(const struct flow *f)
{
	return is_stale(f);
}

static void *flow_data(const struct flow *f)
{
	return f->data;
}

static void ready(struct flow *f)
{
	if (!is_stale(f))
		coro_ready(&f->co);
}

static void ready_next(struct flow *f)
{
	struct carrier *c = f->co.flow_of;

	if (is_stale(f) || (f->co.state != CORO_PARKED && f->co.state != CORO_READY))
		return;
	if (f->co.state == CORO_READY)
		unlink_ready(c, &f->co);
	f->co.state = CORO_READY;
	link_first(c, &f->co);
	c->round_left++;
	if (c->idle)
		coro_ready(c->thread);
}

static void unready(struct flow *f)
{
	if (is_stale(f) || f->co.state != CORO_READY)
		return;
	unlink_ready(f->co.flow_of, &f->co);
	f->co.state = CORO_PARKED;
}

static bool is_ready(const struct flow *f)
{
	return !is_stale(f) && f->co.state == CORO_READY;
}

static bool is_waiting(const struct flow *f)
{
	return !is_stale(f) && (f->co.state == CORO_READY || f->co.state == CORO_PARKED);
}

static int ready_count(const struct carrier *c)
{
	return c->length;
}

static struct flow *ready_first(const struct carrier *c)
{
	return c->head ? flow_of(c->head) : NULL;
}

static struct flow *ready_after(const struct flow *f)
{
	return f->co.next ? flow_of(f->co.next) : NULL;
}

static int park(struct flow *f, int64_t deadline, const char *why)
{
	struct coro *me = &f->co;
	int r;

	f->had_gil = true;
	coro_begin_wait(me, deadline, WAITQ_CANCEL | WAITQ_INTR);
	me->why = why;
	me->why_fd = -1;
	r = coro_early_end(me, WAITQ_CANCEL | WAITQ_INTR);
	if (r == 0) {
		greenlet_park(me);
		r = coro_early_end(me, WAITQ_CANCEL | WAITQ_INTR);
	}
	coro_end_wait(me);
	return r;
}

static void yield(struct flow *f)
{
	f->had_gil = true;
	f->co.why = "yield";
	greenlet_yield(&f->co);
}

static void unpark(struct flow *f)
{
	if (!is_stale(f))
		coro_unpark(&f->co);
}

static void set_due(struct flow *f, bool due)
{
	if (is_stale(f))
		return;
	atomic_store(&f->co.cancel_requested, due);
	if (due)
		coro_unpark(&f->co);
	else
		f->deliveries = 0;
}

static int deliveries(const struct flow *f)
{
	return f->deliveries;
}

static void forget_deliveries(struct flow *f)
{
	f->deliveries = 0;
}

static void set_limit(struct flow *f, int64_t deadline)
{
	f->co.limit = deadline;
	f->co.has_limit = deadline != NEVER;
	f->deliveries = 0;
}

static struct flow *next(struct carrier *c)
{
	bool has_gil = true;
	struct coro *co = greenlet_next(c, NULL, &has_gil);

	borrowed_enter(&co->borrowed);
	co->state = CORO_RUNNING;
	c->current = co;
	return flow_of(co);
}

static void left(struct flow *f)
{
	if (is_stale(f) || f->co.state != CORO_RUNNING)
		return;
	f->co.state = CORO_PARKED;
	coro_ready(&f->co);
}

/* It runs, though nobody here has switched to it. */
static void landed(struct flow *f)
{
	if (is_stale(f))
		return;
	if (f->co.state == CORO_READY)
		unlink_ready(f->co.flow_of, &f->co);
	f->co.state = CORO_RUNNING;
	f->co.flow_of->current = &f->co;
}

static void (*signal_handler(void))(int)
{
	return greenlet_python_handler;
}

static void pose_as_main(bool pose)
{
	if (coro_self && coro_self->carrier)
		coro_self->carrier->poses = pose;
}

static const struct glue_calls calls = {
	.carrier_get = carrier_get,
	.carrier_data = carrier_data,
	.carrier_set_data = carrier_set_data,
	.carrier_end = carrier_end,
	.flow_new = flow_new,
	.flow_free = flow_free,
	.flow_is_stale = flow_is_stale,
	.flow_data = flow_data,
	.ready = ready,
	.ready_next = ready_next,
	.unready = unready,
	.is_ready = is_ready,
	.is_waiting = is_waiting,
	.ready_count = ready_count,
	.ready_first = ready_first,
	.ready_after = ready_after,
	.park = park,
	.yield = yield,
	.unpark = unpark,
	.set_due = set_due,
	.deliveries = deliveries,
	.forget_deliveries = forget_deliveries,
	.set_limit = set_limit,
	.next = next,
	.left = left,
	.landed = landed,
	.signal_handler = signal_handler,
	.pose_as_main = pose_as_main,
	.verify = sched_verify,
};

const struct glue_calls *greenlet_connect(const struct glue_hooks *module)
{
	greenlet_hooks = module;
	return &calls;
}
