/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop seen from the core: one libev loop per host thread.  loop.c is the only file that
 * knows libev.  Callbacks only mark coroutines ready; they never switch.
 */
#ifndef SYNCLESS_LOOP_H
#define SYNCLESS_LOOP_H

#include "base.h"

struct fdrec;
struct watch; /* the libev watchers of one fd */

/* Idempotent; the verbs below call it when they find no loop (a forked child).  0 or -errno.  Host only, as all
 * below but loop_kick(). */
int loop_init(void);
/* Is it for the kernel thread that made it alone? */
bool loop_is_one_threads(void);

/* One round: polls, blocking until the next timer when `block`, then runs timers and remote wakes. */
void loop_run(bool block);

/* The part of a round that needs no system call, at the time t. */
void loop_settle(int64_t t);

/* Ends a blocking poll.  From any thread and from signal handlers. */
void loop_kick(void);
/* How it waits, as SYNCLESS_BACKEND names it; and libev's version, major and minor. */
const char *loop_backend(void);
void loop_version(int version[2]);

/* Starts what `want` (WAIT_READ, WAIT_WRITE) needs; idempotent.  A watcher stays active until it fires
 * with nobody waiting.  0, -ENOMEM or -EMFILE. */
int loop_watch(struct fdrec *f, short want);
/* The same, and stops what `want` does not need. */
int loop_watch_only(struct fdrec *f, short want);
/* Before the fd is closed: libev must not keep a watcher on a number that may be reused. */
void loop_unwatch(struct fdrec *f);

/* In a forked child: the parent's loop is left alone but for its descriptors. */
void loop_after_fork_child(void);

#endif
