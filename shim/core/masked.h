/* SPDX-License-Identifier: Apache-2.0
 *
 * The signal mask of ppoll, pselect and epoll_pwait.  The kernel swaps the mask and sleeps in one step, so
 * that a signal which only the new mask lets through cannot slip in between.  Here the same follows from
 * the order: older signals are forgotten as the call begins (coro_enter_wait()); then swap (what was pending
 * runs now), and wait without forgetting again (WAITQ_KEEP).  As in the kernel the caller looks at its
 * descriptors first: what is ready wins over a signal, and its handler does not run in this call.
 */
#ifndef SYNCLESS_MASKED_H
#define SYNCLESS_MASKED_H

#include "coro.h"
#include "sigmask.h"
#include "waitq.h"

/* 0, or -EINTR: a handler ran at once.  Either way masked_leave() must follow. */
static inline int masked_enter(struct coro *me, const sigset_t *mask, sigset_t *old)
{
	me->interruptible = true;
	sig_change_mask(me, mask, old);
	return me->interrupted ? -EINTR : 0;
}

/* Keeps errno. */
static inline void masked_leave(struct coro *me, const sigset_t *old)
{
	int saved = errno;

	me->interruptible = false;
	sig_change_mask(me, old, NULL);
	errno = saved;
}

#endif
