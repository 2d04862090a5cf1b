/* SPDX-License-Identifier: Apache-2.0
 *
 * A handler may run between any two instructions of a switch.  It must never find one thread's stack with
 * another's thread-local storage: the address of its frame has to lie in the stack that the thread's own
 * variables say.
 */
#include "calls/blocked.h"

static _Thread_local char *volatile stack_low, *volatile stack_high;
static _Atomic int ticks, wrong;

static void tick(int sig)
{
	char here;

	(void)sig;
	if (stack_low && (&here < stack_low || &here >= stack_high))
		atomic_fetch_add(&wrong, 1);
	atomic_fetch_add(&ticks, 1);
}

static void learn_bounds(void)
{
	pthread_attr_t attr;
	void *base;
	size_t size;

	CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
	CHECK_EQ(pthread_attr_getstack(&attr, &base, &size), 0);
	CHECK_EQ(pthread_attr_destroy(&attr), 0);
	stack_high = (char *)base + size;
	stack_low = base;
}

static void *yielder(void *arg)
{
	learn_bounds();
	for (int i = 0; i < 3000 || (ticks < 20 && i < 1000000); i++)
		sched_yield();
	return arg;
}

int main(void)
{
	struct itimerval fast = { { 0, 200 }, { 0, 200 } }, off = { { 0, 0 }, { 0, 0 } };
	pthread_t t[4];

	learn_bounds();
	on_signal(SIGALRM, tick, SA_RESTART);
	CHECK_EQ(setitimer(ITIMER_REAL, &fast, NULL), 0);
	for (int i = 0; i < 4; i++)
		t[i] = start(yielder, NULL);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
	CHECK_EQ(wrong, 0);
	return 0;
}
