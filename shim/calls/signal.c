/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals as the threads of an application see them: handlers, masks, waiting for a signal, and signals sent to
 * one thread.  What is behind is in core/sigmask.h.
 *
 * In a vfork child (sig_coro() is NULL there) everything is the kernel's: our records are its parent's.
 */
#include "libc.h"
#include <string.h>
#include "glue.h"
#include "greenlet.h"
#include "handler.h"
#include "sigmask.h"
#include "thread.h"
#include "waitq.h"

/* <signal.h> means X/Open's by the bare name. */
int bsd_sigpause(int mask) __asm__("sigpause");
#define sigpause bsd_sigpause

/* Signals whose handlers signal() installs without SA_RESTART, by siginterrupt(). */
static sigset_t interrupting;

static int at_border(int r)
{
	return r < 0 ? fail(-r) : r;
}

static PARKING int sigaction_here(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (UNLIKELY(sig == GLUE_SIGNAL) && act && greenlet_notes_handler(act->sa_handler)) {
		if (old)
			*old = (struct sigaction){ .sa_handler = SIG_DFL };
		return 0;
	}
	return at_border(sig_action(sig, act, old));
}

/* sigaction(2).  Parks: never.  Passes through: until a thread of the process has been green.
 * errno: the kernel's.
 * Differs: in the kernel stands a stub of ours, which the caller does not see. */
EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (LIKELY(!sched.main))
		return libc.sigaction(sig, act, old);
	return sigaction_here(sig, act, old);
}
EXPORT_ALIAS(__sigaction, sigaction);

/* signal(2), of BSD as glibc's is: the handler stays, and calls restart.  As sigaction(). */
EXPORT __sighandler_t signal(int sig, __sighandler_t handler)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;

	if (LIKELY(!sched.main))
		return libc.signal(sig, handler);
	if (handler == SIG_ERR || sig < 1 || sig > SIGNALS) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigaddset(&sa.sa_mask, sig);
	if (sigismember(&interrupting, sig))
		sa.sa_flags = 0;
	if (sigaction(sig, &sa, &old) < 0)
		return SIG_ERR;
	return old.sa_handler;
}
EXPORT_ALIAS(bsd_signal, signal);
EXPORT_ALIAS(ssignal, signal);

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* siginterrupt */

/* siginterrupt(3).  As sigaction(). */
EXPORT int siginterrupt(int sig, int interrupt)
{
	struct sigaction sa;
	int r;

	if (LIKELY(!sched.main)) {
		r = libc.siginterrupt(sig, interrupt);
	} else {
		r = sigaction(sig, NULL, &sa);
		sa.sa_flags = interrupt ? sa.sa_flags & ~SA_RESTART : sa.sa_flags | SA_RESTART;
		if (r == 0)
			r = sigaction(sig, &sa, NULL);
	}
	if (r == 0 && interrupt)
		sigaddset(&interrupting, sig);
	else if (r == 0)
		sigdelset(&interrupting, sig);
	return r;
}

static int change_mask(struct coro *me, int how, const sigset_t *set, sigset_t *old)
{
	sigset_t was, want;

	if (set && how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK)
		return EINVAL;
	sig_read_mask(me, &was);
	if (set) {
		want = *set; /* *old may be the same */
		if (how == SIG_BLOCK)
			*sig_word(&want) |= *sig_word(&was);
		else if (how == SIG_UNBLOCK)
			*sig_word(&want) = *sig_word(&was) & ~*sig_word(set);
		sig_change_mask(me, &want, NULL);
	}
	if (old)
		*old = was;
	return 0;
}

/* pthread_sigmask(3).  Parks: never; handlers of pending signals run before it returns.
 * Passes through: native threads, vfork children.
 * errno: as error numbers, EINVAL.
 * Differs: the kernel's mask is the AND of the masks of all green threads. */
EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	struct coro *me = sig_coro();

	if (LIKELY(!me))
		return libc.pthread_sigmask(how, set, old);
	return coro_leave(change_mask(me, how, set, old));
}

/* sigprocmask(2).  As pthread_sigmask(). */
EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	struct coro *me = sig_coro();
	int err;

	if (LIKELY(!me))
		return libc.sigprocmask(how, set, old);
	err = coro_leave(change_mask(me, how, set, old));
	return err ? fail(err) : 0;
}

/* sigpending(2).  Parks: never.  Passes through: native threads.  errno: none.
 * Differs: what was sent to another green thread is not told. */
EXPORT int sigpending(sigset_t *set)
{
	struct coro *me = sig_coro();

	if (LIKELY(!me))
		return libc.sigpending(set);
	sig_read_pending(me, set);
	return coro_leave(0);
}

/* Until a handler has run, with `mask` in force meanwhile unless it is NULL.  Always -1, EINTR (a native coroutine: or why it was
 * ended early). */
static int await_handler(struct coro *me, const sigset_t *mask, const char *why)
{
	struct coro *who = coro_flow(me);
	sigset_t old;
	int r;

	coro_begin_wait(who, NEVER, WAITQ_INTR | WAITQ_CANCEL);
	if (mask)
		sig_change_mask(me, mask, &old); /* what it lets through counts */
	while ((r = coro_early_end(who, WAITQ_INTR | WAITQ_CANCEL)) == 0)
		sched_park(who, why, -1);
	coro_end_wait(who);
	if (mask)
		sig_change_mask(me, &old, NULL);
	return fail(r == -ECANCELED ? -coro_ended_early(who) : EINTR);
}

/* pause(2).  Parks: until a signal handler has run.  Passes through: native threads, handlers.  errno: EINTR.
 * Differs: a signal of the process that main lets through ends the pause of main, nobody else's. */
EXPORT int pause(void)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.pause();
	return coro_leave(await_handler(me, NULL, "pause"));
}

/* sigsuspend(2).  As pause(). */
EXPORT int sigsuspend(const sigset_t *mask)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.sigsuspend(mask);
	return coro_leave(await_handler(me, mask, "sigsuspend"));
}
EXPORT_ALIAS(__sigsuspend, sigsuspend);

/* sigpause(3), of BSD: a mask in the old form, of the first signals.  As sigsuspend(). */
EXPORT int sigpause(int mask)
{
	sigset_t set;

	if (LIKELY(!coro_self))
		return libc.__sigpause(mask, 0);
	sigemptyset(&set);
	*sig_word(&set) = (unsigned)mask;
	return sigsuspend(&set);
}

/* sigpause(3), of X/Open: without this signal blocked.  As sigsuspend(). */
EXPORT int __xpg_sigpause(int sig)
{
	sigset_t set;

	if (LIKELY(!coro_self))
		return libc.__xpg_sigpause(sig);
	if (sigprocmask(SIG_BLOCK, NULL, &set) < 0 || sigdelset(&set, sig) < 0)
		return -1;
	return sigsuspend(&set);
}

/* sigpause(3), the one or the other. */
EXPORT int __sigpause(int what, int is_signal)
{
	return is_signal ? __xpg_sigpause(what) : sigpause(what);
}

static struct coro *target_of(pthread_t t)
{
	struct coro *co = coro_of(t);

	return UNLIKELY(co != NULL) && raw1(SYS_getpid, 0) == sched.host_pid ? co : NULL;
}

/* The handler of a caller who sends to itself runs before this returns, and that is the host's to arrange. */
static int send_to(struct coro *co, int sig, const siginfo_t *info)
{
	coro_host();
	return coro_leave(sig_send_info(co, sig, info));
}

/* pthread_kill(3).  Parks: never; the caller's own handler runs before it returns.
 * Passes through: native targets.  errno: as error numbers, EINVAL; 0 for a thread that has ended, like glibc.
 * Differs: a parked target runs its handler when its turn comes. */
EXPORT int pthread_kill(pthread_t t, int sig)
{
	struct coro *co = target_of(t);

	return LIKELY(!co) ? libc.pthread_kill(t, sig) : send_to(co, sig, NULL);
}

/* pthread_sigqueue(3).  As pthread_kill(); EAGAIN when too many wait. */
EXPORT int pthread_sigqueue(pthread_t t, int sig, const union sigval value)
{
	struct coro *co = target_of(t);
	siginfo_t info;

	if (LIKELY(!co))
		return libc.pthread_sigqueue(t, sig, value);
	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = SI_QUEUE;
	info.si_pid = sched.host_pid;
	info.si_uid = getuid();
	info.si_value = value;
	return send_to(co, sig, &info);
}

/* tgkill(2).  As pthread_kill().  Differs: a native thread cannot reach a green one by its tid: ESRCH. */
EXPORT int tgkill(pid_t tgid, pid_t tid, int sig)
{
	int err;

	if (LIKELY(!sig_coro()))
		return libc.tgkill(tgid, tid, sig);
	err = coro_leave(sig_tgkill(tgid, tid, sig));
	return err ? fail(err) : 0;
}

/* raise(3).  As pthread_kill() of the caller. */
EXPORT int raise(int sig)
{
	struct coro *me = sig_coro();
	int err;

	if (LIKELY(!me))
		return libc.raise(sig);
	err = coro_leave(sig_send(me, sig));
	return err ? fail(err) : 0;
}

#if defined(__x86_64__)
#define KERNEL_MINSIGSTKSZ 2048 /* the header's is a call nowadays */
#else
#define KERNEL_MINSIGSTKSZ 5120
#endif

static bool runs_on(const stack_t *ss)
{
	const char *here = __builtin_frame_address(0), *low = ss->ss_sp;

	return !(ss->ss_flags & SS_DISABLE) && here >= low && here < low + ss->ss_size;
}

static int set_altstack(struct coro *me, const stack_t *ss)
{
	if (runs_on(&me->altstack))
		return EPERM;
	if (ss->ss_flags & ~(SS_DISABLE | SS_ONSTACK))
		return EINVAL;
	if (ss->ss_flags & SS_DISABLE)
		me->altstack = (stack_t){ .ss_flags = SS_DISABLE };
	else if (ss->ss_size < KERNEL_MINSIGSTKSZ)
		return ENOMEM;
	else
		me->altstack = (stack_t){ .ss_sp = ss->ss_sp, .ss_size = ss->ss_size };
	return 0;
}

/* sigaltstack(2).  Parks: never.  Passes through: main, native threads.  errno: the kernel's.
 * Differs: a green thread's is used for what is sent to it, not for faults: those use main's.  Main's is
 * that of the kernel thread that is the host at the time: after a hand-off, not the one that main began on. */
EXPORT int sigaltstack(const stack_t *ss, stack_t *old)
{
	struct coro *me = sig_coro();
	stack_t was;
	int err = 0;

	if (LIKELY(!me) || (!me->green && coro_leave(true)))
		return libc.sigaltstack(ss, old);
	was = me->altstack;
	if (runs_on(&was))
		was.ss_flags |= SS_ONSTACK;
	if (ss)
		err = set_altstack(me, ss);
	coro_leave(0);
	if (err)
		return fail(err);
	if (old)
		*old = was;
	return 0;
}
