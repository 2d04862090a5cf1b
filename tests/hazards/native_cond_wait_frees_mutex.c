/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_cond_wait() of a native thread unlocks the mutex inside libc, where we see nothing of it.  A green
 * thread parked on that mutex would sleep on; the interpreter's lock is exactly such a pair.
 */
#include "calls/blocked.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int turn, blocked;

/* Holds the mutex until the other waits for it, then lets go of it by waiting for the condition. */
static void *waits(void *arg)
{
	struct timespec far = in_ms(CLOCK_REALTIME, 1000000);
	bool timed = *(bool *)arg;

	CHECK_EQ(pthread_mutex_lock(&m), 0);
	turn = 1;
	await_blocked(blocked);
	while (turn != 2)
		CHECK_EQ(timed ? pthread_cond_timedwait(&c, &m, &far) : pthread_cond_wait(&c, &m), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return NULL;
}

static void *locks(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	turn = 2;
	CHECK_EQ(pthread_cond_signal(&c), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return arg;
}

static void check(bool native_waits, bool timed)
{
	pthread_t a, b;

	turn = 0;
	blocked++;
	a = native_waits ? start_native(waits, &timed) : start(waits, &timed);
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != 1)
		sched_yield();
	b = native_waits ? start(locks, NULL) : start_native(locks, NULL);
	finish(a);
	finish(b);
}

int main(void)
{
	for (int i = 0; i < 8; i++)
		check(i & 1, i & 2);
	return 0;
}
