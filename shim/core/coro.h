/* SPDX-License-Identifier: Apache-2.0
 *
 * The record of one coroutine and the scheduler's verbs.
 *
 * Who may touch what: a record belongs to the host thread, except where a field says otherwise.
 * Native threads reach a record only through coro_unpark(), the wait queues (waitq.h) and the
 * thread table (thread.h), each of which has its own rule.
 */
#ifndef SYNCLESS_CORO_H
#define SYNCLESS_CORO_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include "base.h"
#include "borrowed.h"
#include "waitq.h"

enum coro_state {
	CORO_NEW,     /* launched, and not yet seen by the host */
	CORO_RUNNING, /* its code has the host */
	CORO_READY,   /* in the run queue */
	CORO_PARKED,  /* waits; may be driving the loop on its own stack meanwhile */
	CORO_ALONE,   /* its code runs on a kernel thread that is not the host any more */
	CORO_DEAD,    /* its flow has ended; waits to be joined or reused */
};

/* Why a wait ended early; bits of coro.interrupted. */
enum {
	INTR_SIGNAL = 1,  /* a handler ran that was not installed with SA_RESTART */
	INTR_RESTART = 2, /* a handler ran that was: only calls that never restart end */
};

/* Why the end of a call does not make a coroutine one that may lose the scheduler (handoff.h). */
enum {
	KEEPS_ALONE = 1,   /* it has lost it */
	KEEPS_SHARED = 2,  /* others need its thread-local storage: routines, main that has some */
	KEEPS_CARRIER = 4, /* … and greenlets */
};

struct errand;
struct fdrec;
struct seat;

/* A coroutine's stake in an fd.  Lives in the record (one fd) or on the heap (poll of many): never on
 * a parked stack, which the greenlet package may move away. */
struct fdwait {
	struct fdwait *next, *prev; /* in fdrec's list while queued */
	struct coro *co;
	struct fdrec *rec; /* NULL: not queued */
	short want;	   /* WAIT_READ, WAIT_WRITE */
	short got;	   /* what fired; WAIT_CLOSED when the fd was closed under us */
};

struct coro {
	/* What a switch and a wait on a descriptor touch, in two cache lines: with a thousand coroutines
	 * each of them is a miss. */
	struct coro *next, *prev; /* run queue links while READY */
	_Atomic bool *outside;	  /* the word of the kernel thread that runs it (struct seat), or ran it last */
	void *sp;		  /* frame of switch_stack() while not RUNNING */
	unsigned long fs_base;
	enum coro_state state;
	unsigned char interrupted; /* INTR_* */
	bool interruptible;	   /* parked in a call that a signal ends */
	bool timed_out;
	bool has_pending; /* any thread may set it, after `pending` */
	bool borrows_tls; /* a native coroutine, or the host's own flow once there are some */
	bool in_ucontext; /* what it left behind is `ucontext`, not a frame at `sp` */
	bool is_routine;  /* a native coroutine: cancellation is an error of its calls, not its end */
	bool has_limit;	  /* no wait that can be cancelled goes on beyond `limit` */
	bool at_limit;	  /* the timer of this wait is that, not the call's own timeout */
	bool nudged;	  /* a greenlet that waits was switched to by others than the scheduler */
	bool may_be_hub;  /* another library's greenlet; ours may wait in the poll() of a socket with a timeout */
	bool heeds_nudges; /* which ends this wait */
	bool is_guest;	  /* borrows, and is not the thread's own flow: locks must tell it from that (owner.h) */
	_Atomic unsigned char keeps;   /* KEEPS_*: its code never counts as outside */
	_Atomic bool cancel_requested; /* set by any thread */
	bool cancel_disabled;
	bool is_ending; /* nothing cancels it any more, whatever its cleanup handlers enable */
	bool cancel_async;
	int no_park;	/* > 0: calls stay plain (inside libc's own locks) */
	int timer_slot; /* index into the timer heap + 1; 0: no timer */
	int why_fd;
	struct fdwait fdwait;
	const char *why; /* the call it is parked in, for verify and traces */
	deadline_t timer_at;
	uint64_t awaited; /* by sigwait and kin: bits as in `pending`, of which one ends the wait */

	/* Greenlets (greenlet.h): of a thread that has some; and, in the record of one, the thread's. */
	struct carrier *carrier, *flow_of;
	struct borrowed borrowed; /* of one that borrows, while it is not running */

	struct waiter waiter;

	/* Remote wakes: pushed by any thread, drained by the host.  IDLE -> QUEUED by the pusher,
	 * back to IDLE by the drain; so a record is linked at most once, whatever its own timers do. */
	_Atomic int remote_state;
	struct coro *remote_next;

	/* Identity. */
	struct coro *all_next, *all_prev;
	pthread_t thread;
	int tid; /* what gettid() answers: fake for a green thread, the kernel's for the host's own flow */
	int owner_number; /* what locks know a guest by; 0: it has taken none yet */
	unsigned fork_generation;

	/* Signals: the mask as its own thread would have it; the kernel's is the AND of all. */
	sigset_t mask;
	sigset_t pending; /* directed at this thread by pthread_kill() */
	_Atomic uint64_t caught; /* of these, those that a handler has met, which was to run here */
	stack_t altstack; /* recorded only */
	char name[16];
	deadline_t limit; /* with has_limit, in a native coroutine */

	struct seat *seat; /* with KEEPS_ALONE: the kernel thread that it runs on */
	uintptr_t handler_low,
		handler_high;	/* where a handler on top of one that is alone has its frames; 0: none */
	struct coro *back_next; /* in the list of those that come back */
	unsigned char handoffs; /* so often has it been alone, at most */

	struct errand *errand;	     /* that it waits for, if that may be left by a jump out of a handler */
	struct ucontext_t *ucontext; /* SYNCLESS_SWITCH=ucontext; heap */
	struct green *green;	     /* NULL for the host's own flow */
} __attribute__((aligned(64)));

/* Who the calling thread is; NULL in a native thread and while nothing is green.  That it has the scheduler it
 * does not say: coro_here() does. */
extern __thread struct coro *coro_self __attribute__((tls_model("initial-exec")));

struct sched {
	struct coro *current;
	struct coro *main; /* the host's own flow */
	struct coro *all;  /* ring through all_next */
	int ncoro;	   /* live ones, main included */
	int host_pid, host_tid;
	_Atomic unsigned long switches;	  /* the monitor's pulse */
	_Atomic bool idle;		  /* host sleeps in the loop */
	_Atomic bool monitor_naps;	  /* it wants to hear when idle ends */
	volatile sig_atomic_t in_handler; /* a signal handler runs on the host: nothing parks */
	unsigned generation;		  /* bumped in each forked child */
	_Atomic bool wanted;		  /* the monitor is about to take the scheduler away from `current` */
	_Atomic bool homesick;		  /* the first kernel thread is to be the host again */
	struct seat *seat;		  /* the kernel thread that is the host */
	unsigned round;			  /* of the run queue, see sched.c */
	bool mid_round;			  /* a poll of the loop goes on inside it */
	unsigned calls;			  /* that may park, since somebody last had to give way for their sake */
};
extern struct sched sched;

/* What changes when the host comes to its scheduler; read by other threads. */
struct pulse {
	unsigned long switches;
	unsigned round;
};

static inline struct pulse sched_pulse(void)
{
	return (struct pulse){ atomic_load_explicit(&sched.switches, memory_order_relaxed),
			       __atomic_load_n(&sched.round, __ATOMIC_RELAXED) };
}

/* It has since, or sleeps in the loop. */
static inline bool sched_has_moved(struct pulse since)
{
	struct pulse now = sched_pulse();

	return atomic_load(&sched.idle) || now.switches != since.switches || now.round != since.round;
}

/* Some coroutine exists or has existed: locks and conditions are ours for native threads as well. */
extern _Atomic bool green_exist;

/* Is the caller a signal handler on the host?  (A handler may be left by longjmp: handler.c finds out.) */
bool sig_in_handler(void);

/* --- The border between the application's code and ours (handoff.h).
 *
 * A thread whose own code runs on and on may lose the scheduler to another kernel thread, and is then alone.
 * Inside our calls that cannot happen: they begin with one of the three below, which say whether the caller
 * has the scheduler, and end in coro_leave(), which lets it go again.  A call that forgets the end is safe and
 * only cannot be taken the scheduler from until the next one; one that forgets the beginning is not. */

/* After `wanted` was seen, or alone: does `me`, the caller, have the scheduler? */
bool handoff_settle(struct coro *me);
/* One that is alone gives its kernel thread up and waits for its turn; false: it may not, here. */
bool handoff_come_back(struct coro *me);

/* From now on the caller is inside, if this is true. */
static inline bool coro_hold(struct coro *me)
{
	atomic_store_explicit(me->outside, false, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst); /* the processor's part is the monitor's, by membarrier(2) */
	if (UNLIKELY(atomic_load_explicit(&sched.wanted, memory_order_acquire)) ||
	    UNLIKELY(atomic_load_explicit(&me->keeps, memory_order_relaxed) & KEEPS_ALONE))
		return handoff_settle(me);
	return true;
}

/* The caller, if it has the scheduler; NULL: to it, the caller is a native thread. */
static inline struct coro *coro_here(void)
{
	struct coro *me = coro_self;

	return LIKELY(!me) || !coro_hold(me) ? NULL : me;
}

/* The same, but one that is alone comes back first. */
static inline struct coro *coro_host(void)
{
	struct coro *me = coro_self;

	return LIKELY(!me) || (UNLIKELY(!coro_hold(me)) && !handoff_come_back(me)) ? NULL : me;
}

static inline bool coro_can_park(const struct coro *me)
{
	return LIKELY(!me->no_park && !(sched.in_handler && sig_in_handler()));
}

/* May the caller park?  NULL: the plain libc call it is. */
static inline struct coro *coro_may_park(void)
{
	struct coro *me = coro_host();

	return LIKELY(!me) || !coro_can_park(me) ? NULL : me;
}

/* From any thread, for a moment inside another call or none: true if the caller has the scheduler; then
 * coro_end_moment() puts `outside` back. */
static inline bool coro_begin_moment(bool *was_outside)
{
	struct coro *me = coro_self;

	if (LIKELY(!me))
		return false;
	*was_outside = atomic_load_explicit(me->outside, memory_order_relaxed);
	return coro_hold(me);
}

static inline void coro_end_moment(bool was_outside)
{
	if (was_outside)
		atomic_store_explicit(coro_self->outside, true, memory_order_release);
}

/* The call is over; its result is passed through. */
static inline long coro_leave(long result)
{
	struct coro *me = coro_self;

	if (LIKELY(me && !atomic_load_explicit(&me->keeps, memory_order_relaxed) && !me->no_park &&
		   !sched.in_handler))
		atomic_store_explicit(me->outside, true, memory_order_release);
	return result;
}

static inline bool coro_cancel_due(const struct coro *me)
{
	return UNLIKELY(atomic_load_explicit(&me->cancel_requested, memory_order_relaxed)) &&
	       !me->cancel_disabled && !me->is_ending;
}

/* Acts on a cancellation request (green.c). */
_Noreturn void green_act_on_cancel(struct coro *me);

/* A wait has ended with -ECANCELED, nothing of the call is left to undo.  A thread does not return from here;
 * a native coroutine gets what its call fails with: -ECANCELED, or -ETIME when its limit has passed; a
 * greenlet -EINTR or -ECANCELED, and an exception is due for it. */
int coro_ended_early(struct coro *me);

/* So many of them: then others get a turn, though the calls may never have to wait. */
#define CALLS_A_TURN 128
void sched_end_turn(struct coro *me);

/* The same for calls that are cancellation points (pthreads(7)).  Signals from here on end a wait with WAITQ_KEEP. */
static inline struct coro *coro_enter_wait(void)
{
	struct coro *me = coro_may_park();

	if (UNLIKELY(!me))
		return NULL;
	me->interrupted = 0;
	if (UNLIKELY(coro_cancel_due(me)) && !me->is_routine)
		green_act_on_cancel(me);
	return me;
}

/* And that may let others run before they begin.  Not for who is in the midst of something: a wait for a condition
 * has a mutex, the GIL's own perhaps, without which no greenlet can be switched to. */
struct coro *coro_enter_green(void);
static inline struct coro *coro_enter(void)
{
	/* Out of line, so that the call of a native thread is a test and a jump, without a frame. */
	return LIKELY(!coro_self) ? NULL : coro_enter_green();
}

/* And of calls on files, which never wait: for them a greenlet does not give way.  An import that it is in the
 * midst of is, to Python, its whole thread's, and another greenlet would find a module that is half there. */
static inline struct coro *coro_enter_file(void)
{
	const struct coro *me = coro_self;

	return UNLIKELY(me && me->carrier) ? coro_enter_wait() : coro_enter();
}

/* A cancellation point of a call that neither parks nor touches the scheduler. */
static inline void coro_cancel_point(void)
{
	struct coro *me = coro_self;

	if (UNLIKELY(me && coro_cancel_due(me)) && coro_enter())
		coro_leave(0);
}

/* Which of its reasons ends the caller's wait; 0: none yet.  `flags` are WAITQ_*. */
static inline int coro_early_end(const struct coro *me, int flags)
{
	if (UNLIKELY(me->nudged) && me->heeds_nudges)
		return -ETIMEDOUT;
	if (UNLIKELY(me->timed_out))
		return me->at_limit ? -ECANCELED : -ETIMEDOUT;
	if ((flags & WAITQ_CANCEL) && coro_cancel_due(me))
		return -ECANCELED;
	if ((me->interrupted & INTR_SIGNAL) && (flags & WAITQ_INTR))
		return -EINTR;
	if (UNLIKELY(me->awaited != 0) && (me->awaited & *(const uint64_t *)&me->pending))
		return -EINTR;
	if ((me->interrupted & INTR_RESTART) && (flags & WAITQ_INTR) && !(flags & WAITQ_RESTART))
		return -EINTR;
	return 0;
}

/* From now on the host's own flow is not alone on its thread-local storage. */
void sched_share_tls(void);

/* Makes the calling kernel thread the host and its flow a coroutine; once in a process.  0 or -errno. */
int sched_adopt_host(void);
/* Out of the ring of all. */
void sched_remove(struct coro *co);

/* Parks the caller until somebody unparks it.  Spurious returns happen: every verb loops on its own
 * condition.  `why` is a literal, fd -1 where there is none. */
void sched_park(struct coro *me, const char *why, int fd);

/* The same with a deadline: arms the record's timer, which sets timed_out. */
void sched_arm(struct coro *me, deadline_t until);
void sched_disarm(struct coro *me);

/* Lets every other ready coroutine run once. */
void sched_yield_now(struct coro *me);
/* The same for the thread as a whole, whatever greenlets it has. */
void sched_yield_thread(struct coro *me);

/* Is there anybody but the caller to run?  And, between two flows of a carrier: timers and descriptors are
 * looked at when their time has come. */
bool sched_someone_is_ready(void);
void sched_look_if_due(void);

/* A seat's own flow, where no coroutine runs yet, makes its kernel thread the host's: it switches to a
 * coroutine.  `arrived` runs on that one's stack.  Returns when somebody continues the seat's flow. */
void sched_take_over(struct seat *seat, void (*arrived)(struct coro *));
/* `co`, which was alone and is off its stack, wants its turn.  The last that the caller does with it. */
void sched_push_back(struct coro *co);

/* Leaves the caller's stack. `after` runs on the next coroutine's stack when this one is off its own.  Returns
 * when somebody continues it for a new life: on a host (then sched_landed() is the first thing to call) or on a
 * kernel thread of its own (then nothing of the scheduler may be touched). */
void sched_leave(struct coro *me, void (*after)(struct coro *));
/* First thing on a stack that was entered by a switch on a host. */
void sched_landed(void);

/* Makes a parked coroutine ready.  From any thread. */
void coro_unpark(struct coro *co);
/* Same, only from the host. */
void coro_ready(struct coro *co);
/* Puts a CORO_NEW coroutine into the run queue and the ring of all, from any thread. */
void coro_launch(struct coro *co);

void sched_drain_remote(void);

/* Before a wait whose end coro_early_end() tells: forgets older signals, arms the timer. */
static inline void coro_begin_wait(struct coro *me, deadline_t until, int flags)
{
	if (!(flags & WAITQ_KEEP))
		me->interrupted = 0;
	me->interruptible = flags != 0;
	me->nudged = false;
	me->heeds_nudges = (flags & WAITQ_NUDGE) && me->may_be_hub;
	me->at_limit = UNLIKELY(me->has_limit) && me->limit < until && (flags & WAITQ_CANCEL);
	sched_arm(me, me->at_limit ? me->limit : until);
}

static inline void coro_end_wait(struct coro *me)
{
	sched_disarm(me);
	me->interruptible = false;
}

/* In a forked child: nothing of ours exists.  The caller, green or not, is now a plain kernel thread (glibc's
 * fork has put its real tid into its record) and becomes a host again when it makes a green thread. */
void sched_after_fork_child(void);

/* Checks every invariant of the scheduler, timers and fd table; 0, or -1 and a line on stderr.  Host only. */
int sched_verify(void);

#endif
