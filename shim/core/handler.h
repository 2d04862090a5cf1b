/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the two halves of signals: sigmask.c has the masks and what is pending, handler.c the handlers
 * and the stub through which the kernel enters them.
 */
#ifndef SYNCLESS_HANDLER_H
#define SYNCLESS_HANDLER_H

#include <signal.h>
#include <ucontext.h>
#include "coro.h"

#define SIGNALS	       64
#define BIT(sig)       (1ull << ((sig)-1))
#define GLIBC_CANCEL   32
#define GLIBC_SETXID   33
#define FIRST_REALTIME 32 /* to the kernel: from here on they queue */
#define NEVER_BLOCKED  (BIT(SIGKILL) | BIT(SIGSTOP) | BIT(GLIBC_CANCEL) | BIT(GLIBC_SETXID))

typedef void handler_fn(int, siginfo_t *, void *);

struct action {
	handler_fn *handler;
	unsigned flags;
	uint64_t mask;
};

/* As the kernel has it: libc's record has the mask elsewhere, and another size. */
struct kernel_action {
	handler_fn *handler;
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* The 64 signals there are; the rest of a sigset_t is unused. */
static inline uint64_t *sig_word(const sigset_t *set)
{
	return (uint64_t *)set;
}

static inline uint64_t sig_mask_of(const struct coro *co)
{
	return __atomic_load_n(sig_word(&co->mask), __ATOMIC_RELAXED);
}

static inline bool sig_blocks(const struct coro *co, int sig)
{
	return sig_mask_of(co) & BIT(sig);
}

static inline uint64_t sig_pending_of(const struct coro *co)
{
	return __atomic_load_n(sig_word(&co->pending), __ATOMIC_SEQ_CST);
}

/* sigmask.c */
void sig_put_mask(struct coro *me, uint64_t mask);
/* The kernel's mask is no longer what we set, or may not be. */
void sig_mask_moved(void);
/* Makes sig pending for co, NULL: for whoever does not block it.  A standard signal is pending or not; a
 * queued one as often as it was sent.  EAGAIN: no room for that.  Safe in handlers. */
int sig_post(struct coro *co, int sig, const siginfo_t *info, bool for_process);
bool sig_take(struct coro *me, int sig, siginfo_t *info);
/* One of the set that waits for anybody; its number, or 0. */
int sig_take_of_process(uint64_t set, siginfo_t *info);
/* The code of co may be running, and look at nothing for long: its kernel thread is told. */
void sig_nudge_running(const struct coro *co, int sig);
/* From now on me, the caller, waits for these instead of having them handled; 0: no longer. */
void sig_await(struct coro *me, uint64_t set);
/* Somebody waits for it so.  Safe in handlers. */
bool sig_is_awaited(int sig);

/* handler.c */
extern siginfo_t sig_nudge; /* its address as a signal's value says: look at what is pending */
static inline bool sig_is_nudge(const siginfo_t *info)
{
	return info->si_code == SI_QUEUE && info->si_ptr == &sig_nudge;
}
/* handoff_nudge(), if it leads to the stub, which alone knows what it means. */
void handler_nudge(const struct coro *co, int sig, siginfo_t *info);
/* Those of the set that the calling kernel thread was sent came too late, and would be delivered, or kill
 * the process, when it is the host again.  What was meant for the process and waits is found as well, after
 * what is this thread's. */
void handler_drop_nudges(uint64_t set);
/* What the kernel would find; the handler may be SIG_DFL or SIG_IGN. */
struct action handler_action(int sig);
bool handler_is_real(handler_fn *fn);
/* The caller is in a handler that the kernel entered: its mask is the kernel's business. */
bool handler_of_kernel(void);
/* Runs the application's handler for sig in me, the caller. */
void handler_deliver(struct coro *me, int sig, siginfo_t *info);
void handler_thread_ended(struct coro *co);
void handler_after_fork_child(void);

#endif
