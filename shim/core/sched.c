/* SPDX-License-Identifier: Apache-2.0
 *
 * The scheduler: who runs next, and who drives the loop when nobody can.
 *
 * There is no hub.  A coroutine that parks takes the next one off the run queue and switches to it;
 * when the queue is empty it runs the loop on its own stack until somebody, perhaps itself, is ready.
 *
 * A round is the set of coroutines that were ready when it began (`now`).  What becomes ready
 * meanwhile goes to `later`, but what a poll of the loop wakes goes to `fresh`, before those: the next
 * round is fresh + later.  Nothing waits for more than one extra round.
 *
 * The loop is polled at the end of each round.  Inside a round, so that twenty coroutines that compute do not
 * hold the others up for twenty turns, timers and wakes from elsewhere, which cost no system call, are looked
 * at every LOOK_EVERY_NS, and descriptors every POLL_EVERY_NS: with a thousand busy connections a poll
 * inside the round tells again of every one whose turn has not come yet.
 */
#include "coro.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "fdtab.h"
#include "greenlet.h"
#include "handoff.h"
#include "loop.h"
#include "monitor.h"
#include "raw.h"
#include "routine.h"
#include "sigmask.h"
#include "standby.h"
#include "switch.h"
#include "timer.h"

#define LOOK_EVERY_NS NS_PER_MS
#define POLL_EVERY_NS (4 * NS_PER_MS)

/* Reading the clock takes longer than a switch between native coroutines, and a poll thirty times as long.  So
 * a number of switches that took CLOCK_EVERY_NS the last time may pass before the clock is read again, and a
 * round in which everybody has only yielded, while nobody waits for a descriptor, is polled after
 * YIELDS_POLL_EVERY_NS. */
#define CLOCK_EVERY_NS (10 * NS_PER_US)
#define YIELDS_POLL_EVERY_NS (20 * NS_PER_US)
#define ALLOWANCE_MAX 64

struct runq {
	struct coro *head, *tail;
};

__thread struct coro *coro_self __attribute__((tls_model("initial-exec")));
struct sched sched;
_Atomic bool green_exist;
static _Atomic(struct coro *) sched_remote;
static _Atomic(struct coro *) coming_back; /* through back_next; they were alone */
static struct runq stranded; /* routines, launched while main, whose storage they need, was alone */

static struct runq now, fresh, later;
static bool polling; /* what becomes ready is `fresh` */
static unsigned polls; /* so many have begun */
#define GREENLETS_TURN_NS (10 * NS_PER_MS)
static int64_t last_look_ns, last_poll_ns;
static bool woken; /* somebody in fresh or later has been waiting for something */
static struct {
	int left, granted;
	int64_t at;
} allowance;

static struct coro **host_self; /* coro_self as the host's own flow sees it */

/* The coroutine that left its stack for ever at the last switch, and what is to be done about it. */
static struct coro *departed;
static void (*departed_after)(struct coro *);

static void append(struct runq *q, struct coro *co)
{
	co->next = NULL;
	co->prev = q->tail;
	if (q->tail)
		q->tail->next = co;
	else
		q->head = co;
	q->tail = co;
}

static struct coro *pop(struct runq *q)
{
	struct coro *co = q->head;

	if (!co)
		return NULL;
	q->head = co->next;
	if (q->head)
		q->head->prev = NULL;
	else
		q->tail = NULL;
	return co;
}

static void splice(struct runq *to, struct runq *from)
{
	if (!from->head)
		return;
	if (to->tail) {
		to->tail->next = from->head;
		from->head->prev = to->tail;
	} else {
		to->head = from->head;
	}
	to->tail = from->tail;
	*from = (struct runq){ 0 };
}

void coro_ready(struct coro *co)
{
	if (co->state != CORO_PARKED)
		return;
	co->state = CORO_READY;
	woken = true;
	if (UNLIKELY(co->flow_of != NULL))
		greenlet_ready(co, polling ? polls : 0);
	else
		append(polling ? &fresh : &later, co);
}

static void push_remote(struct coro *co)
{
	int idle = 0;
	struct coro *head;

	if (!atomic_compare_exchange_strong(&co->remote_state, &idle, 1))
		return; /* already on its way */
	head = atomic_load(&sched_remote);
	do
		co->remote_next = head;
	while (!atomic_compare_exchange_weak(&sched_remote, &head, co));
	loop_kick();
}

/* What is the host's to do: at once, or when the host drains what others have left for it. */
static inline __attribute__((always_inline)) void do_or_push(struct coro *co, void (*act)(struct coro *))
{
	bool was_outside, here = coro_begin_moment(&was_outside);

	if (here && !sched.in_handler)
		act(co);
	else
		push_remote(co);
	if (here)
		coro_end_moment(was_outside);
}

void coro_unpark(struct coro *co)
{
	do_or_push(co, coro_ready);
}

static void add_to_ring(struct coro *co)
{
	if (!sched.all) {
		co->all_next = co->all_prev = co;
		sched.all = co;
	} else {
		co->all_next = sched.all;
		co->all_prev = sched.all->all_prev;
		co->all_prev->all_next = co->all_next->all_prev = co;
	}
	sched.ncoro++;
}

/* On the host: a coroutine that was launched is seen for the first time. */
static void welcome(struct coro *co)
{
	add_to_ring(co);
	sig_count_mask(co, +1);
	sig_apply_mask();
	co->state = CORO_PARKED;
	if (UNLIKELY(co->is_routine && sched.main->state == CORO_ALONE)) {
		co->state = CORO_READY;
		append(&stranded, co);
	} else {
		coro_ready(co);
	}
}

void coro_launch(struct coro *co)
{
	do_or_push(co, welcome);
}

void sched_push_back(struct coro *co)
{
	struct coro *head = atomic_load(&coming_back);

	do
		co->back_next = head;
	while (!atomic_compare_exchange_weak(&coming_back, &head, co));
	loop_kick();
}

static void drain_back(void)
{
	struct coro *next, *co = atomic_exchange(&coming_back, NULL);

	for (; co; co = next) {
		next = co->back_next;
		atomic_fetch_and(&co->keeps, ~KEEPS_ALONE);
		co->state = CORO_PARKED;
		coro_ready(co);
		if (co == sched.main)
			splice(&later, &stranded);
	}
}

void sched_drain_remote(void)
{
	struct coro *list, *in_order = NULL;

	if (UNLIKELY(atomic_load_explicit(&coming_back, memory_order_relaxed) != NULL))
		drain_back();
	if (!atomic_load_explicit(&sched_remote, memory_order_relaxed))
		return;
	list = atomic_exchange(&sched_remote, NULL);
	while (list) { /* the stack has the newest first */
		struct coro *co = list;

		list = co->remote_next;
		co->remote_next = in_order;
		in_order = co;
	}
	while (in_order) {
		struct coro *co = in_order;

		in_order = co->remote_next;
		/* Idle before ready: a wake that comes now must be able to queue it again. */
		atomic_store(&co->remote_state, 0);
		if (UNLIKELY(co->state == CORO_NEW))
			welcome(co);
		else
			coro_ready(co);
	}
}

static void poll_loop(bool block)
{
	polling = true;
	polls++;
	if (block) {
		atomic_store(&sched.idle, true);
		standby_host_is_idle();
	}
	loop_run(block);
	if (block) {
		atomic_store(&sched.idle, false);
		if (UNLIKELY(atomic_load(&sched.monitor_naps))) /* in this order: monitor.c, announce_nap() */
			monitor_host_woke();
	}
	polling = false;
	last_look_ns = last_poll_ns = now_ns();
	sig_after_poll();
}

/* Inside a round, once in a while. */
static void look_around(int64_t t)
{
	if (t - last_poll_ns >= POLL_EVERY_NS) {
		sched.mid_round = true;
		poll_loop(false);
		sched.mid_round = false;
		return;
	}
	polling = true;
	polls++;
	loop_settle(t);
	polling = false;
	last_look_ns = t;
	sig_after_poll();
}

static void grant_allowance(int64_t t)
{
	int64_t each = (t - allowance.at) / (allowance.granted + 1);

	allowance.granted = each > 0 && CLOCK_EVERY_NS / each < ALLOWANCE_MAX ? (int)(CLOCK_EVERY_NS / each)
									      : ALLOWANCE_MAX;
	allowance.left = allowance.granted;
	allowance.at = t;
}

/* All that wait for their turn have yielded, nobody waits for a descriptor, and the last poll is not long
 * ago. */
static bool may_skip_poll(void)
{
	int64_t t;

	if (woken || !later.head || fd_waiting)
		return false;
	if (allowance.left > 0) {
		allowance.left--;
		return true;
	}
	t = now_ns();
	grant_allowance(t);
	return t - last_poll_ns < YIELDS_POLL_EVERY_NS;
}

static void begin_round(bool block)
{
	if (!may_skip_poll()) {
		/* Blocking is right only if this poll is all there is to hope for. */
		poll_loop(block && !later.head && !fresh.head);
		grant_allowance(last_poll_ns);
	}
	splice(&now, &fresh);
	splice(&now, &later);
	woken = false;
	sched.round++;
}

void sched_look_if_due(void)
{
	int64_t t;

	if (allowance.left > 0) {
		allowance.left--;
		return;
	}
	t = now_ns();
	grant_allowance(t);
	if (t - last_look_ns >= LOOK_EVERY_NS)
		look_around(t);
}

/* The next to run; NULL when a poll brought nobody. */
static struct coro *next_ready(bool block)
{
	if (now.head)
		sched_look_if_due();
	else
		begin_round(block);
	return pop(&now);
}

/* Between two that share the host's thread-local storage, or from or to one of them: what a green thread has
 * of its own must be put there. */
static void hand_over_borrowed(struct coro *me, struct coro *next)
{
	if (me->borrows_tls)
		borrowed_leave(&me->borrowed);
	if (next->borrows_tls)
		*host_self = next;
	if (next->in_ucontext)
		switch_to_ucontext(me, next);
	else if (me->borrows_tls && next->borrows_tls)
		switch_within(&me->sp, next->sp);
	else
		switch_stack(&me->sp, next->sp, next->fs_base);
	if (me->borrows_tls) {
		routine_landed(me);
		borrowed_enter(&me->borrowed);
	}
}

static void hand_over(struct coro *me, struct coro *next)
{
	sched.current = next;
	next->outside = &sched.seat->outside;
	atomic_store_explicit(&sched.switches, sched.switches + 1, memory_order_relaxed);
	if (UNLIKELY(me->borrows_tls || next->borrows_tls || next->in_ucontext))
		hand_over_borrowed(me, next);
	else
		switch_stack(&me->sp, next->sp, next->fs_base);
}

void sched_landed(void)
{
	struct coro *gone = departed;

	if (UNLIKELY(gone != NULL)) {
		departed = NULL;
		departed_after(gone);
	}
}

/* The kernel thread's own flow goes on; `me`, parked or ready, on another kernel thread. */
static __attribute__((noinline)) void go_home(struct coro *me)
{
	struct seat *seat = handoff_leave_for_home();

	if (!seat)
		return;
	if (me->borrows_tls)
		borrowed_leave(&me->borrowed);
	switch_stack(&me->sp, seat->sp, seat->own_fs);
	if (me->borrows_tls) {
		routine_landed(me);
		borrowed_enter(&me->borrowed);
	}
	sched_landed();
}

/* Gives the host to somebody else once, or runs the loop.  Returns with me RUNNING iff me is next. */
static bool pass_on(struct coro *me)
{
	struct coro *next;

	if (UNLIKELY(atomic_load_explicit(&sched.homesick, memory_order_relaxed))) {
		go_home(me);
		if (me->state == CORO_RUNNING)
			return true;
	}
	next = next_ready(true);
	if (!next)
		return false;
	if (next != me) {
		next->state = CORO_RUNNING;
		hand_over(me, next);
		sched_landed();
		/* Somebody switched to us: as the next in the queue, or, parked still, to drive the loop. */
		return me->state == CORO_RUNNING;
	}
	me->state = CORO_RUNNING;
	return true;
}

void sched_park(struct coro *me, const char *why, int fd)
{
	me->why = why;
	me->why_fd = fd;
	if (UNLIKELY(me->flow_of != NULL)) {
		greenlet_park(me);
		me->why = NULL;
		return;
	}
	if (UNLIKELY(greenlets_exist))
		greenlet_thread_parks(me);
	me->state = CORO_PARKED;
	/* Wakes that came between the caller's registration and this line. */
	sched_drain_remote();
	while (!pass_on(me))
		;
	me->why = NULL;
	if (UNLIKELY(greenlets_exist))
		greenlet_thread_is_back(me);
	if (UNLIKELY(me->has_pending))
		sig_run_pending(me);
}

static inline void yield_thread(struct coro *me)
{
	me->state = CORO_READY;
	me->why = "yield";
	append(&later, me);
	while (!pass_on(me))
		;
	me->why = NULL;
	if (UNLIKELY(me->has_pending))
		sig_run_pending(me);
}

void sched_yield_now(struct coro *me)
{
	if (UNLIKELY(greenlets_exist) && (me = coro_flow(me))->flow_of)
		greenlet_yield(me);
	else
		yield_thread(me);
}

void sched_yield_thread(struct coro *me)
{
	yield_thread(me);
}

/* Who reads what is always there never parks, and the descriptors of the others are never looked at.  Greenlets may
 * count on it that nothing else runs between two waits, so they give way only where it has come to that.  A vfork
 * child has no turns: it is not one of us, and has our memory. */
void sched_end_turn(struct coro *me)
{
	int saved = errno;

	sched.calls = 0;
	if ((!greenlets_exist || now_ns() - last_look_ns >= GREENLETS_TURN_NS) && fd_in_our_process())
		sched_yield_now(me);
	errno = saved;
}

HOT struct coro *coro_enter_green(void)
{
	struct coro *me = coro_enter_wait();

	if (me && UNLIKELY(++sched.calls >= CALLS_A_TURN))
		sched_end_turn(me);
	return me;
}

bool sched_someone_is_ready(void)
{
	return now.head || fresh.head || later.head;
}

void sched_arm(struct coro *me, deadline_t until)
{
	me->timed_out = false;
	if (until == NEVER)
		return;
	/* No memory for the timer: late is wrong, early is a spurious wake that the caller's own
	 * clock puts right. */
	if (timer_start(me, until) < 0)
		me->timed_out = true;
}

void sched_disarm(struct coro *me)
{
	timer_stop(me);
}

/* Any parked coroutine can drive the loop. */
static struct coro *somebody_parked(void)
{
	struct coro *co = sched.main;

	do {
		if (co->state == CORO_PARKED && co->sp)
			return co;
		co = co->all_next;
	} while (co != sched.main);
	return NULL;
}

/* Whom to switch to from a stack that nobody will wait on: the next in the queue, or one to drive the loop. */
static struct coro *successor(void)
{
	struct coro *next = NULL;

	while (!next) {
		next = sched_someone_is_ready() ? next_ready(false) : NULL;
		if (next)
			next->state = CORO_RUNNING;
		else
			next = somebody_parked();
		if (!next)
			poll_loop(true);
	}
	return next;
}

void sched_leave(struct coro *me, void (*after)(struct coro *))
{
	struct coro *next;

	/* A wake that came too late still links the record; whoever joins may free it. */
	if (atomic_load(&me->remote_state))
		sched_drain_remote();
	me->state = CORO_DEAD;
	me->why = "ended";
	next = successor();
	departed = me;
	departed_after = after;
	hand_over(me, next);
}

void sched_take_over(struct seat *seat, void (*arrived)(struct coro *))
{
	struct coro *next;

	sched_drain_remote();
	next = successor();
	departed = next; /* any but NULL */
	departed_after = arrived;
	sched.current = next;
	next->outside = &seat->outside;
	atomic_store_explicit(&sched.switches, sched.switches + 1, memory_order_relaxed);
	if (next->borrows_tls)
		*host_self = next;
	switch_stack(&seat->sp, next->sp, next->fs_base);
}

void sched_remove(struct coro *co)
{
	co->all_prev->all_next = co->all_next;
	co->all_next->all_prev = co->all_prev;
	if (sched.all == co)
		sched.all = co->all_next == co ? NULL : co->all_next;
	sched.ncoro--;
}

static struct coro host_flow; /* the record of the thread that became the host */

static void fill_host_flow(struct coro *co)
{
	memset(co, 0, sizeof(*co));
	co->fs_base = switch_read_fs();
	co->thread = pthread_self();
	co->tid = sched.host_tid;
	co->state = CORO_RUNNING;
	co->fork_generation = sched.generation;
	sig_read_kernel_mask(&co->mask);
}

int sched_adopt_host(void)
{
	int r = loop_init();

	if (r < 0)
		return r;
	sched.host_pid = (int)raw1(SYS_getpid, 0);
	sched.host_tid = (int)raw1(SYS_gettid, 0);
	fill_host_flow(&host_flow);
	add_to_ring(&host_flow);
	sig_count_mask(&host_flow, +1);
	sched.current = &host_flow;
	last_look_ns = last_poll_ns = now_ns();
	coro_self = &host_flow;
	host_self = &coro_self;
	sched.main = &host_flow;
	handoff_adopt_host();
	sig_adopt_host();
	return 0;
}

void sched_share_tls(void)
{
	atomic_fetch_or(&sched.main->keeps, KEEPS_SHARED);
	sched.main->borrows_tls = true;
}

void sched_after_fork_child(void)
{
	now = fresh = later = stranded = (struct runq){ 0 };
	departed = NULL;
	polling = false;
	atomic_store(&sched_remote, NULL);
	atomic_store(&coming_back, NULL);
	timer_forget_all();
	sched = (struct sched){ .generation = sched.generation + 1 };
	atomic_store(&green_exist, false);
	coro_self = NULL;
}

static int verify_queue(const struct runq *q)
{
	const struct coro *prev = NULL;

	for (const struct coro *co = q->head; co; prev = co, co = co->next)
		if (co->state != CORO_READY || co->prev != prev)
			return -1;
	return q->tail == prev ? 0 : -1;
}

static int verify_all(void)
{
	struct coro *co = sched.all;
	int n = 0;

	do {
		if (!co || co->all_next->all_prev != co || co->state == CORO_DEAD || co->state == CORO_NEW)
			return -1;
		if ((co->state == CORO_RUNNING) != (co == sched.current))
			return -1;
		n++;
		co = co->all_next;
	} while (co != sched.all);
	return n == sched.ncoro ? 0 : -1;
}

static const char *broken_part(void)
{
	if (sched.current != coro_self || verify_all() < 0)
		return "the ring of coroutines";
	if (verify_queue(&now) < 0 || verify_queue(&fresh) < 0 || verify_queue(&later) < 0)
		return "a run queue";
	if (greenlet_verify() < 0)
		return "the flows of a thread";
	if (timer_verify() < 0)
		return "the heap of timers";
	return fd_verify() < 0 ? "the table of descriptors" : NULL;
}

int sched_verify(void)
{
	const char *part = sched.main && coro_host() ? broken_part() : NULL;

	if (part)
		dprintf(STDERR_FILENO, "syncless: an invariant does not hold in %s\n", part);
	return part ? -1 : 0;
}
