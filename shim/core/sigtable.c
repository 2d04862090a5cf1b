/* SPDX-License-Identifier: Apache-2.0
 *
 * sigaction(2) for all: what the application installs goes into a table, and the stub into the kernel.
 *
 * A signal that the kernel has given to another of our kernel threads than the one it is for is still on its
 * way when the application sets another action, though plainly it would have been handled before.  So with
 * the table's lock held what is on its way is found: waiting in the kernel, or kept for the caller (it is
 * handled first), or as a nudge to a kernel thread, which would do what the new action says (it is discarded).
 * The handler that another takes the place of handles it before it goes; after SIG_DFL or SIG_IGN is set,
 * nothing more can come.
 */
#include "sigtable.h"
#include "handoff.h"
#include "libc.h"
#include "native.h"
#include "rawlock.h"
#include "sigmask.h"

/* What the application installed (real handlers only), behind sequence locks: handlers read it on any
 * thread. */
static struct {
	_Atomic unsigned seq[SIGNALS + 1];
	struct action act[SIGNALS + 1][HANDLER_STUBS]; /* by their stubs; the current one, and some before */
	_Atomic unsigned stub[SIGNALS + 1];
	unsigned made[SIGNALS + 1];
	_Atomic bool real[SIGNALS + 1]; /* it is what a signal leads to; else it is what one led to before */
	uint64_t nudged; /* signals by which a kernel thread was told to look, since the last forget_nudges() */
	struct rawlock lock; /* of writers, who block all signals while they hold it */
} table;

static bool adopted;
int sigtable_owner;

bool handler_is_real(handler_fn *fn)
{
	return (uintptr_t)fn != (uintptr_t)SIG_DFL && (uintptr_t)fn != (uintptr_t)SIG_IGN;
}

static bool is_stub(handler_fn *fn)
{
	for (int i = 0; i < HANDLER_STUBS; i++)
		if (fn == handler_stubs[i])
			return true;
	return false;
}

static struct action get(int sig, const unsigned *stub)
{
	struct action a;
	unsigned seq;

	do {
		seq = atomic_load_explicit(&table.seq[sig], memory_order_acquire);
		a = *(volatile struct action *)&table.act[sig][stub ? *stub : atomic_load(&table.stub[sig])];
		atomic_thread_fence(memory_order_acquire);
	} while ((seq & 1) || atomic_load_explicit(&table.seq[sig], memory_order_relaxed) != seq);
	return a;
}

struct action sigtable_get(int sig)
{
	return get(sig, NULL);
}

struct action sigtable_met(const struct arrival *a)
{
	return get(a->sig, &a->stub);
}

static bool is_same(const struct action *a, const struct action *b)
{
	return a->handler == b->handler && a->flags == b->flags && a->mask == b->mask;
}

/* The stub of one that has been there, else the oldest one but the current.  A kernel thread that has entered a
 * stub may come to look here only when it gets its turn on a processor again, many sigaction()s later. */
static unsigned stub_for_locked(int sig, const struct action *a)
{
	unsigned oldest;

	for (unsigned i = 0; i < HANDLER_STUBS; i++)
		if (is_same(&table.act[sig][i], a))
			return i;
	do {
		oldest = table.made[sig]++ % HANDLER_STUBS;
	} while (oldest == atomic_load(&table.stub[sig]));
	return oldest;
}

/* Returns its stub. */
static handler_fn *table_put_locked(int sig, const struct sigaction *sa)
{
	struct action a = { sa->sa_sigaction, (unsigned)sa->sa_flags, *sig_word(&sa->sa_mask) };
	unsigned stub = stub_for_locked(sig, &a);

	atomic_fetch_add(&table.seq[sig], 1);
	table.act[sig][stub] = a;
	atomic_store(&table.stub[sig], stub);
	atomic_fetch_add(&table.seq[sig], 1);
	return handler_stubs[stub];
}

/* The kernel's view with the application's in place of the stub. */
static void as_app_sees(int sig, struct sigaction *sa)
{
	struct action a;

	if (!is_stub(sa->sa_sigaction))
		return;
	a = sigtable_get(sig);
	sa->sa_sigaction = a.handler;
	sa->sa_flags = (int)a.flags;
	sigemptyset(&sa->sa_mask);
	*sig_word(&sa->sa_mask) = a.mask;
}

/* One that was sent to a kernel thread, and not yet received, would do what the new action says.  To ignore
 * a signal discards it wherever it waits. */
static void forget_nudges_locked(int sig)
{
	static const struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (table.nudged & BIT(sig))
		libc.sigaction(sig, &ignore, NULL);
	table.nudged &= ~BIT(sig);
}

void handler_nudge(const struct coro *co, int sig, siginfo_t *info)
{
	uint64_t mask;

	raw_block_signals(&mask);
	rawlock_take(&table.lock);
	if (atomic_load(&table.real[sig])) {
		table.nudged |= BIT(sig);
		handoff_nudge(co, sig, info);
	}
	rawlock_drop(&table.lock);
	raw_restore_signals(&mask);
}

bool sigtable_was_caught(struct coro *me, int sig)
{
	return (atomic_fetch_and(&me->caught, ~BIT(sig)) & BIT(sig)) &&
	       !(sigtable_get(sig).flags & SA_RESETHAND);
}

bool sigtable_post(struct coro *whose, const struct arrival *a, const siginfo_t *info)
{
	int sig = a->sig;
	uint64_t mask;
	bool is_kept;

	raw_block_signals(&mask);
	rawlock_take(&table.lock);
	is_kept = (atomic_load(&table.real[sig]) && a->stub == atomic_load(&table.stub[sig])) || !whose ||
		  sig_blocks(whose, sig);
	if (is_kept && whose && !sig_blocks(whose, sig))
		atomic_fetch_or(&whose->caught, BIT(sig));
	if (is_kept)
		sig_post(whose, sig, info, true);
	rawlock_drop(&table.lock);
	raw_restore_signals(&mask);
	return is_kept;
}

void handler_drop_nudges(uint64_t set)
{
	static const struct timespec at_once = { 0 };
	siginfo_t info;
	long sig;

	if (!set)
		return;
	rawlock_take(&table.lock);
	while (set && (sig = raw4(SYS_rt_sigtimedwait, &set, &info, &at_once, 8)) > 0) {
		if (sig_is_nudge(&info))
			continue;
		raw3(SYS_rt_sigqueueinfo, sched.host_pid, sig, &info);
		set &= ~BIT(sig);
	}
	rawlock_drop(&table.lock);
}

/* SA_RESETHAND is ours to do: the kernel would do it when a signal reaches us, not when the handler runs. */
static int install_locked(int sig, const struct sigaction *act)
{
	struct sigaction k = *act;

	if (!handler_is_real(k.sa_sigaction)) {
		forget_nudges_locked(sig);
		atomic_store(&table.real[sig], false);
		return libc.sigaction(sig, act, NULL);
	}
	k.sa_sigaction = table_put_locked(sig, act);
	atomic_store(&table.real[sig], true);
	k.sa_flags = (int)(((unsigned)k.sa_flags | SA_SIGINFO) & ~(unsigned)SA_RESETHAND);
	return libc.sigaction(sig, &k, NULL);
}

static int plain_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	int r = libc.sigaction(sig, act, old) == 0 ? 0 : -errno;

	if (r == 0 && old && adopted && sig > 0 && sig <= SIGNALS)
		as_app_sees(sig, old);
	return r;
}

/* The kernel may have given it to another of our kernel threads, which has not come to it yet.  Signals are
 * blocked. */
static void take_what_waits(struct coro *me, int sig)
{
	static const struct timespec at_once = { 0 };
	uint64_t set = BIT(sig);
	siginfo_t info;

	while (raw4(SYS_rt_sigtimedwait, &set, &info, &at_once, 8) > 0) {
		if (sig_is_nudge(&info))
			continue;
		atomic_fetch_or(&me->caught, BIT(sig)); /* coro_host() of run_kept() may come to it first */
		sig_post(me, sig, &info, false);
	}
}

/* Something has come for the caller that is for the handler which is there still. */
static bool has_come_locked(struct coro *me, int sig)
{
	if (!atomic_load(&table.real[sig]) || sig_blocks(me, sig))
		return false;
	take_what_waits(me, sig);
	return sig_pending_of(me) & BIT(sig);
}

/* False: this is no place to handle it.  (To become the host may be enough to handle it.) */
static bool run_kept(struct coro *me, int sig)
{
	siginfo_t info;

	if (!coro_host())
		return false;
	while ((sig_pending_of(me) & BIT(sig)) && sig_take(me, sig, &info))
		handler_deliver(me, sig, &info);
	coro_leave(0);
	return true;
}

/* By itself, or as the default.  The kernel then drops what is pending. */
static bool is_ignored(int sig, const struct sigaction *act)
{
	if ((uintptr_t)act->sa_handler == (uintptr_t)SIG_DFL)
		return sig == SIGCHLD || sig == SIGCONT || sig == SIGURG || sig == SIGWINCH;
	return (uintptr_t)act->sa_handler == (uintptr_t)SIG_IGN;
}

/* False: `me` has a signal to handle first, by what is installed now. */
static bool replace(struct coro *me, int sig, const struct sigaction *want, struct sigaction *was, int *err)
{
	uint64_t mask;
	bool is_early;

	raw_block_signals(&mask);
	rawlock_take(&table.lock);
	is_early = me && has_come_locked(me, sig);
	if (!is_early) {
		*err = plain_action(sig, NULL, was);
		if (*err == 0 && install_locked(sig, want) < 0)
			*err = -errno;
	}
	rawlock_drop(&table.lock);
	raw_restore_signals(&mask);
	return !is_early;
}

int sig_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct coro *handles = coro_self; /* NULL: what has come for the caller cannot be handled here */
	struct sigaction was, want;
	int r;

	if (!adopted || !act || sig < 1 || sig > SIGNALS || (BIT(sig) & NEVER_BLOCKED))
		return plain_action(sig, act, old);
	if (raw1(SYS_getpid, 0) != sigtable_owner)
		return plain_action(sig, act, old);
	want = *act; /* *old may be the same */
	while (!replace(handles, sig, &want, &was, &r))
		if (!run_kept(handles, sig))
			handles = NULL;
	if (r == 0 && is_ignored(sig, &want))
		sig_forget(sig);
	if (r == 0 && old)
		*old = was;
	return r;
}

void sig_adopt_host(void)
{
	int state;

	adopted = true;
	sigtable_owner = sched.host_pid;
	sched.in_handler = 0;
	sig_mask_moved(); /* the host may block glibc's own signals, as it was made */
	for (int sig = 1; sig <= SIGNALS; sig++) {
		struct sigaction sa;

		/* Takes what it finds over into the table, and the stub into the kernel. */
		if (!(BIT(sig) & NEVER_BLOCKED) && libc.sigaction(sig, NULL, &sa) == 0 &&
		    handler_is_real(sa.sa_sigaction) && !is_stub(sa.sa_sigaction))
			sig_action(sig, &sa, NULL);
	}
	libc.pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	libc.pthread_setcancelstate(state, NULL);
	sched.main->cancel_disabled = state == PTHREAD_CANCEL_DISABLE;
}

struct action handler_action(int sig)
{
	struct kernel_action k = { 0 };

	raw4(SYS_rt_sigaction, sig, NULL, &k, 8);
	if (is_stub(k.handler))
		return sigtable_get(sig);
	return (struct action){ k.handler, (unsigned)k.flags, k.mask };
}

void sigtable_reset_if_once(int sig, const struct action *ran)
{
	struct kernel_action dfl = { 0 };

	if (!(ran->flags & SA_RESETHAND) || sigtable_get(sig).handler != ran->handler)
		return;
	atomic_store(&table.real[sig], false);
	raw4(SYS_rt_sigaction, sig, &dfl, NULL, 8);
}

void sigtable_after_fork_child(void)
{
	sigtable_owner = (int)raw1(SYS_getpid, 0);
	table.lock = (struct rawlock){ 0 };
	for (int sig = 1; sig <= SIGNALS; sig++)
		atomic_store(&table.seq[sig], 0);
}
