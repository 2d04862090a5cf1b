/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread in a system call that nobody can take the place of does not stop the others, be it main, one of many
 * or the same one again and again; and it does not notice: what is a thread's own, errno, __thread variables,
 * thread-specific data, locale, masks, names, ids, floating point environment and stacks, is still there.
 */
#include "calls/handoff.h"
#include <fenv.h>
#include <locale.h>

#define MANY 24
#define ROUNDS 200
#define ALTSTACK 65536

static struct stuck one, many[MANY], there, back;
static pthread_key_t key;
static _Thread_local int local = 5;

static void a_thread_is_stuck(void)
{
	uint64_t before = handoffs();
	pthread_t t;

	stuck_init(&one);
	t = start(stuck_thread, &one);
	await_stuck(&one);
	if (is_green())
		CHECK(handoffs() > before);
	release(&one);
	CHECK(finish(t) == &one);
	stuck_close(&one);
}

static void *releaser(void *arg)
{
	await_stuck(arg);
	release(arg);
	return arg;
}

static void main_is_stuck(void)
{
	pthread_t t;

	stuck_init(&one);
	t = start(releaser, &one);
	CHECK_EQ(get_stuck(&one), 1);
	CHECK(finish(t) == &one);
	stuck_close(&one);
}

/* More than kernel threads may compute (SYNCLESS_HOSTS): these sleep. */
static void many_are_stuck(void)
{
	pthread_t t[MANY];

	for (int i = 0; i < MANY; i++) {
		stuck_init(&many[i]);
		t[i] = start(stuck_thread, &many[i]);
	}
	for (int i = 0; i < MANY; i++)
		await_stuck(&many[i]);
	for (int i = 0; i < MANY; i++) /* all at the same time, each on a kernel thread of its own */
		for (int j = 0; j < i; j++)
			CHECK(many[i].tid != many[j].tid);
	for (int i = MANY; i-- > 0;)
		release(&many[i]);
	for (int i = 0; i < MANY; i++) {
		CHECK(finish(t[i]) == &many[i]);
		stuck_close(&many[i]);
	}
}

static void *answers(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(get_stuck(&there), 1);
		CHECK_EQ(inline_call(SYS_write, back.fds[1], (long)"y", 1), 1);
	}
	return arg;
}

/* Neither calls anything of libc: once alone, they are left alone. */
static void again_and_again(void)
{
	pthread_t t;

	stuck_init(&there);
	stuck_init(&back);
	t = start(answers, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(inline_call(SYS_write, there.fds[1], (long)"x", 1), 1);
		CHECK_EQ(get_stuck(&back), 1);
		CHECK_EQ(back.byte, 'y');
	}
	finish(t);
	stuck_close(&there);
	stuck_close(&back);
}

/* Each comes back to the others, and is stuck again. */
static void *comes_and_goes(void *arg)
{
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(get_stuck(arg), 1);
		CHECK_EQ(usleep(0), 0);
	}
	return arg;
}

static void back_and_forth(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++) {
		stuck_init(&many[i]);
		t[i] = start(comes_and_goes, &many[i]);
	}
	for (int n = 0; n < 20; n++)
		for (int i = 0; i < 4; i++) {
			await_stuck(&many[i]);
			release(&many[i]);
			while (atomic_load(&many[i].left) == n)
				sched_yield();
		}
	for (int i = 0; i < 4; i++) {
		finish(t[i]);
		stuck_close(&many[i]);
	}
	CHECK_VERIFY();
}

struct own {
	pthread_t self;
	int tid;
	locale_t locale;
	sigset_t mask;
	char name[16], *altstack;
};

static _Thread_local char *expected; /* where handlers run */
static _Atomic int handled;

static void handler(int sig)
{
	char here;

	(void)sig;
	CHECK(&here > expected && &here < expected + ALTSTACK);
	handled++;
}

/* Its handlers run there, too. */
static void check_altstack(const char *altstack)
{
	stack_t now;

	CHECK_EQ(sigaltstack(NULL, &now), 0);
	CHECK(now.ss_sp == altstack && now.ss_size == ALTSTACK && !now.ss_flags);
	CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
}

static bool blocks_usr2(void)
{
	sigset_t now;

	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	return sigismember(&now, SIGUSR2);
}

static void check_own(const struct own *own, struct stuck *s, int number)
{
	char name[16], here;
	void *base;
	size_t size;
	pthread_attr_t attr;

	CHECK_EQ(errno, 1000 + number);
	CHECK_EQ(local, number);
	CHECK(pthread_equal(own->self, pthread_self()));
	CHECK(pthread_getspecific(key) == s);
	CHECK_EQ(fegetround(), number % 2 ? FE_UPWARD : FE_DOWNWARD);
	CHECK_EQ(gettid(), own->tid);
	CHECK(uselocale(0) == own->locale);
	CHECK_EQ(blocks_usr2(), number % 2);
	CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
	CHECK(!strcmp(name, own->name));
	CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
	CHECK_EQ(pthread_attr_getstack(&attr, &base, &size), 0);
	CHECK_EQ(pthread_attr_destroy(&attr), 0);
	CHECK(&here >= (char *)base && &here < (char *)base + size);
	check_altstack(own->altstack);
	CHECK_EQ(errno, 1000 + number);
}

static void *keeper(void *arg)
{
	struct stuck *s = arg;
	int number = (int)(s - many) + 1;
	struct own own = { .self = pthread_self(), .tid = gettid(), .locale = newlocale(LC_ALL_MASK, "C", 0) };
	stack_t ss = { .ss_sp = malloc(ALTSTACK), .ss_size = ALTSTACK }, off = { .ss_flags = SS_DISABLE };
	sigset_t usr2;

	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	own.altstack = expected = ss.ss_sp;
	CHECK_EQ(local, 5);
	local = number;
	uselocale(own.locale);
	fesetround(number % 2 ? FE_UPWARD : FE_DOWNWARD);
	snprintf(own.name, sizeof(own.name), "keeper-%d", number % 100);
	CHECK_EQ(pthread_setname_np(own.self, own.name), 0);
	CHECK_EQ(pthread_setspecific(key, s), 0);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	if (number % 2)
		CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr2, NULL), 0);
	errno = 1000 + number;
	CHECK_EQ(get_stuck(s), 1);
	check_own(&own, s, number);
	usleep(100);
	check_own(&own, s, number);
	uselocale(LC_GLOBAL_LOCALE);
	freelocale(own.locale);
	CHECK_EQ(sigaltstack(&off, NULL), 0);
	free(ss.ss_sp);
	return NULL;
}

static void what_is_their_own_is_kept(void)
{
	pthread_t t[8];

	CHECK_EQ(pthread_key_create(&key, NULL), 0);
	on_signal(SIGUSR1, handler, SA_ONSTACK);
	for (int i = 0; i < 8; i++) {
		stuck_init(&many[i]);
		t[i] = start(keeper, &many[i]);
	}
	for (int i = 0; i < 8; i++)
		await_stuck(&many[i]);
	for (int i = 0; i < 8; i++)
		release(&many[i]);
	for (int i = 0; i < 8; i++) {
		finish(t[i]);
		stuck_close(&many[i]);
	}
	CHECK_EQ(handled, 16);
	CHECK_EQ(local, 5);
	CHECK_EQ(fegetround(), FE_TONEAREST);
	CHECK_EQ(gettid(), getpid());
	CHECK(!blocks_usr2());
}

int main(void)
{
	a_thread_is_stuck();
	main_is_stuck();
	many_are_stuck();
	again_and_again();
	back_and_forth();
	what_is_their_own_is_kept();
	main_is_stuck();
	CHECK_VERIFY();
	return 0;
}
