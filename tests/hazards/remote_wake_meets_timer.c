/* SPDX-License-Identifier: Apache-2.0
 *
 * A native thread wakes a green one at the moment its timer fires.  A record that is parked again while it
 * still stands on the list of remote wakes cuts that list: the threads behind it are never woken.  Tokens
 * are counted: each post is taken once, whichever way its waiter had gone.
 */
#include "calls/blocked.h"
#include <semaphore.h>

#define WAITERS 8
#define POSTS	2000

static sem_t sem;
static _Atomic int taken;

static void *waiter(void *arg)
{
	while (atomic_load(&taken) < POSTS) {
		struct timespec at = in_ms(CLOCK_REALTIME, 1);

		if (sem_timedwait(&sem, &at) == 0)
			atomic_fetch_add(&taken, 1);
		else
			CHECK_EQ(errno, ETIMEDOUT);
	}
	return arg;
}

static void *poster(void *arg)
{
	struct timespec ts = { 0, 100000 };

	for (int i = 0; i < POSTS / 2; i++) {
		CHECK_EQ(sem_post(&sem), 0);
		if (i % 16 == 0)
			nanosleep(&ts, NULL);
	}
	return arg;
}

int main(void)
{
	pthread_t t[WAITERS], p[2];

	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	for (int i = 0; i < WAITERS; i++)
		t[i] = start(waiter, NULL);
	for (int i = 0; i < 2; i++)
		p[i] = start_native(poster, NULL);
	for (int i = 0; i < 2; i++)
		finish(p[i]);
	for (int i = 0; i < WAITERS; i++)
		finish(t[i]);
	CHECK_EQ(taken, POSTS);
	CHECK_ERRNO(sem_trywait(&sem), EAGAIN);
	return 0;
}
