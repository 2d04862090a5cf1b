/* SPDX-License-Identifier: Apache-2.0
 *
 * Handlers and masks: what runs, when, on which stack, and what it is told.
 */
#include "diff/steps.h"
#include <setjmp.h>
#include <ucontext.h>

static void count(int sig)
{
	(void)sig;
	signals_said++;
}

static const char *mask_text(const sigset_t *set)
{
	static __thread char text[200];
	int at = 0;

	for (int sig = 1; sig < 32; sig++)
		if (sigismember(set, sig) == 1)
			at += snprintf(text + at, sizeof(text) - at, " %s", sigabbrev_np(sig));
	text[at] = '\0';
	return text;
}

static void say_mask(const char *when)
{
	sigset_t now;

	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	SAY("%s:%s", when, mask_text(&now));
}

static void say_pending(void)
{
	sigset_t set;

	R(sigpending(&set));
	SAY("pending:%s", mask_text(&set));
}

/* --- sigaction */

CASE(misuse)
{
	struct sigaction sa = { .sa_handler = count };

	R(sigaction(0, &sa, NULL));
	R(sigaction(65, &sa, NULL));
	R(sigaction(-1, &sa, NULL));
	R(sigaction(SIGKILL, &sa, NULL));
	R(sigaction(SIGSTOP, &sa, NULL));
	R(sigaction(SIGKILL, NULL, &sa));
	R(sigaction(32, &sa, NULL)); /* libc's own */
	R(sigaction(33, NULL, &sa));
	R((long)signal(0, count));
	R((long)signal(SIGKILL, count));
	R((long)signal(65, count));
	R(kill(getpid(), 65));
	R(raise(65));
	R(raise(-1));
	E(pthread_kill(pthread_self(), 65));
	E(pthread_kill(pthread_self(), -1));
	E(pthread_kill(pthread_self(), 0));
	R(sigqueue(getpid(), 65, (union sigval){ 0 }));
	R(tgkill(getpid(), gettid(), 65));
	R(tgkill(getpid(), -1, SIGUSR1));
	R(tgkill(0, gettid(), SIGUSR1));
	R(kill(1 << 30, 0));
}

CASE(what_was_installed)
{
	struct sigaction sa = { .sa_handler = count, .sa_flags = SA_RESTART | SA_NODEFER | SA_ONSTACK }, old;

	sigaddset(&sa.sa_mask, SIGUSR2);
	R(sigaction(SIGUSR1, &sa, &old));
	SAY("default: %d flags %x", old.sa_handler == SIG_DFL, old.sa_flags & ~0x04000000);
	R(sigaction(SIGUSR1, NULL, &old));
	SAY("count: %d flags %x mask%s", old.sa_handler == count, old.sa_flags & ~0x04000000,
	    mask_text(&old.sa_mask));
	SAY("count: %d", signal(SIGUSR1, SIG_IGN) == count);
	SAY("ignored: %d", signal(SIGUSR1, SIG_DFL) == SIG_IGN);
	R((long)signal(SIGUSR1, count));
	R(sigaction(SIGUSR1, NULL, &old));
	SAY("count: %d flags %x mask%s", old.sa_handler == count, old.sa_flags & ~0x04000000,
	    mask_text(&old.sa_mask));
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* siginterrupt */

CASE(interrupting)
{
	struct sigaction old;

	R(siginterrupt(SIGUSR1, 1));
	signal(SIGUSR1, count);
	R(sigaction(SIGUSR1, NULL, &old));
	SAY("flags %x", old.sa_flags & ~0x04000000);
	R(siginterrupt(SIGUSR1, 0));
	R(sigaction(SIGUSR1, NULL, &old));
	SAY("flags %x", old.sa_flags & ~0x04000000);
	R(siginterrupt(0, 1));
}

CASE_THREADS(raised)
{
	on_signal(SIGUSR1, say_signal, 0);
	R(raise(SIGUSR1));
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(tgkill(getpid(), gettid(), SIGUSR1));
	SAY("handled %d", signals_said);
}

CASE_THREADS(once_only)
{
	struct sigaction old;

	on_signal(SIGUSR1, say_signal, SA_RESETHAND);
	R(raise(SIGUSR1));
	R(sigaction(SIGUSR1, NULL, &old));
	SAY("default: %d", old.sa_handler == SIG_DFL);
}

static void raise_again(int sig)
{
	SAY("handler begins");
	if (++signals_said < 3)
		raise(sig);
	SAY("handler ends");
}

CASE_THREADS(deferred_in_its_handler)
{
	on_signal(SIGUSR1, raise_again, 0);
	R(raise(SIGUSR1));
}

CASE_THREADS(not_deferred_in_its_handler)
{
	on_signal(SIGUSR1, raise_again, SA_NODEFER);
	R(raise(SIGUSR1));
}

static void say_mask_inside(int sig)
{
	say_mask(sigabbrev_np(sig));
}

CASE_THREADS(mask_of_a_handler)
{
	struct sigaction sa = { .sa_handler = say_mask_inside };

	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaddset(&sa.sa_mask, SIGHUP);
	change_mask(SIG_SETMASK, SIGTERM, 0);
	R(sigaction(SIGUSR1, &sa, NULL));
	R(raise(SIGUSR1));
	say_mask("after");
	sa.sa_flags = SA_NODEFER;
	R(sigaction(SIGUSR1, &sa, NULL));
	R(raise(SIGUSR1));
}

static void raise_other(int sig)
{
	SAY("SIG%s begins", sigabbrev_np(sig));
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	SAY("SIG%s ends", sigabbrev_np(sig));
}

CASE_THREADS(handler_on_top_of_another)
{
	on_signal(SIGUSR1, raise_other, 0);
	on_signal(SIGUSR2, raise_other, 0);
	R(raise(SIGUSR1));
}

CASE_THREADS(handler_that_holds_another_back)
{
	struct sigaction sa = { .sa_handler = raise_other };

	sigaddset(&sa.sa_mask, SIGUSR2);
	R(sigaction(SIGUSR1, &sa, NULL));
	on_signal(SIGUSR2, raise_other, 0);
	R(raise(SIGUSR1));
}

static void unblock_for_good(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	sigdelset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
}

CASE_THREADS(mask_changed_in_the_context)
{
	change_mask(SIG_BLOCK, SIGUSR2, SIGTERM);
	install(SIGUSR1, unblock_for_good, 0);
	R(raise(SIGUSR1));
	say_mask("after");
}

static void change_mask_inside(int sig)
{
	(void)sig;
	change_mask(SIG_BLOCK, SIGUSR2, SIGTERM);
	say_mask("inside");
}

CASE_THREADS(mask_changed_in_a_handler)
{
	on_signal(SIGUSR1, change_mask_inside, 0);
	R(raise(SIGUSR1));
	say_mask("after");
}

/* --- What it is told */

static void say_info(int sig, siginfo_t *info, void *context)
{
	SAY("SIG%s code %d own %d value %d context %d", sig < 32 ? sigabbrev_np(sig) : "RT", info->si_code,
	    info->si_pid == getpid() && info->si_uid == getuid(), info->si_value.sival_int, context != NULL);
	signals_said++;
}

CASE_THREADS(info_of_raise)
{
	install(SIGUSR1, say_info, 0);
	R(raise(SIGUSR1));
	E(pthread_kill(pthread_self(), SIGUSR1));
}

CASE_THREADS(info_of_sigqueue_to_a_thread)
{
	install(SIGUSR1, say_info, 0);
	install(SIGRTMIN, say_info, 0);
	E(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){ .sival_int = 5 }));
	E(pthread_sigqueue(pthread_self(), SIGRTMIN, (union sigval){ .sival_int = 6 }));
}

CASE_MAIN(info_of_kill)
{
	install(SIGUSR1, say_info, 0);
	R(kill(getpid(), SIGUSR1));
	R(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 7 }));
}

static void fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	SAY("SIG%s code %d at NULL: %d", sigabbrev_np(sig), info->si_code, info->si_addr == NULL);
	_exit(0);
}

CASE_THREADS(info_of_a_fault)
{
	install(SIGSEGV, fault, 0);
	SAY("reads");
	*(volatile char *)NULL;
	SAY("not reached");
}

static void fault_in_blocked(void *arg)
{
	on_signal(SIGSEGV, say_signal, 0);
	change_mask(SIG_BLOCK, SIGSEGV, 0);
	SAY("reads");
	*(volatile char *)arg;
	SAY("not reached");
}

CASE_THREADS(fault_while_blocked)
{
	child_end(child(fault_in_blocked, NULL));
}

/* --- Real-time signals queue, the others merge */

CASE_THREADS(order_of_pending)
{
	sigset_t all;

	sigfillset(&all);
	for (int i = 0; i < 3; i++)
		install(SIGRTMIN + i, say_info, 0);
	install(SIGUSR1, say_info, 0);
	install(SIGUSR2, say_info, 0);
	for (int i = 1; i < 32; i++)
		if (i != SIGUSR1 && i != SIGUSR2)
			sigdelset(&all, i);
	R(pthread_sigmask(SIG_BLOCK, &all, NULL));
	for (int i = 2; i >= 0; i--)
		for (int j = 0; j < 2; j++)
			E(pthread_sigqueue(pthread_self(), SIGRTMIN + i,
					   (union sigval){ .sival_int = 10 * i + j }));
	for (int j = 0; j < 2; j++) {
		E(pthread_sigqueue(pthread_self(), SIGUSR2, (union sigval){ .sival_int = 100 + j }));
		E(pthread_kill(pthread_self(), SIGUSR1));
	}
	say_pending();
	/* One at a time: of many at once the kernel runs the last one's handler first. */
	for (int sig = 1; sig <= SIGRTMIN + 2; sig++)
		if (sig < 32 || sig >= SIGRTMIN)
			change_mask(SIG_UNBLOCK, sig, 0);
	SAY("handled %d", signals_said);
}

/* --- Masks and pending */

CASE(mask_calls)
{
	sigset_t set, old, *same = &set;

	sigfillset(&set);
	E(pthread_sigmask(SIG_SETMASK, &set, &old));
	SAY("before:%s", mask_text(&old));
	say_mask("all"); /* but those that cannot be blocked */
	E(pthread_sigmask(77, &set, NULL));
	E(pthread_sigmask(77, NULL, &old));
	R(sigprocmask(77, &set, NULL));
	set = set_of(SIGUSR1, SIGUSR2);
	R(sigprocmask(SIG_SETMASK, &set, &old));
	SAY("before:%s", mask_text(&old));
	set = set_of(SIGUSR1, SIGTERM);
	R(sigprocmask(SIG_UNBLOCK, &set, same));
	SAY("before:%s", mask_text(&set));
	say_mask("after");
}

CASE_THREADS(pending_of_a_thread)
{
	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, SIGUSR2);
	say_pending();
	R(raise(SIGUSR1));
	say_pending();
	R(raise(SIGUSR1));
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
	say_pending();
	SAY("handled %d", signals_said);
}

CASE_MAIN(pending_of_the_process)
{
	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, SIGUSR2);
	R(kill(getpid(), SIGUSR1));
	R(kill(getpid(), SIGUSR1));
	say_pending();
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
	say_pending();
	SAY("handled %d", signals_said);
}

CASE_THREADS(ignored_while_pending)
{
	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, 0);
	R(raise(SIGUSR1));
	say_pending();
	on_signal(SIGUSR1, SIG_IGN, 0); /* which forgets it */
	say_pending();
	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
	SAY("handled %d", signals_said);
}

CASE_THREADS(ignored_when_sent)
{
	signal(SIGUSR1, SIG_IGN);
	change_mask(SIG_BLOCK, SIGUSR1, 0);
	R(raise(SIGUSR1));
	say_pending(); /* blocked ones are kept, ignored or not */
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
	say_pending();
}

static void *mask_of_another(void *arg)
{
	say_mask("inherited");
	change_mask(SIG_SETMASK, SIGTERM, 0);
	say_mask("own");
	return arg;
}

CASE_THREADS(masks_are_each_threads_own)
{
	change_mask(SIG_BLOCK, SIGUSR1, SIGHUP);
	flow_end(flow(mask_of_another, NULL));
	say_mask("as it was");
}

static void *signal_for_another(void *arg)
{
	change_mask(SIG_BLOCK, SIGUSR1, 0);
	step(1);
	await_step(2);
	say_pending();
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
	SAY("handled %d", signals_said);
	return arg;
}

CASE_THREADS(pending_for_another_thread)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, 0);
	f = flow(signal_for_another, NULL);
	await_step(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	say_pending();
	SAY("handled %d", signals_said);
	step(2);
	flow_end(f);
}

static void *take_for_process(void *arg)
{
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
	step(1);
	while (!signals_said)
		usleep(1000);
	return arg;
}

/* Only one thread lets it through. */
CASE_MAIN(handler_in_the_thread_that_does_not_block)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, 0);
	f = flow(take_for_process, NULL);
	await_step(1);
	R(kill(getpid(), SIGUSR1));
	flow_end(f);
	SAY("handled %d", signals_said);
}

static void *see_pending(void *arg)
{
	await_step(1);
	say_pending();
	return arg;
}

CASE_MAIN(pending_of_the_process_is_everybodys)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, SIGUSR2);
	f = flow(see_pending, NULL);
	R(kill(getpid(), SIGUSR1));
	R(raise(SIGUSR2));
	step(1);
	flow_end(f);
	say_pending();
}

static void *unblock_it(void *arg)
{
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
	say_pending();
	return arg;
}

CASE_MAIN(pending_of_the_process_is_taken_by_who_unblocks_it)
{
	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, 0);
	R(kill(getpid(), SIGUSR1));
	flow_end(flow(unblock_it, NULL));
	say_pending();
}

static void *suspend(void *arg)
{
	sigset_t open;

	sigemptyset(&open);
	R(sigsuspend(&open));
	return arg;
}

CASE_MAIN(pending_of_the_process_is_taken_by_who_suspends)
{
	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, 0);
	R(kill(getpid(), SIGUSR1));
	flow_end(flow(suspend, NULL));
	say_pending();
}

static void *end_with_it_pending(void *arg)
{
	R(raise(SIGUSR1));
	say_pending();
	return arg;
}

/* What was sent to a thread ends with it. */
CASE_MAIN(pending_of_a_thread_that_ends)
{
	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, 0);
	flow_end(flow(end_with_it_pending, NULL));
	say_pending();
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
}

static void *send_to_main(void *arg)
{
	E(pthread_kill(*(pthread_t *)arg, SIGUSR1));
	say_pending();
	return NULL;
}

CASE_MAIN(pending_of_main)
{
	pthread_t me = pthread_self();

	on_signal(SIGUSR1, say_signal, 0);
	change_mask(SIG_BLOCK, SIGUSR1, 0);
	flow_end(flow(send_to_main, &me));
	say_pending();
	change_mask(SIG_UNBLOCK, SIGUSR1, 0);
	say_pending();
}

/* --- Stacks */

static char *alternative;
static const char *where;

static void say_stack(int sig)
{
	int saved = errno;
	stack_t now;
	char here;

	(void)sig;
	where = &here >= alternative && &here < alternative + 65536 ? "alternative" : "normal";
	SAY("on the %s one", where);
	R(sigaltstack(NULL, &now));
	SAY("flags %x", now.ss_flags);
	now.ss_flags = 0;
	R(sigaltstack(&now, NULL));
	errno = saved;
}

CASE_THREADS(alternative_stack)
{
	stack_t ss = { .ss_size = 65536 }, old;

	alternative = ss.ss_sp = malloc(65536);
	R(sigaltstack(NULL, &old));
	SAY("flags %x", old.ss_flags);
	R(sigaltstack(&ss, NULL));
	R(sigaltstack(NULL, &old));
	SAY("flags %x size %zu", old.ss_flags, old.ss_size);
	on_signal(SIGUSR1, say_stack, SA_ONSTACK);
	on_signal(SIGUSR2, say_stack, 0);
	R(raise(SIGUSR1));
	R(raise(SIGUSR2));
	ss.ss_flags = SS_DISABLE;
	R(sigaltstack(&ss, &old));
	SAY("flags %x size %zu", old.ss_flags, old.ss_size);
	R(raise(SIGUSR1));
}

CASE_THREADS(alternative_stack_misuse)
{
	static char small[100];
	stack_t ss = { .ss_sp = small, .ss_size = sizeof(small) };

	R(sigaltstack(&ss, NULL));
	ss.ss_flags = 77;
	R(sigaltstack(&ss, NULL));
	ss.ss_flags = SS_DISABLE;
	R(sigaltstack(&ss, NULL));
}

static sigjmp_buf back;

static void jump(int sig)
{
	(void)sig;
	signals_said++;
	siglongjmp(back, 5);
}

CASE_THREADS(left_by_siglongjmp)
{
	int r;

	on_signal(SIGUSR1, jump, 0);
	if ((r = sigsetjmp(back, 1)) == 0)
		raise(SIGUSR1);
	SAY("back with %d", r);
	say_mask("after");
	usleep(1000);
	if ((r = sigsetjmp(back, 1)) == 0)
		raise(SIGUSR1);
	SAY("back with %d", r);
}

static int p[2];

static void *read_until_jump(void *arg)
{
	char c;

	if (sigsetjmp(back, 1) == 0) {
		blocks();
		R(read(p[0], &c, 1));
	}
	SAY("out of the read");
	R(usleep(1000));
	R(read(p[0], &c, 1));
	return arg;
}

CASE_THREADS(jump_out_of_a_read)
{
	struct flow *f;

	CHECK_EQ(pipe(p), 0);
	on_signal(SIGUSR1, jump, 0);
	f = flow(read_until_jump, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	await_handler();
	tell(p[1]);
	flow_end(f);
}
