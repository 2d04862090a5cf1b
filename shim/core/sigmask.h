/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals of green threads.
 *
 * Masks are virtual: each record holds the mask that its own thread would have, and the kernel's mask
 * of the host is the AND of all, so a signal is blocked only when every coroutine blocks it.  Handlers
 * are the application's, called through one stub, which notes that a signal came: the kernel would
 * have ended the main thread's blocking call with EINTR, so we end main's wait, whoever was running.
 * A signal sent to one green thread (pthread_kill) waits in its record and its handler is called on
 * its own stack when it next runs.
 */
#ifndef SYNCLESS_SIGMASK_H
#define SYNCLESS_SIGMASK_H

#include <signal.h>
#include <stdbool.h>
#include "coro.h"
#include "raw.h"

/* The caller's record, which has the scheduler; NULL for a native thread, and in a vfork child, which runs on our memory with its
 * parent's thread pointer but has a kernel mask and kernel handlers of its own. */
static inline struct coro *sig_coro(void)
{
	struct coro *me = coro_self;

	return LIKELY(!me) || raw1(SYS_getpid, 0) != sched.host_pid ? NULL : coro_host();
}

/* From here on handlers go through the stub.  The host's record is filled; idempotent. */
void sig_adopt_host(void);

void sig_read_kernel_mask(sigset_t *mask);
/* Counts (+1) or uncounts (-1) co's mask; then sig_apply_mask() makes the kernel's follow.  -1 also passes on
 * or drops what is pending for co.  Host only, not in handlers. */
void sig_count_mask(struct coro *co, int delta);
void sig_apply_mask(void);
/* Does any coroutine block it?  Host only. */
bool sig_is_blocked_by_any(int sig);
/* me's mask as it is now for me, the caller: in a handler it may be more than me->mask. */
void sig_read_mask(struct coro *me, sigset_t *mask);
/* Replaces me's mask; *old may be NULL.  Pending signals that it lets through run before it returns, which
 * me->interrupted then tells (who cares clears it before: ppoll, sigsuspend). */
void sig_change_mask(struct coro *me, const sigset_t *mask, sigset_t *old);

/* The loop is back: finds takers for signals of the process that wait for one. */
void sig_after_poll(void);
/* A signal is ours to deliver to co, at once if that is the caller.  From any thread.  0 or an error number;
 * like glibc's, it does not fail for a thread that has ended.  `info` may be NULL. */
int sig_send(struct coro *co, int sig);
int sig_send_info(struct coro *co, int sig, const siginfo_t *info);
/* Runs the handlers of co's pending signals, on co's own stack. */
void sig_run_pending(struct coro *me);

/* It is ignored from now on: what waits is dropped, in the whole process if the caller has the scheduler. */
void sig_forget(int sig);

/* What is pending and blocked for me: its own and the process's. */
void sig_read_pending(struct coro *me, sigset_t *set);

/* sigaction(2) with the stub in between; the application sees its own handler again.  0 or -errno. */
int sig_action(int sig, const struct sigaction *act, struct sigaction *old);
/* Our stub for glibc's own SIGSETXID handler, which must run on the host's FS base. */
void sig_guard_setxid(void);
/* The same for its cancellation signal, after the first libc.pthread_cancel(). */
void sig_guard_cancel(void);

/* Ends the system call that this kernel thread makes by switch_breakable(), if it does; it may come a moment
 * too early, so it is to be said again until it has had its effect.  From any thread. */
void sig_break_call(int tid);

/* tgkill(2), which also reaches green threads (from coroutines only: a native thread cannot look through
 * their ring and gets the kernel's ESRCH).  0 or an error number. */
int sig_tgkill(int tgid, int tid, int sig);
/* The living coroutine that has this tid, or NULL.  Host only. */
struct coro *coro_by_tid(int tid);
/* What to tell the kernel in place of a tid that the application names: the host's for a green thread. */
int coro_kernel_tid(int tid);

/* In a forked child: `me` is the coroutine that forked, NULL if a native thread did. */
void sig_after_fork_child(struct coro *me);

#endif
