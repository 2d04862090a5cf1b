/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of green threads: how one is made, kept and given back.
 *
 * Made.  glibc's own pthread_create makes the pthread, so that its stack, TLS, dtv and struct pthread are
 * valid.  On the new kernel thread (the transient one; all its signals are blocked) body_main() points the kernel's
 * clear-tid address at a word of ours, saves its registers and ends that kernel thread alone by a bare exit.
 * The creator waits for the kernel to clear the word, after which nobody runs on the stack, and stores a
 * unique fake tid in the record, so that glibc's owner checks tell green threads apart.  The kernel must
 * never clear glibc's word: from 2.43 that would free the stack.
 *
 * Kept.  A thread that returned from its start routine leaves its body idle, parked inside body_main().
 *
 * Given back.  Bodies that were left by pthread_exit (glibc's record says "exiting" for ever), stand on
 * the application's stack, or are too many, go home: a bare clone continues them on a new kernel thread, where
 * they return into glibc's own thread exit, and we join that.
 */
#include "body.h"
#include <linux/rseq.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include "libc.h"
#include "native.h"
#include "rawlock.h"
#include "settings.h"
#include "switch.h"

#define IDLE_MAX 1024  /* idle bodies beyond this go home */
#define IDLE_WARM 32   /* the first ones keep their stack's memory: they are reused soonest */
#define FIRST_TID ((1 << 22) + 1)
#define LAST_TID ((1 << 30) - 2)
#define COLOURS 8
#define COLOUR_STEP 128

/* {bits of the field, count, offset}: exported for debuggers, GLIBC_PRIVATE. */
static const uint32_t *tid_place;
static const ptrdiff_t *rseq_offset;
static size_t default_size, default_guard;
static bool keep_bodies;

static struct rawlock creation, idle_lock;
static struct green *idle;
static int idle_count;
static _Atomic int last_tid = FIRST_TID - 1;

void body_creation_lock(void)
{
	rawlock_take(&creation);
}

void body_creation_unlock(void)
{
	rawlock_drop(&creation);
}

int *thread_tid_word(pthread_t t)
{
	return tid_place ? (int *)((char *)t + tid_place[2]) : NULL;
}

int body_next_tid(void)
{
	int tid = atomic_fetch_add(&last_tid, 1) + 1;

	if (tid >= LAST_TID)
		atomic_store(&last_tid, FIRST_TID - 1);
	return tid;
}

int body_init(void)
{
	pthread_attr_t attr;

	tid_place = dlsym(RTLD_DEFAULT, "_thread_db_pthread_tid");
	if (!tid_place || tid_place[0] != 32 || *thread_tid_word(pthread_self()) != (int)raw1(SYS_gettid, 0)) {
		tid_place = NULL;
		return -ENOSYS;
	}
	rseq_offset = dlsym(RTLD_DEFAULT, "__rseq_offset");
	/* A sanitizer keeps its own thread record in TLS, which must not be reset under it. */
	keep_bodies = !dlsym(RTLD_DEFAULT, "__asan_init") && !dlsym(RTLD_DEFAULT, "__tsan_init");
	if (pthread_getattr_default_np(&attr) != 0)
		return -ENOSYS;
	pthread_attr_getstacksize(&attr, &default_size);
	pthread_attr_getguardsize(&attr, &default_guard);
	pthread_attr_destroy(&attr);
	return 0;
}

/* On the transient kernel thread.  False: something is not as we know it; the thread ends natively. */
static bool detach_from_kernel(struct green *g)
{
	int *home = NULL;

	g->tid_word = thread_tid_word(pthread_self());
	if (*g->tid_word != (int)raw1(SYS_gettid, 0))
		return false;
	if (raw2(SYS_prctl, PR_GET_TID_ADDRESS, &home) < 0)
		home = g->tid_word; /* no checkpoint support in this kernel; right up to glibc 2.42 */
	g->home_word = home;
	g->co.fs_base = switch_read_fs();
	raw1(SYS_set_tid_address, &g->clear_word);
	return true;
}

static void *body_main(void *arg)
{
	struct green *g = arg;

	if (!detach_from_kernel(g))
		return NULL;
	coro_self = &g->co;
	switch_publish_and_exit(&g->co.sp);
	/* From here on whoever switched to us is a host.  Returns on a kernel thread of its own: home. */
	green_live(g);
	coro_self = NULL;
	return NULL;
}

/* The kernel's wake of a clear-tid address is a shared one, whatever memory it lies in. */
static void await_clear(struct green *g)
{
	int word;

	while ((word = atomic_load_explicit(&g->clear_word, memory_order_acquire)) != 0)
		raw4(SYS_futex, &g->clear_word, FUTEX_WAIT, word, 0);
}

static void forget_rseq(struct green *g)
{
	struct rseq *area;

	if (!rseq_offset || !*rseq_offset)
		return;
	area = (struct rseq *)(g->co.fs_base + (unsigned long)*rseq_offset);
	area->cpu_id_start = 0;
	area->cpu_id = (uint32_t)RSEQ_CPU_ID_UNINITIALIZED; /* sched_getcpu() then asks the kernel */
}

/* A pthread on the memory at top - size; 0 or an error number of pthread_create. */
static int make_pthread(struct green *g, char *lowest, size_t size)
{
	pthread_attr_t attr;
	uint64_t saved;
	int err;

	pthread_attr_init(&attr);
	err = pthread_attr_setstack(&attr, lowest, size);
	if (!err) {
		atomic_store(&g->clear_word, 1);
		body_creation_lock();
		raw_block_signals(&saved);
		err = libc.pthread_create(&g->co.thread, &attr, body_main, g);
		if (!err)
			await_clear(g);
		raw_restore_signals(&saved);
		body_creation_unlock();
	}
	pthread_attr_destroy(&attr);
	return err;
}

struct shape {
	void *own; /* the application's stack, or NULL */
	size_t size, guard;
};

static struct shape shape_of(const pthread_attr_t *attr)
{
	struct shape s = { NULL, default_size, default_guard };
	void *lowest;

	if (!attr)
		return s;
	pthread_attr_getguardsize(attr, &s.guard);
	pthread_attr_getstack(attr, &lowest, &s.size);
	if ((uintptr_t)lowest + s.size != 0) /* glibc keeps the top; NULL: not set */
		s.own = lowest;
	else if (!s.size)
		s.size = default_size;
	s.guard = (s.guard + 4095) & ~4095ul;
	if (!s.own)
		s.size = (s.size + 4095) & ~4095ul;
	return s;
}

static struct green *take_idle(const struct shape *s)
{
	struct green *g, **link;

	rawlock_take(&idle_lock);
	for (link = &idle; (g = *link) != NULL; link = &g->next_idle)
		if (g->stack_size == s->size && g->guard_size == s->guard)
			break;
	if (g) {
		*link = g->next_idle;
		idle_count--;
	}
	rawlock_drop(&idle_lock);
	return g;
}

static int make_body(const struct shape *s, struct green **made)
{
	static _Atomic unsigned colour;
	struct green *g = aligned_alloc(_Alignof(struct green), sizeof(*g));
	char *lowest = s->own;
	size_t more = 0;
	int err;

	if (!g)
		return EAGAIN;
	memset(g, 0, sizeof(*g));
	g->own_stack = s->own != NULL;
	g->stack_size = s->size;
	g->guard_size = s->guard;
	if (!lowest) {
		/* Up to a page more than asked for, so that tops that would share cache sets can be shifted;
		 * the lowest byte is always the one above the guard. */
		if (stack_take(s->size + 4096, s->guard, &g->stack) < 0) {
			free(g);
			return EAGAIN;
		}
		more = 4096 - atomic_fetch_add(&colour, 1) % COLOURS * COLOUR_STEP;
		lowest = g->stack;
	}
	err = make_pthread(g, lowest, s->size + more);
	if (!err && !g->co.sp) { /* it ended natively */
		libc.pthread_join(g->co.thread, NULL);
		err = GREEN_NOT_HERE;
	}
	if (err) {
		if (g->stack)
			stack_give(g->stack, s->size + 4096, s->guard);
		free(g);
		return err;
	}
	forget_rseq(g);
	*made = g;
	return 0;
}

int body_take(const pthread_attr_t *attr, struct green **g)
{
	struct shape s = shape_of(attr);

	*g = s.own ? NULL : take_idle(&s);
	return *g ? 0 : make_body(&s, g);
}

/* To signal handlers it is alone, and blocks all: what comes is for others (handler.c). */
void body_make_seat(struct green *g, void *(*flow)(void *), void *arg)
{
	g->start = flow;
	g->arg = arg;
	g->is_seat = true;
	g->co.state = CORO_ALONE;
	g->co.green = g;
	g->co.tid = *g->tid_word = body_next_tid();
	g->co.fork_generation = sched.generation;
	sigfillset(&g->co.mask);
	sigemptyset(&g->co.pending);
	atomic_store(&g->co.keeps, KEEPS_ALONE);
}

/* The stack that is continued must be one that nobody runs on: we are on another. */
static void go_home(struct green *g)
{
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			      CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	uint64_t saved;
	long tid;

	g->going_home = true;
	body_creation_lock();
	raw_block_signals(&saved);
	tid = switch_clone(flags, g->co.sp, g->tid_word, g->home_word, g->co.fs_base);
	if (tid > 0)
		libc.pthread_join(g->co.thread, NULL);
	raw_restore_signals(&saved);
	body_creation_unlock();
	if (tid < 0)
		return; /* no kernel thread to be had: the memory of one thread stays */
	if (g->stack)
		stack_give(g->stack, g->stack_size + 4096, g->guard_size);
	free(g);
}

void body_give(struct green *g)
{
	bool keep = keep_bodies && !g->retired && !g->own_stack, warm = true;

	if (keep) {
		rawlock_take(&idle_lock);
		keep = idle_count < IDLE_MAX;
		if (keep) {
			warm = idle_count < IDLE_WARM;
			idle_count++;
		}
		rawlock_drop(&idle_lock);
	}
	if (!keep) {
		go_home(g);
		return;
	}
	if (!warm)
		stack_trim(g->stack, g->co.sp);
	rawlock_take(&idle_lock);
	g->next_idle = idle;
	idle = g;
	rawlock_drop(&idle_lock);
}

void body_before_fork(void)
{
	rawlock_take(&creation);
	rawlock_take(&idle_lock);
	stack_before_fork();
}

void body_after_fork_parent(void)
{
	stack_after_fork();
	rawlock_drop(&idle_lock);
	rawlock_drop(&creation);
}

/* glibc has thrown the other threads' records away; their memory stays, untouched, copied on write. */
void body_after_fork_child(void)
{
	stack_after_fork();
	idle = NULL;
	idle_count = 0;
	rawlock_drop(&idle_lock);
	rawlock_drop(&creation);
}
