/* SPDX-License-Identifier: Apache-2.0
 *
 * Native coroutines: a stack of their own, and the thread-local storage of the thread that hosts them.  A green thread
 * is a pthread and costs some kilobytes; one of these costs its record and the pages that its stack has touched.
 *
 * They are made by syncless_spawn() alone.  All of them, and the host's own flow, share one errno, which is kept for
 * each of them across a switch (sched.c).
 */
#ifndef SYNCLESS_ROUTINE_H
#define SYNCLESS_ROUTINE_H

#include "coro.h"

/* Who moves it to which state:
 *   ALIVE    its creator
 *   ENDED    itself, off its own stack: joiners may take the result
 *   TAKEN    the one that frees it: its joiner, or whoever finds it ended and detached  */
enum routine_life { ROUTINE_ALIVE, ROUTINE_ENDED, ROUTINE_TAKEN };

struct routine {
	struct coro co;
	_Atomic int life;
	_Atomic bool detached;
	void *(*start)(void *);
	void *arg, *result;
	void **values;				   /* by key; NULL: none */
	void (*destroy_values)(struct routine *r); /* while there are some */
	char *stack;
	size_t stack_size, colour; /* bytes at its top that are left out */
	struct routine *next_idle;
};

/* NULL with errno: ENOMEM, EAGAIN (no host to be had).  stack_size 0: the default.  From any thread. */
struct routine *routine_spawn(void *(*start)(void *), void *arg, size_t stack_size);

/* Parks until it has ended, and frees it.  0 or an error number: EDEADLK (itself), EINVAL (detached), ECANCELED, ETIME.
 * From any thread. */
int routine_join(struct routine *r, void **result);
int routine_detach(struct routine *r);
/* Its waits fail from now on.  From any thread. */
void routine_cancel(struct routine *r);

#define ROUTINE_KEYS 64

/* On a stack that shares the host's thread-local storage, right after the switch to it: a sanitizer, which knows one
 * stack a thread, is told that it is this one now. */
#if defined(__SANITIZE_ADDRESS__)
void routine_landed(const struct coro *co);
#else
static inline void routine_landed(const struct coro *co)
{
	(void)co;
}
#endif

/* How many live. */
extern _Atomic int routines_alive;

void routine_after_fork_child(void);

#endif
