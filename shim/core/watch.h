/* SPDX-License-Identifier: Apache-2.0
 *
 * The blocking watch: says on stderr, once a place, what keeps the host from its scheduler.
 *
 * For whoever wonders why all threads stand still: one of them is in C code that waits in a system call of
 * its own or computes, so nobody else runs.  Off unless SYNCLESS_WATCH_MS is set.
 */
#ifndef SYNCLESS_WATCH_H
#define SYNCLESS_WATCH_H

/* A green thread was started. */
void watch_thread_started(void);

void watch_before_fork(void);
void watch_before_handlers(void); /* as monitor_before_handlers() */
void watch_after_fork_parent(void);
void watch_after_fork_child(void);

#endif
