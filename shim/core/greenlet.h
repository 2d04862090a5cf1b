/* SPDX-License-Identifier: Apache-2.0
 *
 * Greenlets in the scheduler.  The words are those of glue.h: a flow is what waits, a carrier the thread that
 * it runs on.
 *
 * Two levels.  The run queue of sched.c has threads and native coroutines.  A carrier is one of them and has a
 * run queue of its own, of its flows that are ready.  While some are, the carrier is running or ready; when
 * none is, it parks as a whole, in the call of the flow that ran last.  So to everybody else it is a thread
 * that waits.
 *
 * A thread without a carrier knows no flows: its record is what waits, whatever greenlets it may have, for only
 * one of them can be in a call of ours.  It gets one when the module makes the first flow in it.
 *
 * In a carrier the verbs of wait.h and waitq.h ask coro_flow() who waits.  Locks and conditions of the
 * interpreter itself are waited for by the thread as a whole: no other greenlet could run, it would need the
 * same thread state.
 */
#ifndef SYNCLESS_GREENLET_H
#define SYNCLESS_GREENLET_H

#include "coro.h"

struct carrier;

/* coro_flow() of a carrier. */
struct coro *greenlet_flow(struct coro *thread);

/* Who waits when the thread `me` does: its running greenlet, or itself. */
static inline struct coro *coro_flow(struct coro *me)
{
	return LIKELY(!me || !me->carrier) ? me : greenlet_flow(me);
}

/* sched.c's verbs for flows. */
void greenlet_park(struct coro *flow);
void greenlet_yield(struct coro *flow);
/* poll: the number of the poll of the loop that has woken it; 0: it was none. */
void greenlet_ready(struct coro *flow, unsigned poll);

/* coro_ended_early() for flows, and for threads that the module has set a limit for: -errno. */
int greenlet_ended_early(struct coro *me);

/* Has it been told so often that something is due that the wait of a lock must not end for that again? */
bool greenlet_is_deaf(const struct coro *co);
/* Has it tried again so often that its waits for descriptors run their course, so that it spins no more? */
bool greenlet_is_stubborn(const struct coro *co);

/* A handler has run that interrupts calls of `thread`, a carrier: the greenlet that the interpreter's handlers
 * run in. */
void greenlet_interrupted(struct coro *thread, int note);

/* May the interpreter's own handler wait until that greenlet has the thread?  It runs then: what the program's
 * handler raises is for the main greenlet. */
bool greenlet_defers(struct coro *thread, int sig, const void *handler);

/* A thread parks: does it take the GIL along?  Then no greenlet of others can run till it is back. */
extern bool greenlets_exist;
void greenlet_thread_parks(struct coro *thread);
void greenlet_thread_is_back(struct coro *thread);

/* While more than 0 the waits of the carrier `me` are the thread's. */
void greenlet_count_whole(struct coro *me, int change);
bool greenlet_is_whole(const struct coro *me);

/* After an unlock: lets `owed`, which others have taken the lock from before, run before the caller.  Between
 * greenlets of one thread that cannot be done at once, for the caller is in the midst of a call with the GIL
 * (CPython posts the semaphore of a lock before it is done with the lock); the lock is promised to it. */
void greenlet_give_way(struct coro *me, struct coro *owed, const void *lock);
/* Is it promised to another greenlet of the thread? */
bool greenlet_is_promised(const struct coro *me, const void *lock);
static inline bool greenlet_stands_back(const void *lock)
{
	struct coro *me = coro_self;

	return UNLIKELY(me && me->carrier) && greenlet_is_promised(me, lock);
}

/* A lock of the interpreter's own is waited for: true if that is by a carrier, which greenlet_leave_whole()
 * must follow. */
static inline bool greenlet_enter_whole(bool is_interpreters)
{
	struct coro *me = coro_self;

	if (LIKELY(!me || !me->carrier) || !is_interpreters)
		return false;
	greenlet_count_whole(me, 1);
	return true;
}

static inline void greenlet_leave_whole(bool entered)
{
	if (UNLIKELY(entered) && coro_self->carrier)
		greenlet_count_whole(coro_self, -1);
}

/* sigaction() of GLUE_SIGNAL by the module. */
bool greenlet_notes_handler(void (*handler)(int));

/* The calling thread poses as the interpreter's main one, to the caller of pthread_self(). */
bool greenlet_poses(const struct coro *me, const void *caller);

struct glue_hooks;
const struct glue_calls *greenlet_connect(const struct glue_hooks *module);

void greenlet_after_fork_child(void);
int greenlet_verify(void);

#endif
