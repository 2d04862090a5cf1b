/* SPDX-License-Identifier: Apache-2.0
 *
 * Thread-specific data: values are per thread and NULL in a new one (also on a recycled stack), the
 * destructors run in the thread that ends, up to PTHREAD_DESTRUCTOR_ITERATIONS rounds, not for keys
 * that were deleted, and they may block.
 */
#include "calls/blocked.h"
#include <limits.h>

static pthread_key_t key, again, deleted;
static _Atomic int destroyed, rounds, gone;
static _Thread_local pthread_t whoami;

static void destroy(void *value)
{
	CHECK_EQ(*(int *)value, 42);
	CHECK(pthread_equal(whoami, pthread_self()));
	CHECK(pthread_getspecific(key) == NULL);
	usleep(100);
	atomic_fetch_add(&destroyed, 1);
}

static void destroy_again(void *value)
{
	atomic_fetch_add(&rounds, 1);
	CHECK_EQ(pthread_setspecific(again, value), 0);
}

static void never(void *value)
{
	(void)value;
	atomic_fetch_add(&gone, 1);
}

static void *worker(void *arg)
{
	static int value = 42;

	CHECK(pthread_getspecific(key) == NULL);
	CHECK(pthread_getspecific(again) == NULL);
	whoami = pthread_self();
	CHECK_EQ(pthread_setspecific(key, &value), 0);
	sched_yield();
	CHECK(pthread_getspecific(key) == &value);
	if (arg)
		CHECK_EQ(pthread_setspecific(again, arg), 0);
	CHECK_EQ(pthread_setspecific(deleted, arg), 0);
	return arg;
}

int main(void)
{
	pthread_t t[10];
	pthread_key_t reused;
	int mine;

	CHECK_EQ(pthread_key_create(&key, destroy), 0);
	CHECK_EQ(pthread_key_create(&again, destroy_again), 0);
	CHECK_EQ(pthread_key_create(&deleted, NULL), 0);
	CHECK_EQ(pthread_setspecific(again, &mine), 0);
	for (int i = 0; i < 10; i++)
		t[i] = start(worker, NULL);
	for (int i = 0; i < 10; i++)
		finish(t[i]);
	CHECK_EQ(destroyed, 10);
	CHECK_EQ(rounds, 0);
	finish(start(worker, &mine));
	CHECK_EQ(rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
	CHECK(pthread_getspecific(again) == &mine);
	CHECK_EQ(pthread_setspecific(again, NULL), 0);

	CHECK_EQ(pthread_key_delete(deleted), 0);
	CHECK_EQ(pthread_setspecific(deleted, &mine), EINVAL);
	CHECK_EQ(pthread_key_create(&reused, never), 0);
	CHECK(pthread_getspecific(reused) == NULL);
	deleted = reused;
	CHECK_EQ(pthread_setspecific(reused, &mine), 0);
	CHECK_EQ(pthread_key_delete(reused), 0);
	CHECK_EQ(pthread_key_create(&deleted, NULL), 0);
	CHECK(pthread_getspecific(deleted) == NULL);
	finish(start(worker, &mine));
	CHECK_EQ(gone, 0);
	return 0;
}
