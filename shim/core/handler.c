/* SPDX-License-Identifier: Apache-2.0
 *
 * The application's handlers, and the stub that stands in for them in the kernel.
 *
 * Three ways lead to a handler:
 *   - The kernel enters stub().  On a native thread that just calls it; on one that is alone (handoff.h), too, but
 *     main's are passed on to main.  On the host it runs at once, on
 *     top of what the current coroutine computes, unless that one blocks the signal or is in the
 *     scheduler: then the signal is kept, for main if main does not block it (so does the kernel choose),
 *     and is delivered on the taker's own stack.
 *   - sig_run_pending() delivers what is pending for a coroutine when it comes back from a park.
 *   - The same, at once, when a coroutine sends a signal to itself or unblocks one.
 * In each of them nothing parks: the calls of a handler are the plain ones (sched.in_handler, `frames`).
 *
 * The stub may run between any two instructions.  It takes no lock that the host holds with signals open,
 * changes shared words by atomic steps only, and does not look at thread-local storage before
 * complete_switch().
 */
#include "handler.h"
#include "errand.h"
#include "fdtab.h"
#include "greenlet.h"
#include "handoff.h"
#include "libc.h"
#include "native.h"
#include "sigmask.h"
#include "sigtable.h"
#include "switch.h"

#define SA_RESTORER 0x04000000 /* the kernel's word */

/* Handlers that run on the host now, the innermost last; sched.in_handler is their number. */
struct frame {
	struct coro *co;
	char *low, *high;	 /* its calls have their frames here */
	volatile uint64_t *mark; /* holds `cookie` as long as the handler has not been left by a jump */
	uint64_t cookie;
	uint64_t mask; /* to be put back, if we are the ones who changed it */
	bool kernel;   /* the kernel entered it */
};
#define FRAMES 64
static struct frame frames[FRAMES];

siginfo_t sig_nudge;

/* ---- Handlers that run: may the caller park? ---- */

static int frame_enter(struct coro *me, bool kernel, const stack_t *alt, volatile uint64_t *mark)
{
	int depth = sched.in_handler;
	char *here = (char *)mark;
	struct frame *f;

	sched.in_handler = depth + 1; /* before the slot is filled: a nested handler takes the next one */
	if (depth >= FRAMES)
		return depth;
	f = &frames[depth];
	*mark = (uintptr_t)mark ^ 0x5a5a5a5aa5a5a5a5ull;
	*f = (struct frame){ .co = me, .high = here, .mark = mark, .cookie = *mark, .kernel = kernel };
	if (alt && here >= (char *)alt->ss_sp && here < (char *)alt->ss_sp + alt->ss_size)
		f->low = alt->ss_sp;
	return depth;
}

static void frame_leave(int depth)
{
	sched.in_handler = depth;
}

static bool runs_inside(const struct frame *f, const char *sp)
{
	return f->co == coro_self && sp >= f->low && sp < f->high && *f->mark == f->cookie;
}

/* siglongjmp() has left the handler, with it the wait that it interrupted, and as a rule put the mask back. */
static void abandon(const struct frame *f)
{
	struct coro *me = f->co;

	sig_mask_moved();
	if (me != coro_self)
		return;
	sig_await(me, 0);
	if (f->kernel)
		return;
	sig_put_mask(me, f->mask);
	if (me->waiter.queued)
		waitq_remove(&me->waiter);
	if (me->fdwait.rec)
		fdwait_remove(&me->fdwait);
	if (me->errand)
		errand_forsake(me);
	coro_end_wait(me);
}

__attribute__((noinline)) bool sig_in_handler(void)
{
	const char *sp = __builtin_frame_address(0);

	while (sched.in_handler > 0 && sched.in_handler <= FRAMES) {
		struct frame *f = &frames[sched.in_handler - 1];

		if (runs_inside(f, sp))
			return true;
		sched.in_handler--;
		abandon(f);
	}
	return sched.in_handler > 0;
}

bool handler_of_kernel(void)
{
	return sched.in_handler && sig_in_handler() &&
	       (sched.in_handler > FRAMES || frames[sched.in_handler - 1].kernel);
}

void handler_thread_ended(struct coro *co)
{
	while (sched.in_handler > 0 && sched.in_handler <= FRAMES && frames[sched.in_handler - 1].co == co)
		sched.in_handler--;
}

static void send_to_this_kernel_thread(int sig)
{
	raw3(SYS_tgkill, raw1(SYS_getpid, 0), raw1(SYS_gettid, 0), sig);
}

static unsigned char note_of(unsigned flags)
{
	return flags & SA_RESTART ? INTR_RESTART : INTR_SIGNAL;
}

/* ---- Signals that the kernel delivers ---- */

/* On the stack and in the mask that are there. */
static void call_handler(const struct arrival *a, siginfo_t *info)
{
	struct action act = sigtable_met(a);

	sigtable_reset_if_once(a->sig, &act);
	act.handler(a->sig, info, a->uc);
}

/* It belongs to the instruction that caused it, whatever is blocked.  (abort() opens the kernel's mask
 * itself.) */
static bool is_fault(int sig, const siginfo_t *info)
{
	if (sig == SIGABRT)
		return info->si_code == SI_TKILL;
	return info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL ||
				     sig == SIGTRAP || sig == SIGSYS);
}

#if defined(__x86_64__)
#define PROGRAM_COUNTER(uc) ((uc)->uc_mcontext.gregs[REG_RIP])
#else
#define PROGRAM_COUNTER(uc) ((uc)->uc_mcontext.pc)
#endif

/* Between the change of stack and of thread pointer in switch_stack() a handler would see one thread's
 * stack with another's storage.  We do the second half here already; done again it changes nothing. */
static void complete_switch(const ucontext_t *uc)
{
#if defined(__x86_64__)
	uintptr_t sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
#else
	uintptr_t sp = uc->uc_mcontext.sp;
#endif
	uintptr_t pc = (uintptr_t)PROGRAM_COUNTER(uc);

	if (pc - (uintptr_t)switch_stack < 256 && sp == (uintptr_t)sched.current->sp)
		switch_set_fs(sched.current->fs_base);
}

/* Whose call the kernel would end if each coroutine were a thread of its own; NULL: nobody's, it stays
 * pending. */
static struct coro *choose(struct coro *me, int sig)
{
	if (!sig_blocks(sched.main, sig))
		return sched.main;
	if (sig_is_awaited(sig))
		return NULL;
	return sig_blocks(me, sig) || me->state == CORO_DEAD ? NULL : me;
}

/* Standard signals merge, so they cannot overflow what we keep; queued ones rather run on top of the
 * scheduler. */
static bool runs_now(const struct coro *me, int sig)
{
	return !sig_blocks(me, sig) && (me->state == CORO_RUNNING || sig >= FIRST_REALTIME);
}

static bool is_for_sigwait(const struct coro *whose, int sig)
{
	return sig_is_awaited(sig) && (!whose || (whose->awaited & BIT(sig)));
}

static bool take_nudge(struct coro *me, int sig, siginfo_t *info)
{
	return (sig_pending_of(me) & BIT(sig)) && !sig_blocks(me, sig) && sig_take(me, sig, info);
}

/* For one that is in no state to run a handler, or has a kernel thread of its own whose system call is to
 * end.  False: the application has set another action since the kernel chose the handler: this is its last. */
static bool keep(struct coro *whose, const struct arrival *a, const siginfo_t *info)
{
	if (!sigtable_post(whose, a, info))
		return false;
	coro_unpark(whose ? whose : sched.main); /* at least ends the poll */
	if (whose)
		sig_nudge_running(whose, a->sig);
	return true;
}

static bool is_elsewhere(const struct coro *me, const struct coro *whose)
{
	return UNLIKELY(whose && whose != me && whose->state == CORO_ALONE);
}

static void note_interrupted(struct coro *me, unsigned flags)
{
	me->interrupted |= note_of(flags);
	if (UNLIKELY(me->carrier != NULL))
		greenlet_interrupted(me, note_of(flags));
}

static void sort_out(struct coro *me, const struct arrival *a)
{
	struct coro *whose = me;
	siginfo_t *info = a->info, own;
	struct action act;

	if (sig_is_nudge(info)) {
		if (!take_nudge(me, a->sig, &own))
			return;
		info = &own;
	} else if (is_fault(a->sig, info)) {
		call_handler(a, info);
		return;
	} else {
		whose = choose(me, a->sig);
		if ((!runs_now(me, a->sig) || is_for_sigwait(whose, a->sig) || is_elsewhere(me, whose)) &&
		    keep(whose, a, info))
			return;
	}
	/* Before the handler, which may jump.  coro_begin_wait() forgets it if there is no wait. */
	if (whose) {
		act = sigtable_met(a);
		note_interrupted(whose, act.flags);
		if (whose->interruptible)
			coro_unpark(whose);
		if (UNLIKELY(whose->carrier != NULL) && greenlet_defers(whose, a->sig, (void *)act.handler))
			return;
	}
	call_handler(a, info);
}

/* False: the caller is not the host after all, but alone. */
__attribute__((noinline)) static bool on_host(const struct arrival *a)
{
	struct coro *me = coro_self ? coro_self : sched.current;
	volatile uint64_t mark;
	bool was_outside = false;
	int depth;

	if (coro_self && !coro_begin_moment(&was_outside))
		return false;
	depth = frame_enter(me, true, &a->uc->uc_stack, &mark);
	sort_out(me, a);
	frame_leave(depth);
	coro_end_moment(was_outside);
	return true;
}

/* As the kernel would with one that is a thread of its own. */
static void sort_out_alone(struct coro *me, const struct arrival *a)
{
	struct coro *whose = me;
	siginfo_t *info = a->info, own;

	if (sig_is_nudge(info)) {
		if (!take_nudge(me, a->sig, &own))
			return;
		info = &own;
	} else if (!is_fault(a->sig, info)) {
		/* The kernel's mask here is what all of us blocked when this one lost the scheduler: less. */
		if (sig_blocks(me, a->sig))
			*sig_word(&a->uc->uc_sigmask) |= BIT(a->sig);
		whose = choose(me, a->sig);
		if ((whose != me || is_for_sigwait(whose, a->sig)) && keep(whose, a, info))
			return;
	}
	me->interrupted |= note_of(sigtable_met(a).flags);
	call_handler(a, info);
}

/* Its calls in there are the plain ones. (A handler may be left by longjmp: handoff.c looks where the
 * caller's frame is.) */
__attribute__((noinline)) static void on_alone(struct coro *me, const struct arrival *a)
{
	uintptr_t low = me->handler_low, high = me->handler_high, here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t alt = (uintptr_t)a->uc->uc_stack.ss_sp;

	me->handler_low = here >= alt && here < alt + a->uc->uc_stack.ss_size ? alt : 1;
	me->handler_high = here;
	sort_out_alone(me, a);
	me->handler_low = low;
	me->handler_high = high;
}

/* A vfork child has the kernel's mask of the host, which blocks less than its parent's own.  It is made to
 * block the signal now, as it believes it does, and meets it again when it opens its mask. */
static bool belongs_to_later(const struct arrival *a)
{
	if (!sched.main || raw1(SYS_getpid, 0) == sigtable_owner)
		return false;
	if (!coro_self || is_fault(a->sig, a->info) || !sig_blocks(coro_self, a->sig))
		return false;
	*sig_word(&a->uc->uc_sigmask) |= BIT(a->sig);
	send_to_this_kernel_thread(a->sig); /* blocked while we are here */
	return true;
}

static void stub(const struct arrival *a)
{
	if (sched.main && raw1(SYS_gettid, 0) == sched.host_tid) {
		complete_switch(a->uc);
		if (on_host(a))
			return;
	}
	if (coro_self && (atomic_load(&coro_self->keeps) & KEEPS_ALONE) &&
	    raw1(SYS_getpid, 0) == sigtable_owner) {
		on_alone(coro_self, a);
	} else if (!belongs_to_later(a)) {
		call_handler(a, a->info);
	}
}

static void stub_0(int sig, siginfo_t *info, void *context)
{
	stub(&(struct arrival){ sig, info, context, 0 });
}

static void stub_1(int sig, siginfo_t *info, void *context)
{
	stub(&(struct arrival){ sig, info, context, 1 });
}

static void stub_2(int sig, siginfo_t *info, void *context)
{
	stub(&(struct arrival){ sig, info, context, 2 });
}

static void stub_3(int sig, siginfo_t *info, void *context)
{
	stub(&(struct arrival){ sig, info, context, 3 });
}

handler_fn *const handler_stubs[HANDLER_STUBS] = { stub_0, stub_1, stub_2, stub_3 };

/* ---- Signals that we deliver ---- */

struct call {
	handler_fn *handler;
	int sig;
	siginfo_t *info;
	ucontext_t *uc;
};

static void make_call(struct call *c)
{
	c->handler(c->sig, c->info, c->uc);
}

/* make_call(c) on another stack.  Asking for the frame address keeps a frame pointer, hence a way to unwind. */
__attribute__((noinline)) static void make_call_on(char *top, struct call *c)
{
	void *volatile frame = __builtin_frame_address(0);

#if defined(__x86_64__)
	__asm__ volatile("movq %%rsp, %%rbx\n\t"
			 "movq %[top], %%rsp\n\t"
			 "call *%[fn]\n\t"
			 "movq %%rbx, %%rsp"
			 : "+D"(c), [top] "+r"(top)
			 : [fn] "r"(make_call)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2",
			   "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
			   "xmm13", "xmm14", "xmm15", "cc", "memory");
#else
	register struct call *x0 __asm__("x0") = c;

	__asm__ volatile("mov x19, sp\n\t"
			 "mov sp, %[top]\n\t"
			 "blr %[fn]\n\t"
			 "mov sp, x19"
			 : "+r"(x0)
			 : [top] "r"(top), [fn] "r"(make_call)
			 : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
			   "x14", "x15", "x16", "x17", "x18", "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5",
			   "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17",
			   "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
			   "v30", "v31", "cc", "memory");
#endif
	(void)frame;
}

static void read_altstack(const struct coro *me, stack_t *ss)
{
	if (me->green)
		*ss = me->altstack;
	else
		libc.sigaltstack(NULL, ss);
	if (ss->ss_flags & SS_DISABLE)
		ss->ss_size = 0;
}

static void run_on_own_stack(struct coro *me, unsigned flags, uint64_t mask, struct call *c)
{
	stack_t ss;
	volatile uint64_t mark;
	char *here = (char *)&mark, *low, *top;
	int depth;

	read_altstack(me, &ss);
	low = ss.ss_sp;
	top = (char *)(((uintptr_t)low + ss.ss_size) & ~(uintptr_t)15);
	depth = frame_enter(me, false, &ss, &mark);
	if (depth < FRAMES)
		frames[depth].mask = mask;
	if (!(flags & SA_ONSTACK) || ss.ss_size == 0 || (here >= low && here < top)) {
		make_call(c);
	} else {
		if (depth < FRAMES) {
			frames[depth].low = low;
			frames[depth].high = top;
		}
		make_call_on(top, c);
	}
	frame_leave(depth);
}

static void deliver_as(struct coro *me, int sig, siginfo_t *info, struct action a)
{
	uint64_t mask = sig_mask_of(me);
	int saved = errno;
	ucontext_t uc;

	/* The thread comes out of a park; whichever greenlet is next would run the interpreter's. */
	if (UNLIKELY(me->carrier != NULL) && greenlet_defers(me, sig, (void *)a.handler)) {
		note_interrupted(me, a.flags);
		return;
	}
	getcontext(&uc);
	*sig_word(&uc.uc_sigmask) = mask;
	sig_put_mask(me, mask | a.mask | (a.flags & SA_NODEFER ? 0 : BIT(sig)));
	run_on_own_stack(me, a.flags, mask, &(struct call){ a.handler, sig, info, &uc });
	sig_put_mask(me, *sig_word(&uc.uc_sigmask)); /* handlers may change their context's, see sigreturn(2) */
	note_interrupted(me, a.flags);
	errno = saved;
}

void handler_deliver(struct coro *me, int sig, siginfo_t *info)
{
	struct action a = handler_action(sig);

	if (sigtable_was_caught(me, sig) && !handler_is_real(a.handler))
		a = sigtable_get(sig);
	if (!handler_is_real(a.handler)) {
		send_to_this_kernel_thread(sig);
		return;
	}
	sigtable_reset_if_once(sig, &a);
	deliver_as(me, sig, info, a);
}

/* ---- glibc's own signals (design.md 3b, rule 9) ---- */

static handler_fn *_Atomic glibc_handlers[2]; /* NULL: it has none yet */
static _Atomic int being_guarded;	      /* so many take them over now, with all signals blocked */

/* By its address a signal says: end the system call that you are in.  glibc's handler takes no notice of one
 * that comes so (SI_QUEUE), should it stand alone for a moment. */
static char break_word;

static bool is_break(int sig, const siginfo_t *info)
{
	return sig == GLIBC_CANCEL && info->si_code == SI_QUEUE && info->si_ptr == &break_word;
}

/* The instructions before the system call, and that itself, to which the counter is put back if the kernel
 * would make it again.  Behind it there is a result. */
static void break_call(ucontext_t *uc)
{
	uintptr_t pc = (uintptr_t)PROGRAM_COUNTER(uc), begin = (uintptr_t)switch_breakable;

	if (pc >= begin && pc < (uintptr_t)switch_breakable_end)
		PROGRAM_COUNTER(uc) = (__typeof__(PROGRAM_COUNTER(uc)))(uintptr_t)switch_breakable_out;
}

/* glibc's handler finds the record it must answer in by the thread pointer; on a seat that is the seat's,
 * whoever runs. */
static void guard(int sig, siginfo_t *info, void *context)
{
	const struct seat *seat;
	handler_fn *fn;
	unsigned long fs;

	if (is_break(sig, info)) {
		break_call(context);
		return;
	}
	while (!(fn = atomic_load(&glibc_handlers[sig - GLIBC_CANCEL])))
		if (!atomic_load(&being_guarded))
			return;
	seat = sched.main ? handoff_seat_of((int)raw1(SYS_gettid, 0)) : NULL;
	if (!seat) {
		fn(sig, info, context);
		return;
	}
	fs = switch_read_fs();
	switch_set_fs(seat->fs);
	fn(sig, info, context);
	switch_set_fs(fs);
}

/* In one step with taking glibc's over, which comes and goes as it pleases: it installs its handler for a
 * cancellation when it is first asked for one. */
static void put_guard(int sig, struct kernel_action k)
{
	struct kernel_action old;
	uint64_t mask;

	k.handler = guard;
	k.mask = ~0ull; /* no handler of the application may run on the borrowed thread pointer */
	raw_block_signals(&mask);
	atomic_fetch_add(&being_guarded, 1);
	if (raw4(SYS_rt_sigaction, sig, &k, &old, 8) == 0 && handler_is_real(old.handler) &&
	    old.handler != guard)
		atomic_store(&glibc_handlers[sig - GLIBC_CANCEL], old.handler);
	atomic_fetch_sub(&being_guarded, 1);
	raw_restore_signals(&mask);
}

static void install_guard(int sig, bool if_glibc_has_one)
{
	struct kernel_action k = { 0 };

	if (raw4(SYS_rt_sigaction, sig, NULL, &k, 8) < 0 || k.handler == guard)
		return;
	if (handler_is_real(k.handler))
		put_guard(sig, k);
	else if (!if_glibc_has_one)
		put_guard(sig, (struct kernel_action){ .flags = SA_SIGINFO | SA_RESTART | SA_RESTORER,
						       .restorer = switch_sigreturn });
}

void sig_guard_setxid(void)
{
	install_guard(GLIBC_SETXID, true);
}

void sig_guard_cancel(void)
{
	install_guard(GLIBC_CANCEL, true);
}

void sig_break_call(int tid)
{
	siginfo_t info = { .si_signo = GLIBC_CANCEL, .si_code = SI_QUEUE };

	info.si_ptr = &break_word;
	install_guard(GLIBC_CANCEL, false);
	raw4(SYS_rt_tgsigqueueinfo, raw1(SYS_getpid, 0), tid, GLIBC_CANCEL, &info);
}

void handler_after_fork_child(void)
{
	atomic_store(&being_guarded, 0);
	sigtable_after_fork_child();
}
