/* SPDX-License-Identifier: Apache-2.0
 *
 * Recursive and errorcheck mutexes know their owner: a recursive one is granted again to its owner
 * and to nobody else until the last unlock; an errorcheck one says EDEADLK to its owner and EPERM to a
 * stranger's unlock.  Two threads that share a kernel thread are still two owners.
 */
#include "calls/blocked.h"

static pthread_mutex_t rec, chk;
static int stage;

static void *stranger(void *arg)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 5);

	CHECK_EQ(pthread_mutex_trylock(&rec), EBUSY);
	CHECK_EQ(pthread_mutex_unlock(&rec), EPERM);
	CHECK_EQ(pthread_mutex_timedlock(&rec, &at), ETIMEDOUT);
	CHECK_EQ(pthread_mutex_trylock(&chk), EBUSY);
	CHECK_EQ(pthread_mutex_unlock(&chk), EPERM);
	CHECK_EQ(pthread_mutex_timedlock(&chk, &at), ETIMEDOUT);
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(&rec), 0);
	CHECK_EQ(stage, 1);
	CHECK_EQ(pthread_mutex_lock(&rec), 0);
	CHECK_EQ(pthread_mutex_unlock(&rec), 0);
	CHECK_EQ(pthread_mutex_unlock(&rec), 0);
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(&chk), 0);
	CHECK_EQ(stage, 2);
	CHECK_EQ(pthread_mutex_lock(&chk), EDEADLK);
	CHECK_EQ(pthread_mutex_unlock(&chk), 0);
	return arg;
}

static void init(pthread_mutex_t *m, int type)
{
	pthread_mutexattr_t attr;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, type), 0);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
	CHECK_EQ(pthread_mutexattr_destroy(&attr), 0);
}

int main(void)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 1000000);
	pthread_t t;

	init(&rec, PTHREAD_MUTEX_RECURSIVE);
	init(&chk, PTHREAD_MUTEX_ERRORCHECK);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_mutex_lock(&rec), 0);
	CHECK_EQ(pthread_mutex_trylock(&rec), 0);
	CHECK_EQ(pthread_mutex_timedlock(&rec, &at), 0);
	CHECK_EQ(pthread_mutex_lock(&chk), 0);
	CHECK_EQ(pthread_mutex_lock(&chk), EDEADLK);
	CHECK_EQ(pthread_mutex_trylock(&chk), EBUSY);
	CHECK_EQ(pthread_mutex_timedlock(&chk, &at), EDEADLK);

	t = start(stranger, NULL);
	await_blocked(1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_mutex_unlock(&rec), 0);
	sched_yield();
	stage = 1;
	CHECK_EQ(pthread_mutex_unlock(&rec), 0);
	CHECK_EQ(pthread_mutex_unlock(&rec), EPERM);
	await_blocked(2);
	stage = 2;
	CHECK_EQ(pthread_mutex_unlock(&chk), 0);
	finish(t);
	CHECK_EQ(pthread_mutex_unlock(&chk), EPERM);
	CHECK_EQ(pthread_mutex_destroy(&rec), 0);
	CHECK_EQ(pthread_mutex_destroy(&chk), 0);
	return 0;
}
