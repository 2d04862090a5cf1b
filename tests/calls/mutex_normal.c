/* SPDX-License-Identifier: Apache-2.0
 *
 * Normal and adaptive mutexes: the second locker waits for the unlock, and works meanwhile are not
 * interleaved; trylock says EBUSY, timedlock and clocklock ETIMEDOUT on either clock, never too early,
 * and get the mutex when it is freed in time.
 */
#include "calls/blocked.h"

#define WORKERS 20
#define ROUNDS	50

static pthread_mutex_t m;
static int inside, done;

static void *worker(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(pthread_mutex_lock(&m), 0);
		CHECK_EQ(inside++, 0);
		if (i % 4 == 0)
			sched_yield();
		CHECK_EQ(--inside, 0);
		done++;
		CHECK_EQ(pthread_mutex_unlock(&m), 0);
	}
	return arg;
}

static void *contender(void *arg)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 10), far = in_ms(CLOCK_REALTIME, 1000000);
	struct timespec bad = { 0, 1000000000 };

	CHECK_EQ(pthread_mutex_trylock(&m), EBUSY);
	CHECK_EQ(pthread_mutex_timedlock(&m, &at), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_REALTIME) >= at.tv_sec * 1000000000LL + at.tv_nsec);
	CHECK_EQ(pthread_mutex_timedlock(&m, &at), ETIMEDOUT);
	CHECK_EQ(pthread_mutex_timedlock(&m, &bad), EINVAL);
	at = in_ms(CLOCK_MONOTONIC, 10);
	CHECK_EQ(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &at), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_MONOTONIC) >= at.tv_sec * 1000000000LL + at.tv_nsec);
	errno = 1234;
	about_to_block();
	CHECK_EQ(pthread_mutex_timedlock(&m, &far), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	far = in_ms(CLOCK_MONOTONIC, 1000000);
	CHECK_EQ(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &far), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	CHECK_EQ(errno, 1234);
	return arg;
}

static void check(int type)
{
	static int blocked;
	pthread_mutexattr_t attr;
	pthread_t t[WORKERS];

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, type), 0);
	CHECK_EQ(pthread_mutex_init(&m, &attr), 0);
	done = 0;
	for (int i = 0; i < WORKERS; i++)
		t[i] = start(worker, NULL);
	for (int i = 0; i < WORKERS; i++)
		finish(t[i]);
	CHECK_EQ(done, WORKERS * ROUNDS);

	CHECK_EQ(pthread_mutex_lock(&m), 0);
	t[0] = start(contender, NULL);
	await_blocked(++blocked);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	finish(t[0]);
	CHECK_EQ(pthread_mutex_destroy(&m), 0);
}

int main(void)
{
	check(PTHREAD_MUTEX_NORMAL);
	check(PTHREAD_MUTEX_ADAPTIVE_NP);
	CHECK_VERIFY();
	return 0;
}
