/* SPDX-License-Identifier: Apache-2.0
 *
 * Spin locks: exclusive, EBUSY from trylock, and a thread that spins while the owner sleeps does not
 * keep the owner from waking up.
 */
#include "calls/blocked.h"

static pthread_spinlock_t spin;
static int inside;

static void *worker(void *arg)
{
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(pthread_spin_lock(&spin), 0);
		CHECK_EQ(inside++, 0);
		if (i % 10 == 0)
			usleep(500);
		CHECK_EQ(--inside, 0);
		CHECK_EQ(pthread_spin_unlock(&spin), 0);
	}
	return arg;
}

static void *tries(void *arg)
{
	CHECK_EQ(pthread_spin_trylock(&spin), EBUSY);
	return arg;
}

int main(void)
{
	pthread_t t[4];

	CHECK_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
	for (int i = 0; i < 4; i++)
		t[i] = start(worker, NULL);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	CHECK_EQ(pthread_spin_trylock(&spin), 0);
	finish(start(tries, NULL));
	CHECK_EQ(pthread_spin_unlock(&spin), 0);
	CHECK_EQ(pthread_spin_destroy(&spin), 0);
	return 0;
}
