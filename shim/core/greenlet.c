/* SPDX-License-Identifier: Apache-2.0
 *
 * Carriers and their flows; see greenlet.h.  No header of Python's: what only Python knows, the module's hooks tell.
 *
 * The GIL.  CPython calls us without it, other extensions with it.  To learn which greenlet runs, and to switch, it is
 * taken; while the thread parks as a whole it is not held; and a call returns as it came (flow.had_gil).
 *
 * A greenlet may be resumed by anybody.  It then finds in greenlet_park() that it is not its turn, and waits on, for it
 * has the thread now: it runs whoever is next.
 */
#include "greenlet.h"
#include <stdlib.h>
#include <string.h>
#include "fdtab.h"
#include "glue.h"
#include "python.h"
#include "sigmask.h"
#include "thread.h"
#include "timer.h"

/* So often a call that something is due for fails with EINTR, which CPython takes as the sign to raise it; who tries
 * again ever so often cannot be told so (locks), or is told ECANCELED. */
#define DELIVERIES_MAX 4

struct carrier {
	struct coro *thread;
	struct carrier *next; /* in the list of all */
	void *data;	      /* the module's */
	struct coro *flows;   /* all of them, through all_next; NULL-terminated */
	struct coro *head, *tail; /* the run queue */
	int length, round_left;
	unsigned woken_by; /* a poll of the loop; woken_last is valid until it ends, since nothing runs meanwhile */
	struct coro *woken_last;
	int whole; /* > 0: the thread waits as a whole */
	bool idle; /* it does so for want of a flow that is ready */
	bool poses;
	_Atomic uint64_t signals; /* that the interpreter's handler is still to be told of, when root runs; bit sig - 1 */
	struct coro *current; /* found running by greenlet_flow() or switched to since */
	struct coro *root;    /* of the thread's main greenlet, where the interpreter's signal handlers run */
};

struct flow {
	struct coro co;
	void *data; /* the module's */
	bool had_gil; /* when the call began that it waits in */
	int deliveries;
};

static const struct glue_hooks *hooks;
static void (*python_handler)(int);
static struct carrier *carriers;
static struct coro *gil_holder; /* the thread that has parked with it */
bool greenlets_exist;

static struct flow *flow_of(struct coro *co)
{
	return CONTAINER_OF(co, struct flow, co);
}

static bool is_stale(const struct flow *f)
{
	return f->co.fork_generation != sched.generation || !f->co.flow_of;
}

/* --- The run queue of a carrier. */

static void link_last(struct carrier *c, struct coro *co)
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

static void link_first(struct carrier *c, struct coro *co)
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

static void unlink_ready(struct carrier *c, struct coro *co)
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
	hooks->take_gil(c->data);
	c->whole--;
}

static void drop_gil(struct carrier *c)
{
	c->whole++;
	hooks->drop_gil(c->data);
	c->whole--;
}

void greenlet_thread_parks(struct coro *thread)
{
	if (!gil_holder && python_is_up() && hooks->has_gil())
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
	had_gil = hooks->has_gil();
	if (!had_gil)
		take_gil(c);
	c->whole++;
	f = hooks->current(c->data);
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

void greenlet_count_whole(struct coro *me, int change)
{
	me->carrier->whole += change;
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

/* The next one, which is nobody's to take any more; has the GIL, if it is not `me`. */
static struct coro *next_flow(struct carrier *c, const struct coro *me, bool *has_gil)
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
		python_handler(__builtin_ctzll(bits) + 1);
}

/* The flow, linked in the run queue or parked, gives the thread to others until it is its turn. */
static void wait_for_turn(struct coro *me)
{
	struct carrier *c = me->flow_of;
	struct flow *f = flow_of(me);
	bool has_gil = f->had_gil;
	int saved = errno;

	for (;;) {
		struct coro *next = next_flow(c, me, &has_gil);

		if (next == me)
			break;
		next->state = CORO_RUNNING;
		c->current = next;
		if (!hooks->switch_to(c->data, f->data, flow_of(next)->data)) {
			if (me->state == CORO_READY)
				unlink_ready(c, me);
			break;
		}
		has_gil = true;
		if (me->state == CORO_RUNNING)
			break;
	}
	me->state = CORO_RUNNING;
	c->current = me;
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
	err = hooks->deliver(me->flow_of->data, f->data, ++f->deliveries);
	if (err == 0) {
		f->deliveries = 0;
		atomic_store(&me->cancel_requested, false);
	}
	return err ? -err : -EINTR;
}

bool greenlet_is_deaf(const struct coro *co)
{
	return co && co->flow_of && CONTAINER_OF(co, const struct flow, co)->deliveries >= DELIVERIES_MAX;
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

	if (handler != (const void *)python_handler || !root || root == c->current)
		return false;
	if (root->state != CORO_PARKED && root->state != CORO_READY)
		return false;
	atomic_fetch_or(&c->signals, UINT64_C(1) << (sig - 1));
	coro_unpark(root);
	return true;
}

bool greenlet_notes_handler(void (*handler)(int))
{
	if (!hooks)
		return false;
	if ((intptr_t)handler > 1)
		python_handler = handler;
	return true;
}

bool greenlet_poses(const struct coro *me, const void *caller)
{
	return me->carrier->poses && python_is_runtime(caller);
}

/* --- What the module calls. */

static struct carrier *carrier_get(void)
{
	struct coro *me = coro_self;
	struct carrier *c;
	int err;

	if (!me && (err = green_bring_up()) < 0) {
		errno = -err;
		return NULL;
	}
	me = coro_self;
	if (!me || me->is_routine) {
		errno = EPERM;
		return NULL;
	}
	if (me->carrier)
		return me->carrier;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->thread = me;
	c->next = carriers;
	carriers = c;
	me->carrier = c;
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
	free(c);
}

static struct flow *flow_new(struct carrier *c, void *data, bool is_root)
{
	struct flow *f;

	if (posix_memalign((void **)&f, _Alignof(struct flow), sizeof(*f)) != 0)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->data = data;
	f->co.flow_of = c;
	f->co.state = CORO_PARKED;
	f->co.fork_generation = sched.generation;
	f->co.all_next = c->flows;
	if (c->flows)
		c->flows->all_prev = &f->co;
	c->flows = &f->co;
	if (is_root)
		c->root = &f->co;
	return f;
}

static void flow_free(struct flow *f)
{
	struct coro *co = &f->co;
	struct carrier *c = co->flow_of;

	if (!is_stale(f)) {
		let_go(co);
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

static void set_limit(struct flow *f, int64_t deadline)
{
	f->co.limit = deadline;
	f->co.has_limit = deadline != NEVER;
	f->deliveries = 0;
}

static struct flow *next(struct carrier *c)
{
	bool has_gil = true;
	struct coro *co = next_flow(c, NULL, &has_gil);

	co->state = CORO_RUNNING;
	c->current = co;
	return flow_of(co);
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
	return python_handler;
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
	.set_limit = set_limit,
	.next = next,
	.landed = landed,
	.signal_handler = signal_handler,
	.pose_as_main = pose_as_main,
	.verify = sched_verify,
};

const struct glue_calls *greenlet_connect(const struct glue_hooks *module)
{
	hooks = module;
	return &calls;
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
