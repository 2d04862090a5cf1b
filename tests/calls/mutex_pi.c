/* SPDX-License-Identifier: Apache-2.0
 *
 * Priority inheritance mutexes: the kernel itself looks up the owner's thread id, so an owner that it
 * does not know must not be written there; lock, trylock, timedlock and unlock among several threads.
 */
#include "calls/blocked.h"

static pthread_mutex_t m;
static int inside;

static void *worker(void *arg)
{
	for (int i = 0; i < 30; i++) {
		CHECK_EQ(pthread_mutex_lock(&m), 0);
		CHECK_EQ(inside++, 0);
		sched_yield();
		CHECK_EQ(--inside, 0);
		CHECK_EQ(pthread_mutex_unlock(&m), 0);
	}
	return arg;
}

static void *contender(void *arg)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 10);

	CHECK_EQ(pthread_mutex_trylock(&m), EBUSY);
	CHECK_EQ(pthread_mutex_timedlock(&m, &at), ETIMEDOUT);
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return arg;
}

int main(void)
{
	pthread_mutexattr_t attr;
	pthread_t t[5];

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
	CHECK_EQ(pthread_mutex_init(&m, &attr), 0);
	for (int i = 0; i < 5; i++)
		t[i] = start(worker, NULL);
	worker(NULL);
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	t[0] = start(contender, NULL);
	await_blocked(1);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	finish(t[0]);

	CHECK_EQ(pthread_mutex_destroy(&m), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE), 0);
	CHECK_EQ(pthread_mutex_init(&m, &attr), 0);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	t[0] = start(contender, NULL);
	await_blocked(2);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	finish(t[0]);
	return 0;
}
