/* SPDX-License-Identifier: Apache-2.0
 *
 * Read-write locks: many readers or one writer, tries that say EBUSY, timed and clocked variants,
 * EDEADLK for who holds it for writing already, and an unlock that wakes all the readers.
 */
#include "calls/blocked.h"

#define READERS 8

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic int readers;
static int value;

static void *reader(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
	CHECK_EQ(value, 1);
	atomic_fetch_add(&readers, 1);
	while (atomic_load(&readers) < READERS) /* all of them hold it together */
		sched_yield();
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	return arg;
}

static void *writer(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
	value = 2;
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	return arg;
}

static void *tries(void *arg)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 10), mono = in_ms(CLOCK_MONOTONIC, 10);
	bool read_held = arg != NULL;

	if (read_held) {
		CHECK_EQ(pthread_rwlock_tryrdlock(&rw), 0);
		CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
		CHECK_EQ(pthread_rwlock_timedrdlock(&rw, &at), 0);
		CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	} else {
		CHECK_EQ(pthread_rwlock_tryrdlock(&rw), EBUSY);
		CHECK_EQ(pthread_rwlock_timedrdlock(&rw, &at), ETIMEDOUT);
		CHECK_EQ(pthread_rwlock_clockrdlock(&rw, CLOCK_MONOTONIC, &mono), ETIMEDOUT);
	}
	CHECK_EQ(pthread_rwlock_trywrlock(&rw), EBUSY);
	CHECK_EQ(pthread_rwlock_timedwrlock(&rw, &at), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_REALTIME) >= at.tv_sec * 1000000000LL + at.tv_nsec);
	CHECK_EQ(pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC, &mono), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_MONOTONIC) >= mono.tv_sec * 1000000000LL + mono.tv_nsec);
	return NULL;
}

int main(void)
{
	struct timespec far = in_ms(CLOCK_REALTIME, 1000000);
	pthread_t t[READERS], w;

	errno = 1234;
	CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
	CHECK_EQ(pthread_rwlock_wrlock(&rw), EDEADLK);
	CHECK_EQ(pthread_rwlock_rdlock(&rw), EDEADLK);
	finish(start(tries, NULL));
	for (int i = 0; i < READERS; i++)
		t[i] = start(reader, NULL);
	await_blocked(READERS);
	value = 1;
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	for (int i = 0; i < READERS; i++)
		finish(t[i]);

	CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
	CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
	finish(start(tries, &value));
	w = start(writer, NULL);
	await_blocked(READERS + 1);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	CHECK_EQ(value, 1);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	finish(w);
	CHECK_EQ(value, 2);
	CHECK_EQ(pthread_rwlock_timedwrlock(&rw, &far), 0);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	CHECK_EQ(pthread_rwlock_trywrlock(&rw), 0);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	CHECK_EQ(errno, 1234);
	CHECK_EQ(pthread_rwlock_destroy(&rw), 0);
	return 0;
}
