/* SPDX-License-Identifier: Apache-2.0
 *
 * Barriers: nobody passes before the last has come, exactly one of each round is the serial thread, and
 * the barrier serves again at once.
 */
#include "calls/blocked.h"

#define N      8
#define ROUNDS 50

static pthread_barrier_t b;
static _Atomic int arrived[ROUNDS], serial[ROUNDS];

static void *worker(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int r;

		atomic_fetch_add(&arrived[i], 1);
		r = pthread_barrier_wait(&b);
		CHECK_EQ(arrived[i], N);
		CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
		if (r)
			atomic_fetch_add(&serial[i], 1);
	}
	return arg;
}

int main(void)
{
	pthread_t t[N];

	CHECK_EQ(pthread_barrier_init(&b, NULL, 0), EINVAL);
	CHECK_EQ(pthread_barrier_init(&b, NULL, 1), 0);
	CHECK_EQ(pthread_barrier_wait(&b), PTHREAD_BARRIER_SERIAL_THREAD);
	CHECK_EQ(pthread_barrier_destroy(&b), 0);
	CHECK_EQ(pthread_barrier_init(&b, NULL, N), 0);
	for (int i = 0; i < N; i++)
		t[i] = start(worker, NULL);
	for (int i = 0; i < N; i++)
		finish(t[i]);
	for (int i = 0; i < ROUNDS; i++)
		CHECK_EQ(serial[i], 1);
	CHECK_EQ(pthread_barrier_destroy(&b), 0);
	return 0;
}
