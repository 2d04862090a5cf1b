/* SPDX-License-Identifier: Apache-2.0
 *
 * Condition variables: the wait lets go of the mutex and has it again on return, a signal wakes one,
 * a broadcast all, and both work with and without the mutex held, before and after it is released.
 */
#include "calls/blocked.h"

#define N 10

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int tickets, woken, waiting;

static void *waiter(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	waiting++;
	errno = 1234;
	while (!tickets)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	CHECK_EQ(errno, 1234);
	CHECK_EQ(pthread_mutex_trylock(&m), EBUSY);
	tickets--;
	woken++;
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return arg;
}

static void start_waiters(pthread_t *t, int n)
{
	waiting = woken = 0;
	for (int i = 0; i < n; i++)
		t[i] = start(waiter, NULL);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	while (waiting < n) { /* whoever has counted itself is in the wait once we have the mutex */
		CHECK_EQ(pthread_mutex_unlock(&m), 0);
		sched_yield();
		CHECK_EQ(pthread_mutex_lock(&m), 0);
	}
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

static void release_one(bool held)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	tickets++;
	if (held)
		CHECK_EQ(pthread_cond_signal(&c), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	if (!held)
		CHECK_EQ(pthread_cond_signal(&c), 0);
}

int main(void)
{
	pthread_t t[N];

	CHECK_EQ(pthread_cond_signal(&c), 0); /* nobody there: nothing kept */
	for (int held = 0; held < 2; held++) {
		start_waiters(t, N);
		for (int i = 0; i < N; i++)
			release_one(held);
		for (int i = 0; i < N; i++)
			finish(t[i]);
		CHECK_EQ(woken, N);
		CHECK_EQ(tickets, 0);
	}
	start_waiters(t, N);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	tickets = N;
	CHECK_EQ(pthread_cond_broadcast(&c), 0);
	sched_yield();
	CHECK_EQ(woken, 0); /* they need the mutex first */
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	for (int i = 0; i < N; i++)
		finish(t[i]);
	CHECK_EQ(woken, N);
	CHECK_EQ(pthread_cond_destroy(&c), 0);
	CHECK_VERIFY();
	return 0;
}
