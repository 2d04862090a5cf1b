/* SPDX-License-Identifier: Apache-2.0
 *
 * Each thread has an alternate signal stack of its own, none to begin with; what it set is what it is
 * told, also after others have set theirs, and its handlers with SA_ONSTACK run there.
 */
#include "calls/blocked.h"

static char stacks[3][65536];
static _Thread_local char *expected;
static _Atomic int handled;

static void handler(int sig)
{
	char here;

	(void)sig;
	CHECK(&here > expected && &here < expected + sizeof(stacks[0]));
	handled++;
}

static void use(int i)
{
	stack_t ss = { .ss_sp = stacks[i], .ss_size = sizeof(stacks[i]) }, now;

	CHECK_EQ(sigaltstack(NULL, &now), 0);
	CHECK(now.ss_flags & SS_DISABLE);
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	expected = stacks[i];
}

static void *worker(void *arg)
{
	int i = *(int *)arg;
	stack_t now, off = { .ss_flags = SS_DISABLE };

	use(i);
	for (int n = 0; n < 5; n++) {
		sched_yield();
		CHECK_EQ(sigaltstack(NULL, &now), 0);
		CHECK(now.ss_sp == stacks[i] && now.ss_size == sizeof(stacks[i]) && !now.ss_flags);
		CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
	}
	CHECK_EQ(sigaltstack(&off, NULL), 0);
	CHECK_EQ(sigaltstack(NULL, &now), 0);
	CHECK(now.ss_flags & SS_DISABLE);
	return NULL;
}

int main(void)
{
	int ids[] = { 0, 1, 2 };
	stack_t small = { .ss_sp = stacks[0], .ss_size = 10 };
	pthread_t a, b;

	on_signal(SIGUSR1, handler, SA_ONSTACK);
	CHECK_ERRNO(sigaltstack(&small, NULL), ENOMEM);
	a = start(worker, &ids[0]);
	b = start(worker, &ids[1]);
	worker(&ids[2]);
	finish(a);
	finish(b);
	CHECK_EQ(handled, 15);
	return 0;
}
