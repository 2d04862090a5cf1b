/* SPDX-License-Identifier: Apache-2.0
 *
 * See routine.h.  Records and stacks of one size are kept for the next ones, the last used first, since its pages are
 * warm; beyond IDLE_MAX they go back to the stack pool, which gives the memory back to the kernel.
 */
#include "routine.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hostlock.h"
#include "rawlock.h"
#include "settings.h"
#include "sigmask.h"
#include "switch.h"
#include "thread.h"

enum { DEFAULT_STACK = 64 << 10, LEAST_STACK = 16 << 10, GUARD = 4096, IDLE_MAX = 1024 };

/* Stacks begin at multiples of pages, so what all of them use most would share a few places of the cache. */
enum { COLOURS = 16, COLOUR = 128 };
static _Atomic unsigned made;

_Atomic int routines_alive;

static struct rawlock idle_lock;
static struct routine *idle; /* of the default size */
static int nidle;

static struct routine *take_idle(void)
{
	struct routine *r;

	rawlock_take(&idle_lock);
	r = idle;
	if (r) {
		idle = r->next_idle;
		nidle--;
	}
	rawlock_drop(&idle_lock);
	return r;
}

static struct routine *new_body(size_t size)
{
	struct routine *r;

	if (posix_memalign((void **)&r, _Alignof(struct routine), sizeof(*r)) != 0)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->stack_size = size;
	r->colour = atomic_fetch_add(&made, 1) % COLOURS * COLOUR;
	if (stack_take(size, GUARD, &r->stack) < 0) {
		free(r);
		return NULL;
	}
	return r;
}

static void give_body(struct routine *r)
{
	bool keep;

	rawlock_take(&idle_lock);
	keep = r->stack_size == DEFAULT_STACK && nidle < IDLE_MAX;
	if (keep) {
		r->next_idle = idle;
		idle = r;
		nidle++;
	}
	rawlock_drop(&idle_lock);
	if (keep)
		return;
	stack_give(r->stack, r->stack_size, GUARD);
	free(r->co.ucontext);
	free(r);
}

/* Frees it if it has ended and this caller is the one to do so. */
static void reclaim(struct routine *r)
{
	int ended = ROUTINE_ENDED;

	if (atomic_compare_exchange_strong(&r->life, &ended, ROUTINE_TAKEN))
		give_body(r);
}

/* On the next coroutine's stack. */
static void after_end(struct coro *co)
{
	struct routine *r = CONTAINER_OF(co, struct routine, co);

	hostlock_owner_ends(co);
	borrowed_end(&co->borrowed);
	sched_remove(co);
	sig_count_mask(co, -1);
	sig_apply_mask();
	atomic_fetch_sub(&routines_alive, 1);
	atomic_store(&r->life, ROUTINE_ENDED);
	if (atomic_load(&r->detached))
		reclaim(r);
	else
		waitq_wake(&r->life, INT_MAX);
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>

void routine_landed(const struct coro *co)
{
	static char *main_stack;
	static size_t main_size;
	const struct routine *r = CONTAINER_OF(co, struct routine, co);
	pthread_attr_t attr;

	if (!co->is_routine && !main_size && pthread_getattr_np(pthread_self(), &attr) == 0) {
		pthread_attr_getstack(&attr, (void **)&main_stack, &main_size);
		pthread_attr_destroy(&attr);
	}
	__sanitizer_start_switch_fiber(NULL, co->is_routine ? r->stack : main_stack,
				       co->is_routine ? r->stack_size : main_size);
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}
#endif

static void live(void *arg)
{
	struct routine *r = arg;

	routine_landed(&r->co);
	borrowed_enter(&r->co.borrowed);
	sched_landed();
	if (r->co.has_pending)
		sig_run_pending(&r->co);
	r->result = r->start(r->arg);
	if (r->values)
		r->destroy_values(r);
	/* A child that it has forked is a plain process, and its only thread ends here. */
	if (coro_self != &r->co)
		exit(0);
	sched_leave(&r->co, after_end);
	__builtin_unreachable();
}

static int prepare(struct routine *r, void *(*start)(void *), void *arg)
{
	struct coro *co = &r->co, *creator = coro_self;
	struct ucontext_t *ucontext = co->ucontext;

	memset(co, 0, sizeof(*co));
	co->ucontext = ucontext;
	r->start = start;
	r->arg = arg;
	r->result = NULL;
	atomic_store(&r->detached, false);
	co->borrows_tls = co->is_routine = co->is_guest = true;
	atomic_store(&co->keeps, KEEPS_SHARED);
	co->state = CORO_NEW;
	co->fs_base = sched.main->fs_base;
	co->thread = sched.main->thread;
	co->tid = sched.main->tid;
	co->fork_generation = sched.generation;
	co->altstack = (stack_t){ .ss_flags = SS_DISABLE };
	if (creator)
		co->mask = creator->mask;
	else
		sig_read_kernel_mask(&co->mask);
	if (settings.ucontext)
		return switch_prepare_ucontext(co, r->stack, r->stack_size, live, r);
	co->sp = switch_prepare(r->stack + r->stack_size - r->colour, live, r);
	return 0;
}

struct routine *routine_spawn(void *(*start)(void *), void *arg, size_t size)
{
	struct routine *r = NULL;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	size = size ? size : DEFAULT_STACK;
	size = size < LEAST_STACK ? LEAST_STACK : (size + page - 1) & ~(page - 1);
	if (green_bring_up() < 0) {
		errno = EAGAIN;
		return NULL;
	}
	if (size == DEFAULT_STACK)
		r = take_idle();
	if (!r && !(r = new_body(size))) {
		errno = ENOMEM;
		return NULL;
	}
	sched_share_tls();
	borrowed_begin();
	if (prepare(r, start, arg) < 0) {
		give_body(r);
		errno = ENOMEM;
		return NULL;
	}
	atomic_store(&r->life, ROUTINE_ALIVE);
	atomic_fetch_add(&routines_alive, 1);
	coro_launch(&r->co);
	return r;
}

int routine_join(struct routine *r, void **result)
{
	struct waiter native, *w = waitq_mine(&native);
	struct coro *me = coro_self;
	int err = 0;

	if (me == &r->co)
		return EDEADLK;
	if (atomic_load(&r->detached))
		return EINVAL;
	while (atomic_load(&r->life) == ROUTINE_ALIVE && err == 0) {
		waitq_add(w, &r->life);
		if (atomic_load(&r->life) != ROUTINE_ALIVE) {
			waitq_remove(w);
			break;
		}
		err = waitq_wait(w, NEVER, WAITQ_CANCEL, "syncless_join");
	}
	if (err < 0)
		return me ? -coro_ended_early(me) : -err;
	if (result)
		*result = r->result;
	reclaim(r);
	return 0;
}

int routine_detach(struct routine *r)
{
	if (atomic_exchange(&r->detached, true))
		return EINVAL;
	reclaim(r);
	return 0;
}

void routine_cancel(struct routine *r)
{
	atomic_store(&r->co.cancel_requested, true);
	if (&r->co != coro_self)
		coro_unpark(&r->co);
}

void routine_after_fork_child(void)
{
	idle_lock = (struct rawlock){ 0 };
	atomic_store(&routines_alive, 0);
}
