/* SPDX-License-Identifier: Apache-2.0
 *
 * While a thread's body is handed back to libc, or its stack to the next thread, a signal writes its frame
 * on some stack: never on one that somebody else uses.  A timer fires all the time here while threads
 * start and end in every way.
 */
#include "calls/blocked.h"

static _Atomic int ticks;

static void tick(int sig)
{
	volatile char frame[1024];

	(void)sig;
	memset((char *)frame, 0x55, sizeof(frame));
	atomic_fetch_add(&ticks, 1);
}

static void *worker(void *arg)
{
	volatile int pattern[200];
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < 200; i++)
		pattern[i] = me * i;
	sched_yield();
	for (int i = 0; i < 200; i++)
		CHECK_EQ(pattern[i], me * i);
	if (me % 3 == 0)
		pthread_exit(arg);
	return arg;
}

int main(void)
{
	struct itimerval fast = { { 0, 200 }, { 0, 200 } }, off = { { 0, 0 }, { 0, 0 } };
	pthread_t t[8];

	on_signal(SIGALRM, tick, SA_RESTART);
	CHECK_EQ(setitimer(ITIMER_REAL, &fast, NULL), 0);
	for (int round = 0; round < 100 || (ticks < 20 && round < 5000); round++) {
		for (int i = 0; i < 8; i++)
			t[i] = start(worker, (void *)(intptr_t)(round + i));
		for (int i = 0; i < 8; i++)
			CHECK_EQ((intptr_t)finish(t[i]), round + i);
	}
	CHECK_EQ(setitimer(ITIMER_REAL, &off, NULL), 0);
	return 0;
}
