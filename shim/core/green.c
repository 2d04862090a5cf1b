/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a green thread, from pthread_create to join.
 *
 * The start routine runs inside a cleanup handler, retire(), so pthread_exit and cancellation, which unwind the
 * stack by glibc's own means, end in our code on the thread's own stack, and glibc's exit tail (a bare
 * exit of whatever kernel thread runs it) never runs on a host.
 *
 * The end is in two steps: on its own stack a thread runs its destructors and leaves; then, on the stack
 * of whoever runs next, after_end() makes the result known, since a joiner may reuse the body at once.
 */
#include "body.h"
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include "greenlet.h"
#include "hostlock.h"
#include "libc.h"
#include "handoff.h"
#include "monitor.h"
#include "native.h"
#include "python.h"
#include "rawlock.h"
#include "settings.h"
#include "sigmask.h"
#include "streams.h"
#include "switch.h"
#include "watch.h"

__thread int green_native_depth __attribute__((tls_model("initial-exec")));
_Atomic int green_alive;

struct coro *coro_of(pthread_t t)
{
	ptrdiff_t offset = (char *)&coro_self - (char *)pthread_self();
	struct coro *co;

	if (!atomic_load_explicit(&green_exist, memory_order_relaxed))
		return NULL;
	/* The same variable of another thread: initial-exec TLS lies at a fixed distance from the record. */
	co = *(struct coro **)((char *)t + offset);
	if (co && co->borrows_tls)
		co = sched.main; /* whichever runs there */
	return co && co->fork_generation == sched.generation ? co : NULL;
}

/* Frees the body if the thread has ended and this caller is the one to say so. */
static void reclaim(struct green *g)
{
	int ended = GREEN_ENDED;

	if (atomic_compare_exchange_strong(&g->life, &ended, GREEN_JOINED))
		body_give(g);
}

/* On the next coroutine's stack. */
static void after_end(struct coro *co)
{
	struct green *g = co->green;

	sched_remove(co);
	sig_count_mask(co, -1);
	sig_apply_mask();
	if (atomic_fetch_sub(&green_alive, 1) == 1)
		main_exit_last_ended();
	atomic_store(&g->life, GREEN_ENDED);
	/* Detached before this store: ours to reclaim.  After it: green_detach() does. */
	if (atomic_load(&g->detached))
		reclaim(g);
	else
		waitq_wake(&g->life, INT_MAX);
}

static bool is_still_green(const struct green *g)
{
	return coro_self == &g->co; /* not so in a child that this thread forked */
}

static void end(struct green *g)
{
	g->co.is_ending = true;
	tls_run_destructors();
	handoff_must_come_back(&g->co);
	g->retired |= !tls_can_be_made_new();
	hostlock_owner_ends(&g->co);
	sched_leave(&g->co, after_end);
}

static void retire(void *arg)
{
	struct green *g = arg;

	if (!is_still_green(g))
		return;
	g->retired = true;
	end(g);
	coro_self = NULL; /* on a kernel thread of our own, on the way home */
}

static void run_start(struct green *g)
{
	pthread_cleanup_push(retire, g);
	coro_leave(0);
	g->result = g->start(g->arg);
	pthread_cleanup_pop(0);
}

void green_live(struct green *g)
{
	for (;;) {
		if (UNLIKELY(g->is_seat))
			g->start(g->arg);
		sched_landed();
		if (g->co.has_pending)
			sig_run_pending(&g->co);
		run_start(g);
		if (!is_still_green(g))
			return;
		end(g);
		if (g->going_home)
			return;
		tls_make_new();
	}
}

/* A record for a new life on this body.  The creator's mask and name are inherited, as from clone(2). */
static void prepare(struct green *g, void *(*start)(void *), void *arg)
{
	struct coro *co = &g->co, *creator = coro_self;

	g->start = start;
	g->arg = arg;
	g->result = NULL;
	atomic_store(&g->joiner, NULL);
	atomic_store(&g->detached, false);
	co->green = g;
	co->state = CORO_NEW;
	co->interrupted = 0;
	co->timed_out = co->interruptible = false;
	co->no_park = 0;
	co->handoffs = 0;
	co->handler_high = 0;
	co->tid = body_next_tid();
	*g->tid_word = co->tid;
	co->fork_generation = sched.generation;
	sigemptyset(&co->pending);
	co->has_pending = false;
	co->awaited = 0;
	co->altstack = (stack_t){ .ss_flags = SS_DISABLE };
	atomic_store(&co->cancel_requested, false);
	co->cancel_disabled = co->cancel_async = co->is_ending = false;
	if (creator) {
		co->mask = creator->mask;
		memcpy(co->name, creator->name, sizeof(co->name));
	} else {
		sig_read_kernel_mask(&co->mask);
		memset(co->name, 0, sizeof(co->name));
	}
}

static int create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	struct green *g;
	int detach = PTHREAD_CREATE_JOINABLE;
	sigset_t mask;
	int err = body_take(attr, &g);

	if (err)
		return err;
	prepare(g, start, arg);
	if (attr) {
		pthread_attr_getdetachstate(attr, &detach);
		if (pthread_attr_getsigmask_np(attr, &mask) == 0)
			g->co.mask = mask;
	}
	atomic_store(&g->detached, detach == PTHREAD_CREATE_DETACHED);
	*t = g->co.thread;
	atomic_fetch_add(&green_alive, 1);
	atomic_store(&g->life, GREEN_ALIVE);
	coro_launch(&g->co);
	return 0;
}

/* The self-test of the first creation: whatever differs from what we know leaves threads native. */
static __thread int test_tls = 7;

static void *test_thread(void *arg)
{
	int fresh = test_tls == 7 && errno == 0 && coro_self && coro_self->green &&
		    pthread_equal(pthread_self(), coro_self->thread);

	errno = EXDEV;
	test_tls = 8;
	return fresh ? arg : NULL;
}

static bool works(void)
{
	void *result = NULL;
	int saved = errno, mark = 0;
	pthread_t t;

	errno = ENOTTY;
	test_tls = 7; /* in a forked child the caller may have the body that the parent has tried */
	if (create(&t, NULL, test_thread, &mark) != 0 || green_join(coro_of(t), &result, NEVER) != 0)
		return false;
	if (errno != ENOTTY || test_tls != 7 || result != &mark)
		return false;
	errno = saved;
	return true;
}

/* The host must never end, so it is the main thread, or else a kernel thread made for it. */
static void *host_main(void *arg)
{
	_Atomic int *up = arg;
	int r = sched_adopt_host();

	atomic_store(up, r == 0 ? 1 : r);
	futex_wake(up, 1);
	while (r == 0)
		sched_park(coro_self, "host", -1);
	return NULL;
}

static int start_host_thread(void)
{
	static _Atomic int up;
	pthread_t t;
	int err, r;

	atomic_store(&up, 0);
	err = native_start(&t, 256 << 10, host_main, &up);
	if (err)
		return -err;
	libc.pthread_detach(t);
	while ((r = atomic_load(&up)) == 0)
		futex_wait(&up, 0, NULL);
	return r == 1 ? 0 : r;
}

/* Threads of one host never allocate at the same time: an arena for every few of them would only spread
 * the heap, and grow and shrink by system calls.  The user's own setting stands. */
static void share_one_arena(void)
{
	const char *tunables = getenv("GLIBC_TUNABLES");

	if (!getenv("MALLOC_ARENA_MAX") && !(tunables && strstr(tunables, "arena_max")))
		mallopt(M_ARENA_MAX, 1);
}

static int bring_up(void)
{
	bool is_main = raw1(SYS_gettid, 0) == raw1(SYS_getpid, 0);
	int r = body_init();

	if (r == 0)
		r = tls_init();
	if (r == 0)
		r = streams_bring_up();
	if (r == 0)
		r = is_main ? sched_adopt_host() : start_host_thread();
	if (r < 0)
		return r;
	atomic_store(&green_exist, true);
	share_one_arena();
	if (!works())
		return -ENOSYS;
	sig_guard_setxid();
	return 0;
}

/* Out of something for the moment: this thread is native, and the next one may be green. */
static bool may_pass(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EAGAIN;
}

static void say_not_up(int r)
{
	static bool said;

	if (!may_pass(r)) {
		settings.threads = THREADS_NONE;
		say("green threads do not work here (%s); threads stay native", strerror(-r));
	} else if (!said) {
		said = true;
		say("no green threads for now (%s); threads are native until there can be", strerror(-r));
	}
}

static struct rawlock bring_up_lock;

static int ensure_up(void)
{
	int r = 0;

	if (LIKELY(sched.main != NULL))
		return 0;
	rawlock_take(&bring_up_lock);
	if (!sched.main && (r = bring_up()) < 0)
		say_not_up(r);
	rawlock_drop(&bring_up_lock);
	return r;
}

/* A native thread forks when all is up or nothing is; while there is a coroutine, all is, and nothing changes beside
 * the only thread. */
static bool forks_beside_others(void)
{
	return !coro_self && !__libc_single_threaded;
}

void green_before_fork(void)
{
	if (forks_beside_others())
		rawlock_take(&bring_up_lock);
}

void green_after_fork_parent(void)
{
	if (forks_beside_others())
		rawlock_drop(&bring_up_lock);
}

void green_after_fork_child(void)
{
	if (atomic_load(&bring_up_lock.word))
		bring_up_lock = (struct rawlock){ 0 };
}

int green_bring_up(void)
{
	int r = ensure_up();

	return sched.main ? 0 : r;
}

int green_create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	int err;

	if (ensure_up() < 0 || settings.threads == THREADS_NONE)
		return GREEN_NOT_HERE;
	err = create(t, attr, start, arg);
	if (err == 0) {
		python_thread_started();
		monitor_thread_started();
		watch_thread_started();
	}
	return err;
}

_Noreturn void green_exit(struct coro *me, void *result)
{
	me->is_ending = true;
	if (me->green)
		me->green->result = result;
	else
		main_exit_begins(me, result);
	libc.pthread_exit(result);
	__builtin_unreachable();
}

_Noreturn void green_act_on_cancel(struct coro *me)
{
	green_exit(me, PTHREAD_CANCELED);
}

int coro_ended_early(struct coro *me)
{
	if (me->flow_of || me->carrier)
		return greenlet_ended_early(me);
	if (!me->is_routine)
		green_act_on_cancel(me);
	return coro_cancel_due(me) ? -ECANCELED : -ETIME;
}

static int claim(struct green *g, struct coro *me)
{
	struct coro *nobody = NULL;

	if (me == &g->co)
		return EDEADLK;
	if (atomic_load(&g->life) == GREEN_JOINED)
		return ESRCH;
	if (atomic_load(&g->detached))
		return EINVAL;
	/* It joins us: neither would ever end. */
	if (me && me->green && atomic_load(&me->green->joiner) == &g->co)
		return EDEADLK;
	/* A second joiner is not told so: glibc makes it wait, too. */
	atomic_compare_exchange_strong(&g->joiner, &nobody, me ? me : JOINER_NATIVE);
	return 0;
}

static int await_end(struct green *g, deadline_t until)
{
	struct waiter native, *w = waitq_mine(&native);
	int r = 0;

	while (atomic_load(&g->life) == GREEN_ALIVE && r == 0) {
		waitq_add(w, &g->life);
		if (atomic_load(&g->life) != GREEN_ALIVE) {
			waitq_remove(w);
			break;
		}
		r = waitq_wait(w, until, WAITQ_CANCEL, "pthread_join");
	}
	return r;
}

int green_join(struct coro *target, void **result, deadline_t until)
{
	struct coro *me = coro_host();
	struct green *g = target->green;
	int r;

	if (!g)
		return me && me != target ? main_exit_join(me, result, until) : EDEADLK;
	r = claim(g, me);
	if (r)
		return r;
	r = await_end(g, until);
	if (r < 0) {
		struct coro *mine = me ? me : JOINER_NATIVE;

		atomic_compare_exchange_strong(&g->joiner, &mine, NULL);
		return r == -ECANCELED && me ? -coro_ended_early(me) : -r;
	}
	if (result)
		*result = g->result;
	reclaim(g);
	return 0;
}

int green_tryjoin(struct coro *target, void **result)
{
	struct green *g = target->green;

	if (!g || atomic_load(&g->life) == GREEN_ALIVE)
		return EBUSY;
	return green_join(target, result, NEVER);
}

int green_detach(struct coro *target)
{
	struct green *g = target->green;

	if (!g)
		return 0;
	if (atomic_load(&g->life) == GREEN_JOINED)
		return ESRCH;
	if (atomic_load(&g->joiner)) /* who waits for the end, and reclaims it then */
		return 0;
	if (atomic_exchange(&g->detached, true))
		return EINVAL;
	reclaim(g);
	return 0;
}
