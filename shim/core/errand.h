/* SPDX-License-Identifier: Apache-2.0
 *
 * A system call that an offload worker makes in the place of a coroutine, for what no descriptor tells the
 * readiness of: file locks, SysV queues and semaphores, disks.
 *
 * The worker is asleep in the kernel as a thread of the program would be, so order, deadlock detection and
 * errors are the kernel's own; and like such a thread it can be called back.  A waiter that is to end early
 * (signal, cancellation, close() of the descriptor) has the worker's system call broken off, and waits until it
 * is out.  If it had its result before that, then that is what the call returns, and the signal came after it:
 * so no lock, message or token is ever taken for somebody who has left, and nothing has to be undone.
 */
#ifndef SYNCLESS_ERRAND_H
#define SYNCLESS_ERRAND_H

#include "coro.h"
#include "fdtab.h"
#include "offload.h"
#include "wait.h"

struct errand {
	struct offload_job job;
	struct fdguard guard;
	long call[7];			  /* the system call's number and arguments */
	void (*prepare)(struct errand *); /* NULL, or to be done on the worker before each try */
	deadline_t until; /* for prepare(); -EAGAIN, too, if no worker can be had before it.  0: none */
	long result;	  /* or -errno */
	bool closed;	  /* guarded descriptor: so it was */
	int raised;	  /* the signal that the kernel meant for the caller, or 0 */
	_Atomic int broken;
	_Atomic int tid; /* of the worker while it is in the system call, or about to be */
	/* What the arguments point to, unless it can be counted on to stay where it is. */
	char data[] __attribute__((aligned(16)));
};

/* NULL: no memory. */
struct errand *errand_new(size_t data);

/* Parks until the worker has made the call.  fd: which it is on, -1: none.  The result; or -EINTR (flags as
 * for waitq_wait), -EBADF if fd was closed meanwhile, -ECANCELED.  Where no worker is to be had it waits for
 * one; but the caller makes a short call itself, outside, and blocks its kernel thread.  Leaves errno alone. */
long errand_run(struct coro *me, struct errand *e, int fd, enum offload_kind kind, int flags, const char *why);

/* The end: e is freed, a cancellation acted on.  Returns r, or what the cancelled call fails with. */
long errand_end(struct coro *me, struct errand *e, long r);

/* The wait that me was in was left by longjmp(). */
void errand_forsake(struct coro *me);

#endif
