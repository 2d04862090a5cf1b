/* SPDX-License-Identifier: Apache-2.0
 *
 * Which handlers the application has installed.  Between sigtable.c, which sets them, and handler.c, whose stub
 * stands in the kernel for all of them.
 */
#ifndef SYNCLESS_SIGTABLE_H
#define SYNCLESS_SIGTABLE_H

#include "handler.h"

/* The process; not so in a vfork child, which has handlers of its own and our memory. */
extern int sigtable_owner;

/* So many of the actions that a signal has had, one after another, are told apart. */
#define HANDLER_STUBS 4

/* What the kernel has handed to a stub.  Each action has a stub of its own, so it says which the signal has
 * met. */
struct arrival {
	int sig;
	siginfo_t *info;
	ucontext_t *uc;
	unsigned stub;
};

/* The last real handler; safe in handlers. */
struct action sigtable_get(int sig);
/* The one that it has met. */
struct action sigtable_met(const struct arrival *a);
/* sig_post() for a signal of the process.  False, and nothing is posted: the application has set another action
 * since, and whose, who does not block it, would never get it, or not as the handler it has met. */
bool sigtable_post(struct coro *whose, const struct arrival *a, const siginfo_t *info);
/* Has the handler met what is pending for me, and only then gone?  Once. */
bool sigtable_was_caught(struct coro *me, int sig);
/* SA_RESETHAND, unless another handler has been set since.  Not by sig_action(): a vfork child may come here, and
 * errno is not ours. */
void sigtable_reset_if_once(int sig, const struct action *ran);
void sigtable_after_fork_child(void);

/* handler.c */
extern handler_fn *const handler_stubs[HANDLER_STUBS];

#endif
