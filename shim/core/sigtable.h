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

/* The last real handler; safe in handlers. */
struct action sigtable_get(int sig);
/* sig_post() for a signal that the kernel has given to the stub, as the process's.  False, and nothing is
 * posted: the application has set another action since, and whose, who does not block it, would never get
 * it. */
bool sigtable_post(struct coro *whose, int sig, const siginfo_t *info);
/* Has the handler met what is pending for me, and only then gone?  Once. */
bool sigtable_was_caught(struct coro *me, int sig);
/* SA_RESETHAND.  Not by sig_action(): a vfork child may come here, and errno is not ours. */
void sigtable_reset_if_once(int sig, unsigned flags);
void sigtable_after_fork_child(void);

/* handler.c */
void handler_stub(int sig, siginfo_t *info, void *context);
/* handler_deliver(), to this one whatever is installed now. */
void handler_deliver_as(struct coro *me, int sig, siginfo_t *info, struct action a);

#endif
