/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking the scheduler away from a thread that does not come to it.
 *
 * A *seat* is a kernel thread that can be the host: the one that was it first, and spare ones made when
 * needed.  Each has a flow of its own, on a stack and a thread record of its own, which runs there while no
 * coroutine does.
 *
 * A green thread, or main, that runs its own code for long (work without the GIL, a system call that does not
 * come through us) keeps the kernel thread that it is on and loses the scheduler: it is *alone*, and to the
 * others what a native thread is.  A spare seat becomes the host.  At its next call that may park, one that is
 * alone leaves its kernel thread, which is a spare one again, and queues for the host (handoff_come_back).
 *
 * Who decides: the monitor (monitor.h), in handoff_try().  The host writes its seat's `outside` and then reads
 * sched.wanted, the monitor writes `wanted`, has the kernel put a barrier into every running thread, and
 * reads `outside`: one of them sees the other.  If the host is outside then, it is until the monitor is done,
 * for its next call waits in handoff_settle(); so the monitor may touch what is the host's.
 *
 * Who cannot lose it: one whose thread-local storage others need (coroutines, greenlets: coro.keeps), one in
 * a signal handler, and all while a mutex is held whose owner the kernel knows (hostlock.h), for that is the
 * kernel thread.
 */
#ifndef SYNCLESS_HANDOFF_H
#define SYNCLESS_HANDOFF_H

#include <pthread.h>
#include <stdatomic.h>
#include "base.h"
#include "coro.h"

struct seat {
	int tid;
	pthread_t thread; /* what the kernel thread was made for, */
	unsigned long fs; /* and its record, which the kernel and glibc's own signals know */
	void *sp;	  /* the seat's own flow, while a coroutine runs here */
	unsigned long own_fs;
	struct coro *came; /* from here, to its own flow: was alone, is off its stack, wants to go back */
	/* The coroutine that runs here is in code of the application; of the host's seat: it may lose the
	 * scheduler.  Written by this kernel thread alone. */
	_Atomic bool outside;
	_Atomic int word;  /* SEAT_*, a futex of its own flow's */
	struct seat *heir; /* its own flow makes that one the host */
	void *altstack;	   /* of handlers that run here, but on the first */
	bool is_first;
	/* Under handoff.c's lock. */
	bool has_alone;	 /* one that is alone runs here */
	uint64_t nudged; /* signals sent to this kernel thread so, bit sig - 1 */
	uint64_t mask;	 /* the kernel's, while the last one was alone here */
	struct seat *next, *next_spare;
};

/* The caller becomes the first host. */
void handoff_adopt_host(void);

/* The monitor's verbs, for it alone.  What keeps the current thread from losing the scheduler now: NULL, and
 * it has lost it; or a reason, for the watch. */
const char *handoff_try(void);
/* It may have to be tried soon: what can be done beforehand. */
void handoff_prepare(void);
/* Why the last try for this stretch of the host's was in vain, for the watch; NULL: there was none. */
const char *handoff_refused(unsigned long switches);
/* Not before the host has been this long in its own code, by what is known of the thread. */
int64_t handoff_patience_ns(void);
/* How many are alone and compute; and processors that the process may use. */
int handoff_computing(void);
int handoff_cores(void);
/* The host goes back to the kernel thread that was it first, when it next comes by, and spare seats end: the
 * one or the other a call, as far as it can be done now.  True: there is nothing left to do. */
bool handoff_wind_down(void);
/* For sched.c: the host's seat, whose own flow is to be entered; NULL: it is to stay. */
struct seat *handoff_leave_for_home(void);

/* No more of it in this process, says a call that changes the kernel thread and not the process. */
void handoff_forbid(const char *why);
/* Is it asked for, and possible as far as is known? */
bool handoff_is_on(void);
/* What this process or kernel is that it cannot be done here; NULL: nothing. */
const char *handoff_obstacle(void);

/* The pthread whose record has the tid of the host's kernel thread. */
pthread_t sched_host_thread(void);
/* The seat that a kernel thread is; NULL: none. */
struct seat *handoff_seat_of(int tid);

/* Sends sig to the kernel thread where the code of co runs now, if it does. */
void handoff_nudge(const struct coro *co, int sig, siginfo_t *info);
/* Would handoff_come_back() be true? */
bool handoff_may_come_back(const struct coro *me);
/* `me` is alone and its thread ends: no way around it. */
void handoff_must_come_back(struct coro *me);

struct handoff_counts {
	_Atomic unsigned long handoffs;
	_Atomic int alone;
	int seats, most; /* the first host included; the monitor's */
};
extern struct handoff_counts handoff_counts;

void handoff_before_fork(void);
void handoff_after_fork_child(void);

#endif
