/* SPDX-License-Identifier: Apache-2.0
 *
 * A few native kernel threads for what cannot be done without blocking one: libc's own resolver, joining a
 * native thread, semaphores shared with another process.
 *
 * A job belongs to the pool from offload_run() until it has run.  Jobs never share a queue slot with a job
 * that may take for ever: a worker is made for each job that finds none idle, up to
 * SYNCLESS_OFFLOAD_THREADS for OFFLOAD_SHORT ones (the others queue), without bound for OFFLOAD_LONG ones.
 */
#ifndef SYNCLESS_OFFLOAD_H
#define SYNCLESS_OFFLOAD_H

#include <stdatomic.h>
#include "base.h"
#include "coro.h"

enum offload_kind { OFFLOAD_SHORT, OFFLOAD_LONG };

struct offload_job {
	void (*run)(struct offload_job *);	 /* on a worker: blocks as it likes, with all signals blocked */
	void (*abandoned)(struct offload_job *); /* on a worker, after run, if the waiter left: undo, free */
	void (*stop)(struct offload_job *); /* NULL, or makes run() return soon; may be called repeatedly */
	struct offload_job *next;
	_Atomic int state;
};

/* Parks `me` while a worker runs the job, which must lie on the heap if it can be left early (flags != 0).
 * 0: it has run and is the caller's again.  -ETIMEDOUT, -EINTR, -ECANCELED (flags as for waitq_wait): the
 * waiter has left, the pool owns the job and will call abandoned().  -EAGAIN: no worker could be made,
 * nothing has run.  With flags 0 and until NEVER it returns 0 or -EAGAIN only.
 * Nobody leaves a job that has a stop(): who is to, calls it and waits until it has run.  So the job is the
 * caller's again after each result. */
int offload_run(struct coro *me, struct offload_job *job, enum offload_kind kind, deadline_t until, int flags,
		const char *why);

/* The same with nobody waiting: abandoned() is called after run(), on the worker.  0 or -EAGAIN. */
int offload_start(struct offload_job *job, enum offload_kind kind);

/* Of a job whose waiter will not come back: has it run, and is it the caller's again? If not, the pool owns
 * it. */
bool offload_leave(struct offload_job *job);

void offload_before_fork(void);
void offload_after_fork_parent(void);
void offload_after_fork_child(void);

#endif
