/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool.  A job's life:
 *
 *   WAITED   from offload_run(): its coroutine is parked on the job's address
 *   DONE     set by the worker after run(): the job is the coroutine's again, the worker has forgotten it
 *   LEFT     set by the coroutine (timeout, signal, cancellation) or by offload_start(): the pool owns
 *            the job, and calls abandoned() after run()
 *
 * Whoever makes the exchange WAITED -> x first decides who frees it.  Short jobs queue when as many
 * workers as allowed are busy with short ones; a long one gets an idle worker or a new one.  Workers are plain
 * kernel threads: no record, no park, all signals blocked.  They take pool.lock, a raw one, and sleep
 * on a word of their own; conditions and mutexes of the program's kind are what we are called from.
 */
#include "offload.h"
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include "libc.h"
#include "native.h"
#include "raw.h"
#include "rawlock.h"
#include "settings.h"

#define IDLE_NS	   (10 * NS_PER_S)
#define STACK_SIZE (1 << 20) /* libc's resolver keeps its packets and hosts on the stack */
#define SHORT_MAX  8	     /* where the settings say nothing */
#define STOP_AGAIN_NS (5 * NS_PER_MS)

enum { JOB_WAITED, JOB_DONE, JOB_LEFT };

/* On the worker's own stack; all but `handed` under pool.lock. */
struct worker {
	struct worker *next; /* in pool.idle */
	struct offload_job *job;
	enum offload_kind kind; /* of job */
	_Atomic int handed;	/* 1: job is set, and the worker off the list */
};

static struct {
	struct rawlock lock;
	struct worker *idle;
	int busy_short; /* workers with, or being made for, a short job */
	struct offload_job *queue, **queue_end; /* short jobs above the limit */
} pool;

/* What a new worker starts with; freed by it. */
struct first {
	struct offload_job *job;
	enum offload_kind kind;
};

static int short_max(void)
{
	return settings.offload_threads > 0 ? settings.offload_threads : SHORT_MAX;
}

static void enqueue_locked(struct offload_job *job)
{
	job->next = NULL;
	if (!pool.queue)
		pool.queue_end = &pool.queue;
	*pool.queue_end = job;
	pool.queue_end = &job->next;
}

static void run_job(struct offload_job *job)
{
	int waited = JOB_WAITED;

	job->run(job);
	/* After DONE the job may be gone: the queue knows its address as a number only. */
	if (atomic_compare_exchange_strong(&job->state, &waited, JOB_DONE))
		waitq_wake(job, INT_MAX);
	else
		job->abandoned(job);
}

static bool take_queued_locked(struct worker *w)
{
	if (!pool.queue || pool.busy_short >= short_max())
		return false;
	w->job = pool.queue;
	w->kind = OFFLOAD_SHORT;
	pool.queue = w->job->next;
	pool.busy_short++;
	return true;
}

/* True: somebody handed it a job in the last moment. */
static bool retire(struct worker *w)
{
	bool handed;

	rawlock_take(&pool.lock);
	handed = atomic_load(&w->handed);
	if (!handed) {
		struct worker **at = &pool.idle;

		while (*at != w)
			at = &(*at)->next;
		*at = w->next;
	}
	rawlock_drop(&pool.lock);
	return handed;
}

/* False: nothing came for IDLE_NS and the worker is off the list. */
static bool next_job(struct worker *w)
{
	int64_t until;
	bool got;

	rawlock_take(&pool.lock);
	if (w->kind == OFFLOAD_SHORT)
		pool.busy_short--;
	got = take_queued_locked(w);
	if (!got) {
		atomic_store(&w->handed, 0);
		w->next = pool.idle;
		pool.idle = w;
	}
	rawlock_drop(&pool.lock);
	if (got)
		return true;
	until = now_ns() + IDLE_NS;
	while (!atomic_load_explicit(&w->handed, memory_order_acquire))
		if (futex_wait(&w->handed, 0, &until) == -ETIMEDOUT)
			return retire(w);
	return true;
}

static void *work(void *arg)
{
	struct first *first = arg;
	struct worker w = { .job = first->job, .kind = first->kind };

	free(first);
	raw2(SYS_prctl, PR_SET_NAME, "syncless-offload");
	do
		run_job(w.job);
	while (next_job(&w));
	return NULL;
}

/* 0 or an error number. */
static int make_worker(struct offload_job *job, enum offload_kind kind)
{
	struct first *first = malloc(sizeof(*first));
	pthread_t t;
	int err;

	if (!first)
		return ENOMEM;
	*first = (struct first){ job, kind };
	err = native_start(&t, STACK_SIZE, work, first);
	if (err)
		free(first);
	else
		libc.pthread_detach(t);
	return err;
}

/* No kernel thread to be had: the job waits for one of those at work on short ones, if there are any. */
static int unplaced(struct offload_job *job, enum offload_kind kind)
{
	bool queued = false;

	if (kind != OFFLOAD_SHORT)
		return -EAGAIN;
	rawlock_take(&pool.lock);
	if (--pool.busy_short > 0) {
		enqueue_locked(job);
		queued = true;
	}
	rawlock_drop(&pool.lock);
	return queued ? 0 : -EAGAIN;
}

static int place(struct offload_job *job, enum offload_kind kind)
{
	struct worker *w = NULL;
	bool queued;

	rawlock_take(&pool.lock);
	queued = kind == OFFLOAD_SHORT && pool.busy_short >= short_max();
	if (queued) {
		enqueue_locked(job);
	} else {
		if (kind == OFFLOAD_SHORT)
			pool.busy_short++;
		w = pool.idle;
		if (w) {
			pool.idle = w->next;
			w->job = job;
			w->kind = kind;
			atomic_store(&w->handed, 1); /* w may be gone from here on */
		}
	}
	rawlock_drop(&pool.lock);
	if (w)
		futex_wake(&w->handed, 1);
	return w || queued || make_worker(job, kind) == 0 ? 0 : unplaced(job, kind);
}

int offload_start(struct offload_job *job, enum offload_kind kind)
{
	atomic_store(&job->state, JOB_LEFT);
	return place(job, kind);
}

static bool is_done(struct offload_job *job)
{
	return atomic_load(&job->state) == JOB_DONE;
}

/* The caller is the coroutine whose waiter waitq_mine() gives. */
static int await_done(struct offload_job *job, deadline_t until, int flags, const char *why)
{
	struct waiter *w = waitq_mine(NULL);
	int r = 0;

	while (r == 0 && !is_done(job)) {
		waitq_add(w, job);
		if (is_done(job))
			waitq_remove(w);
		else
			r = waitq_wait(w, until, flags, why);
	}
	return r;
}

static void stop_and_await(struct offload_job *job, const char *why)
{
	do
		job->stop(job);
	while (await_done(job, deadline_in(STOP_AGAIN_NS), 0, why) < 0);
}

bool offload_leave(struct offload_job *job)
{
	int waited = JOB_WAITED;

	return !atomic_compare_exchange_strong(&job->state, &waited, JOB_LEFT);
}

int offload_run(struct coro *me, struct offload_job *job, enum offload_kind kind, deadline_t until, int flags,
		const char *why)
{
	int r;

	(void)me;
	atomic_store(&job->state, JOB_WAITED);
	r = place(job, kind);
	if (r < 0)
		return r;
	r = await_done(job, until, flags, why);
	if (r < 0 && job->stop)
		stop_and_await(job, why);
	else if (r < 0 && offload_leave(job))
		r = 0; /* it has run in the last moment */
	return r;
}

void offload_before_fork(void)
{
	rawlock_take(&pool.lock);
}

void offload_after_fork_parent(void)
{
	rawlock_drop(&pool.lock);
}

/* Neither workers nor those who wait for them exist here. */
void offload_after_fork_child(void)
{
	pool.lock = (struct rawlock){ 0 };
	pool.idle = NULL;
	pool.busy_short = 0;
	pool.queue = NULL;
}
