/* SPDX-License-Identifier: Apache-2.0
 *
 * A native thread that lives beside the host for as long as green threads do.
 *
 * It starts with one of them, ends when it finds none, and is gone by the time a program without any forks,
 * which thereby has one kernel thread.  The next one starts after the last has been joined, so that one stack
 * serves them all.
 *
 * Who moves the state: the starter NONE -> RESTS; itself RESTS <-> WORKS, RESTS -> NAPS, RESTS -> NONE;
 * whoever wakes it NAPS -> RESTS; a fork without green threads RESTS or NAPS -> STOPS -> NONE.
 */
#ifndef SYNCLESS_COMPANION_H
#define SYNCLESS_COMPANION_H

#include <pthread.h>
#include <stdatomic.h>
#include "base.h"
#include "rawlock.h"

enum { COMPANION_NONE, COMPANION_RESTS, COMPANION_WORKS, COMPANION_NAPS, COMPANION_STOPS };

struct companion {
	void *(*main)(void *);
	size_t stack_size;
	struct rawlock lock; /* starting and stopping */
	_Atomic int state;
	pthread_t thread;
	bool to_join;
};

/* Starts it unless it lives.  A failure is silent: the next green thread tries again. */
void companion_start(struct companion *c);

/* The rest are its own verbs.  False: it must return from main. */
bool companion_rest(struct companion *c, int64_t ns);
/* False: it must stop, and is told so by companion_rest().  In between a fork does not wait for it. */
bool companion_begin_work(struct companion *c);
void companion_end_work(struct companion *c);
/* True: it was not needed twice in a row, and must return.  *times, 0 at first, counts how often it was not. */
bool companion_may_end(struct companion *c, bool is_needed(void), int *times);

/* Sleeps until companion_wake(), or a fork.  `announce` is called when a wake would be heard. */
void companion_nap(struct companion *c, void announce(void));
void companion_wake(struct companion *c);

/* Ends it if no green thread is left.  The caller may hold what it works for: a working one stays. */
void companion_before_fork(struct companion *c);
void companion_after_fork_child(struct companion *c);

#endif
