/* SPDX-License-Identifier: Apache-2.0
 *
 * The monitor: a native thread that lives while green threads do, and looks whether the host comes to its
 * scheduler.
 *
 * When it has not for a while, one of two things is the case.  It computes under the interpreter's lock: the
 * monitor asks for that, and the eval loop gives way (pyhost.c).  Or it is in C code, without that lock or
 * without any interpreter: then it loses the scheduler (handoff.h).
 */
#ifndef SYNCLESS_MONITOR_H
#define SYNCLESS_MONITOR_H

/* A green thread was started. */
void monitor_thread_started(void);
/* The host has left the loop and sched.monitor_naps is set. */
void monitor_host_woke(void);
/* On the monitor's thread: it waits for the interpreter's lock and has not got it yet, for the holder may be
 * waiting for the host itself.  Does nothing on others. */
void monitor_still_waits(void);
/* Ends it if no green thread is left, so that a fork finds one kernel thread. */
void monitor_before_fork(void);
/* Before any handler of fork() has run.  One of an allocator's own (jemalloc, tcmalloc) takes all its locks, and then a
 * kernel thread of ours that nobody needs any more could not end. */
void monitor_before_handlers(void);
void monitor_after_fork_child(void);

#endif
