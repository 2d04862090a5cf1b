/* SPDX-License-Identifier: Apache-2.0
 *
 * Masks, and signals that wait.
 *
 * The counts of masks are the host's own; the stub (handler.c), which may interrupt any of this, stays
 * away from them: inside a handler that the kernel entered, the mask is the kernel's business, which puts
 * it back when the handler returns.
 *
 * What is pending is a bit in the record, or in process_pending where anybody will do, and a note with the
 * siginfo where there is more to tell than the number.  Posting is lock-free, for native threads and the
 * stub: first the note, then the bit, then the wake.  Taking goes the other way round.
 */
#include "handler.h"
#include "handoff.h"
#include <string.h>
#include "libc.h"
#include "sigmask.h"
#include "thread.h"

#define PID_LIMIT (4 << 20) /* the kernel's PID_MAX_LIMIT; tids of green threads lie above */

static int counts[SIGNALS + 1]; /* how many of `counted` coroutines block it */
static int counted;
static uint64_t ever_blocked; /* the others have count 0 */
static uint64_t applied;      /* the kernel's mask, as we set it */
static bool mask_stale;	      /* … but it is something else now */
static int awaiting[SIGNALS + 1]; /* how many coroutines are in sigwait for it; the stub reads it */

/* FREE -> BUSY -> KEPT by who posts, KEPT -> BUSY -> FREE (or KEPT for another) by the host. */
enum note_state { NOTE_FREE, NOTE_BUSY, NOTE_KEPT };
struct note {
	_Atomic int state;
	int sig;
	bool for_process;
	unsigned long order;
	struct coro *co; /* NULL: whoever does not block it */
	siginfo_t info;
};
#define NOTES 256
static struct note notes[NOTES];
static _Atomic unsigned long notes_made;
static _Atomic uint64_t process_pending;

static bool has_ended(const struct coro *co)
{
	return co->fork_generation != sched.generation ||
	       (co->green && atomic_load(&co->green->life) >= GREEN_ENDED);
}

/* ---- Masks ---- */

void sig_read_kernel_mask(sigset_t *mask)
{
	sigemptyset(mask);
	raw4(SYS_rt_sigprocmask, SIG_SETMASK, NULL, mask, 8);
	*sig_word(mask) &= ~NEVER_BLOCKED;
}

static void count_bits(uint64_t bits, int delta)
{
	ever_blocked |= bits;
	for (; bits; bits &= bits - 1)
		counts[__builtin_ctzll(bits) + 1] += delta;
}

static uint64_t blocked_by_all(void)
{
	uint64_t all = 0;

	for (uint64_t left = ever_blocked; left; left &= left - 1)
		if (counts[__builtin_ctzll(left) + 1] == counted)
			all |= left & -left;
	return all & ~NEVER_BLOCKED;
}

static void apply(bool even_if_same)
{
	uint64_t want = blocked_by_all();

	if (counted == 0 || (want == applied && !even_if_same && !mask_stale))
		return;
	if (handler_of_kernel() || !sched.current) { /* a new host is not on a coroutine's stack yet */
		mask_stale = true; /* the kernel puts back what it was when the handler returns */
		return;
	}
	mask_stale = false;
	applied = want;
	raw4(SYS_rt_sigprocmask, SIG_SETMASK, &want, NULL, 8);
}

void sig_apply_mask(void)
{
	apply(false);
}

void sig_mask_moved(void)
{
	mask_stale = true;
}

void sig_put_mask(struct coro *me, uint64_t mask)
{
	uint64_t was = sig_mask_of(me);

	mask &= ~NEVER_BLOCKED;
	__atomic_store_n(sig_word(&me->mask), mask, __ATOMIC_RELAXED);
	count_bits(was & ~mask, -1);
	count_bits(mask & ~was, +1);
	apply(true);
}

/* ---- Signals that wait ---- */

static bool keep_info(struct coro *co, int sig, const siginfo_t *info, bool for_process)
{
	for (int i = 0; i < NOTES; i++) {
		struct note *n = &notes[i];
		int is_free = NOTE_FREE;

		if (!atomic_compare_exchange_strong(&n->state, &is_free, NOTE_BUSY))
			continue;
		n->sig = sig;
		n->co = co;
		n->info = *info;
		n->for_process = for_process;
		n->order = atomic_fetch_add(&notes_made, 1);
		atomic_store(&n->state, NOTE_KEPT);
		return true;
	}
	return false;
}

/* The oldest note for co about sig, BUSY; NULL: there is none. */
static struct note *hold_note(const struct coro *co, int sig)
{
	for (;;) {
		struct note *oldest = NULL;
		int kept = NOTE_KEPT;

		for (int i = 0; i < NOTES; i++) {
			struct note *n = &notes[i];

			if (atomic_load(&n->state) == NOTE_KEPT && n->co == co && n->sig == sig &&
			    (!oldest || (long)(n->order - oldest->order) < 0))
				oldest = n;
		}
		if (!oldest || atomic_compare_exchange_strong(&oldest->state, &kept, NOTE_BUSY))
			return oldest;
	}
}

static bool has_note(const struct coro *co, int sig)
{
	struct note *n = hold_note(co, sig);

	if (n)
		atomic_store(&n->state, NOTE_KEPT);
	return n != NULL;
}

static void mark_pending(struct coro *co, int sig)
{
	if (!co) {
		atomic_fetch_or(&process_pending, BIT(sig));
		return;
	}
	__atomic_fetch_or(sig_word(&co->pending), BIT(sig), __ATOMIC_SEQ_CST);
	__atomic_store_n(&co->has_pending, true, __ATOMIC_SEQ_CST);
}

int sig_post(struct coro *co, int sig, const siginfo_t *info, bool for_process)
{
	uint64_t already = co ? sig_pending_of(co) : atomic_load(&process_pending);
	bool queues = sig >= FIRST_REALTIME;

	if (!queues && (already & BIT(sig)))
		return 0;
	if ((queues || for_process || info->si_code != SI_TKILL) && !keep_info(co, sig, info, for_process) &&
	    queues)
		return EAGAIN;
	mark_pending(co, sig);
	return 0;
}

static void plain_info(siginfo_t *info, int sig)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = SI_TKILL;
	info->si_pid = sched.host_pid;
	info->si_uid = (uid_t)raw1(SYS_getuid, 0);
}

/* The note for co about sig goes to the caller; false: there is none, and for a queued one there should be. */
static bool take_note(struct coro *co, int sig, siginfo_t *info)
{
	struct note *n = hold_note(co, sig);

	if (!n) {
		plain_info(info, sig);
		return sig < FIRST_REALTIME;
	}
	*info = n->info;
	atomic_store(&n->state, NOTE_FREE);
	if (has_note(co, sig))
		mark_pending(co, sig);
	return true;
}

/* False: a queued signal that somebody else has taken. */
bool sig_take(struct coro *me, int sig, siginfo_t *info)
{
	__atomic_fetch_and(sig_word(&me->pending), ~BIT(sig), __ATOMIC_SEQ_CST);
	return take_note(me, sig, info);
}

int sig_take_of_process(uint64_t set, siginfo_t *info)
{
	for (uint64_t due; (due = set & atomic_load(&process_pending)) != 0;) {
		int sig = __builtin_ctzll(due) + 1;

		if (!(atomic_fetch_and(&process_pending, ~BIT(sig)) & BIT(sig)))
			continue;
		if (take_note(NULL, sig, info))
			return sig;
	}
	return 0;
}

/* Moves what waits for anybody to co, who does not block it: all of it, or, if co is in sigwait, the first. */
static void give_process_signal(struct coro *co, int sig)
{
	bool awaited = co->awaited & BIT(sig);
	struct note *n;

	atomic_fetch_and(&process_pending, ~BIT(sig));
	while ((n = hold_note(NULL, sig)) != NULL) {
		n->co = co;
		atomic_store(&n->state, NOTE_KEPT);
		if (awaited)
			break;
	}
	mark_pending(co, sig);
	if (awaited && has_note(NULL, sig))
		mark_pending(NULL, sig);
}

/* Takes one at a time. */
static bool awaits(const struct coro *co, int sig)
{
	return (co->awaited & BIT(sig)) && !(co->awaited & sig_pending_of(co));
}

/* Main before all others, as in the kernel; then who waits for it, then who does not block it. */
static struct coro *taker_of(int sig)
{
	struct coro *co = sched.main, *found = NULL;

	do {
		if (!has_ended(co) && awaits(co, sig))
			return co;
		if (!found && !has_ended(co) && !sig_blocks(co, sig) && !(co->awaited & BIT(sig)))
			found = co;
		co = co->all_next;
	} while (co != sched.main && found != sched.main);
	return found;
}

void sig_after_poll(void)
{
	uint64_t left = atomic_load_explicit(&process_pending, memory_order_relaxed);

	if (UNLIKELY(mask_stale))
		apply(true);
	for (; UNLIKELY(left != 0); left &= left - 1) {
		int sig = __builtin_ctzll(left) + 1;
		struct coro *co = taker_of(sig);

		if (co) {
			give_process_signal(co, sig);
			coro_ready(co);
		}
	}
}

void sig_run_pending(struct coro *me)
{
	siginfo_t info;
	uint64_t due;

	/* False first: what is posted from now on makes it true again. */
	__atomic_store_n(&me->has_pending, false, __ATOMIC_SEQ_CST);
	while ((due = sig_pending_of(me) & ~sig_mask_of(me) & ~me->awaited) != 0) {
		int sig = __builtin_ctzll(due) + 1;

		if (sig_take(me, sig, &info))
			handler_deliver(me, sig, &info);
	}
}

void sig_await(struct coro *me, uint64_t set)
{
	for (uint64_t left = set ^ me->awaited; left; left &= left - 1)
		awaiting[__builtin_ctzll(left) + 1] += set & left & -left ? 1 : -1;
	me->awaited = set;
	/* What nobody took is for its handler. */
	if (sig_pending_of(me) & ~sig_mask_of(me))
		__atomic_store_n(&me->has_pending, true, __ATOMIC_SEQ_CST);
}

bool sig_is_awaited(int sig)
{
	return awaiting[sig] > 0;
}

void sig_read_mask(struct coro *me, sigset_t *mask)
{
	sigset_t now = { 0 };

	if (handler_of_kernel())
		sig_read_kernel_mask(&now);
	sigorset(mask, &me->mask, &now);
}

void sig_change_mask(struct coro *me, const sigset_t *mask, sigset_t *old)
{
	uint64_t want = *sig_word(mask) & ~NEVER_BLOCKED, due;

	if (old)
		sig_read_mask(me, old);
	if (handler_of_kernel()) {
		raw4(SYS_rt_sigprocmask, SIG_SETMASK, &want, NULL, 8);
		return;
	}
	sig_put_mask(me, want);
	for (due = atomic_load(&process_pending) & ~want; due; due &= due - 1)
		give_process_signal(me, __builtin_ctzll(due) + 1);
	if (sig_pending_of(me) & ~want)
		sig_run_pending(me);
}

static void forget_notes(int sig)
{
	for (int i = 0; i < NOTES; i++) {
		int kept = NOTE_KEPT;

		if (notes[i].sig == sig && atomic_compare_exchange_strong(&notes[i].state, &kept, NOTE_BUSY))
			atomic_store(&notes[i].state, notes[i].sig == sig ? NOTE_FREE : NOTE_KEPT);
	}
}

void sig_forget(int sig)
{
	struct coro *co;
	bool was_outside;

	forget_notes(sig);
	atomic_fetch_and(&process_pending, ~BIT(sig));
	if (!coro_begin_moment(&was_outside))
		return;
	co = sched.all;
	do {
		__atomic_fetch_and(sig_word(&co->pending), ~BIT(sig), __ATOMIC_SEQ_CST);
		co = co->all_next;
	} while (co != sched.all);
	coro_end_moment(was_outside);
}

void sig_read_pending(struct coro *me, sigset_t *set)
{
	uint64_t kernel = 0;

	raw2(SYS_rt_sigpending, &kernel, 8);
	sigemptyset(set);
	*sig_word(set) = (kernel | sig_pending_of(me) | atomic_load(&process_pending)) & sig_mask_of(me);
}

/* ---- Sending ---- */

void sig_nudge_running(const struct coro *co, int sig)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_QUEUE };

	info.si_ptr = &sig_nudge;
	if (!sig_blocks(co, sig))
		handler_nudge(co, sig, &info);
}

static int send_to_self(struct coro *me, int sig, const siginfo_t *info)
{
	int err;

	/* In its handlers the kernel knows what is blocked, for now, and what is not. */
	if (handler_of_kernel() && !sig_blocks(me, sig))
		return (int)-raw4(SYS_rt_tgsigqueueinfo, sched.host_pid, sched.host_tid, sig, info);
	err = sig_post(me, sig, info, false);
	if (!err && !sig_blocks(me, sig))
		sig_run_pending(me);
	return err;
}

int sig_send_info(struct coro *co, int sig, const siginfo_t *info)
{
	siginfo_t plain;
	bool was_outside, here;
	int err;

	if (sig < 0 || sig > SIGNALS || sig == GLIBC_CANCEL || sig == GLIBC_SETXID)
		return EINVAL;
	if (sig == 0 || has_ended(co))
		return 0;
	if (!sig_blocks(co, sig) && !handler_is_real(handler_action(sig).handler)) {
		/* Ignored, or it concerns the whole process. */
		raw3(SYS_tgkill, sched.host_pid, sched.host_tid, sig);
		return 0;
	}
	if (!info) {
		plain_info(&plain, sig);
		info = &plain;
	}
	was_outside = co == coro_self && atomic_load(co->outside);
	if (co == coro_self && coro_host()) {
		err = send_to_self(co, sig, info);
		coro_end_moment(was_outside);
		return err;
	}
	err = sig_post(co, sig, info, false);
	if (err)
		return err;
	coro_unpark(co);
	here = coro_begin_moment(&was_outside);
	if (!here || co->state == CORO_ALONE)
		sig_nudge_running(co, sig);
	if (here)
		coro_end_moment(was_outside);
	return 0;
}

int sig_send(struct coro *co, int sig)
{
	return sig_send_info(co, sig, NULL);
}

/* ---- Threads named by tid ---- */

struct coro *coro_by_tid(int tid)
{
	struct coro *co = sched.all;

	do {
		if (co->tid == tid && !has_ended(co))
			return co;
		co = co->all_next;
	} while (co != sched.all);
	return NULL;
}

int coro_kernel_tid(int tid)
{
	bool was_outside, here, is_unknown;

	if (!sched.main)
		return tid;
	if (tid <= PID_LIMIT) /* main may run on another kernel thread than the one it began on */
		return tid == sched.main->tid && sched.main->state != CORO_ALONE ? sched.host_tid : tid;
	here = coro_begin_moment(&was_outside);
	is_unknown = here && !coro_by_tid(tid);
	if (here)
		coro_end_moment(was_outside);
	return is_unknown ? tid : sched.host_tid;
}

int sig_tgkill(int tgid, int tid, int sig)
{
	struct coro *co = sig_coro() && tgid == sched.host_pid ? coro_by_tid(tid) : NULL;

	return co ? sig_send(co, sig) : (int)-raw3(SYS_tgkill, tgid, tid, sig);
}

/* ---- Beginning and end ---- */

/* A signal of the process is somebody else's now; what was sent to the thread ends with it. */
static void leave_pending(struct coro *co)
{
	struct note *n;

	for (uint64_t left = sig_pending_of(co); left; left &= left - 1) {
		int sig = __builtin_ctzll(left) + 1;

		while ((n = hold_note(co, sig)) != NULL) {
			bool stays = n->for_process;

			n->co = NULL;
			atomic_store(&n->state, stays ? NOTE_KEPT : NOTE_FREE);
			if (stays)
				mark_pending(NULL, sig);
		}
	}
}

bool sig_is_blocked_by_any(int sig)
{
	return counts[sig] > 0;
}

void sig_count_mask(struct coro *co, int delta)
{
	counted += delta;
	count_bits(sig_mask_of(co), delta);
	if (delta < 0) {
		leave_pending(co);
		handler_thread_ended(co);
	}
}

void sig_after_fork_child(struct coro *me)
{
	handler_after_fork_child();
	for (int i = 0; i < NOTES; i++)
		atomic_store(&notes[i].state, NOTE_FREE);
	atomic_store(&process_pending, 0);
	memset(counts, 0, sizeof(counts));
	memset(awaiting, 0, sizeof(awaiting));
	counted = 0;
	mask_stale = false;
	if (!me)
		return;
	me->awaited = 0;
	/* From now on the kernel keeps for it what we kept. */
	raw4(SYS_rt_sigprocmask, sched.in_handler ? SIG_BLOCK : SIG_SETMASK, &me->mask, NULL, 8);
	if (me->green)
		libc.sigaltstack(&me->altstack, NULL);
}
