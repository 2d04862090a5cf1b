/* SPDX-License-Identifier: Apache-2.0
 *
 * Deadlines of parked coroutines: a 4-ary heap of records, in ns.  libev has timers too, in floating
 * seconds and with millisecond sleeps; a shim under nanosleep() owes the caller more.
 */
#ifndef SYNCLESS_TIMER_H
#define SYNCLESS_TIMER_H

#include "base.h"

struct coro;

/* 0 or -ENOMEM; a record has one timer at most. */
int timer_start(struct coro *co, deadline_t at);
void timer_stop(struct coro *co);
deadline_t timer_next(void);
/* Marks all whose deadline is not after now timed_out and makes them ready; returns how many. */
int timer_expire(int64_t now);
void timer_forget_all(void);
int timer_verify(void);

#endif
