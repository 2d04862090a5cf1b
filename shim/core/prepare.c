/* SPDX-License-Identifier: Apache-2.0
 *
 * The first frame of a new stack: what the switches of switch_*.S load, made by hand.  And the switch in glibc's own
 * way.
 */
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include "coro.h"
#include "raw.h"
#include "switch.h"

extern char switch_entry[];

#if defined(__x86_64__)
/* From below: the floating point control words, r15 r14 r13 r12 rbx rbp, and where to return to.  There the stack
 * pointer must be what it is at a function's first instruction but for the return address: `callq` pushes that. */
void *switch_prepare(void *top, void (*entry)(void *), void *arg)
{
	uint64_t *sp = (uint64_t *)((uintptr_t)top & ~(uintptr_t)15) - 8;
	uint32_t mxcsr;
	uint16_t fcw;

	__asm__("stmxcsr %0" : "=m"(mxcsr));
	__asm__("fnstcw %0" : "=m"(fcw));
	memset(sp, 0, 8 * sizeof(*sp));
	sp[0] = mxcsr | (uint64_t)fcw << 32;
	sp[3] = (uintptr_t)arg;	  /* r13 */
	sp[4] = (uintptr_t)entry; /* r12 */
	sp[7] = (uintptr_t)switch_entry;
	return sp;
}
#else
void *switch_prepare(void *top, void (*entry)(void *), void *arg)
{
	uint64_t *sp = (uint64_t *)((uintptr_t)top & ~(uintptr_t)15) - 22, fpcr;

	__asm__("mrs %0, fpcr" : "=r"(fpcr));
	memset(sp, 0, 22 * sizeof(*sp));
	sp[0] = (uintptr_t)entry;	  /* x19 */
	sp[1] = (uintptr_t)arg;		  /* x20 */
	sp[11] = (uintptr_t)switch_entry; /* x30 */
	sp[20] = fpcr;
	return sp;
}
#endif

/* makecontext() passes ints. */
static void enter_split(unsigned entry_high, unsigned entry_low, unsigned arg_high, unsigned arg_low)
{
	void (*entry)(void *) = (void (*)(void *))((uintptr_t)entry_high << 32 | entry_low);

	entry((void *)((uintptr_t)arg_high << 32 | arg_low));
}

int switch_prepare_ucontext(struct coro *co, void *stack, size_t size, void (*entry)(void *), void *arg)
{
	uintptr_t e = (uintptr_t)entry, a = (uintptr_t)arg;

	if (!co->ucontext && !(co->ucontext = calloc(1, sizeof(ucontext_t))))
		return -ENOMEM;
	getcontext(co->ucontext);
	co->ucontext->uc_stack.ss_sp = stack;
	co->ucontext->uc_stack.ss_size = size;
	co->ucontext->uc_link = NULL;
	makecontext(co->ucontext, (void (*)(void))enter_split, 4, (unsigned)(e >> 32), (unsigned)e,
		    (unsigned)(a >> 32), (unsigned)a);
	co->in_ucontext = true;
	return 0;
}

/* glibc's calls restore the signal mask of the time when the context was saved; ours is one for all (sigmask.h). */
void switch_to_ucontext(struct coro *me, struct coro *next)
{
	raw4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &next->ucontext->uc_sigmask, 8);
	if (!me->ucontext)
		me->ucontext = calloc(1, sizeof(ucontext_t));
	next->in_ucontext = false;
	me->in_ucontext = me->ucontext != NULL;
	if (me->fs_base != next->fs_base)
		switch_set_fs(next->fs_base);
	if (me->ucontext)
		swapcontext(me->ucontext, next->ucontext);
	else
		abort(); /* there is no way to leave this stack */
}
