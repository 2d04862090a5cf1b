/* SPDX-License-Identifier: Apache-2.0
 *
 * A lock made of a mutex and a condition, as CPython's is: threads that hand it to each other all the time
 * must not keep a native thread from it.  Were green waiters woken first, the native one would wait for ever,
 * and so would everything that waits for the loop.
 */
#include "calls/blocked.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static bool taken;
static _Atomic bool stop;
static int native_turns, green_turns;

static void take(void)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	while (taken)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	taken = true;
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

static void drop(void)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	taken = false;
	CHECK_EQ(pthread_cond_signal(&c), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

static void *busy(void *arg)
{
	while (!atomic_load(&stop)) {
		take();
		green_turns++;
		sched_yield(); /* so that others queue for it */
		drop();
	}
	return arg;
}

static void *native(void *arg)
{
	for (int i = 0; i < 100; i++) {
		take();
		native_turns++;
		drop();
	}
	return arg;
}

int main(void)
{
	pthread_t t[10], n[2];
	int64_t t0 = mono_ms();

	for (int i = 0; i < 10; i++)
		t[i] = start(busy, NULL);
	for (int i = 0; i < 2; i++)
		n[i] = start_native(native, NULL);
	usleep(2000); /* a sleeper is not forgotten either */
	CHECK(mono_ms() - t0 >= 2);
	for (int i = 0; i < 2; i++)
		finish(n[i]);
	atomic_store(&stop, true);
	for (int i = 0; i < 10; i++)
		finish(t[i]);
	CHECK_EQ(native_turns, 200);
	return 0;
}
