/* SPDX-License-Identifier: Apache-2.0
 *
 * The moment between a failed try and the park: an unlock by another kernel thread just then must be seen by
 * one side or the other.  Two kinds of threads hammer a mutex, a condition and a semaphore; one lost wake and
 * the program hangs.
 */
#include "calls/blocked.h"
#include <semaphore.h>

#define ROUNDS 3000

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static sem_t ping, pong;
static int counter, turn;

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(pthread_mutex_lock(&m), 0);
		counter++;
		CHECK_EQ(pthread_mutex_unlock(&m), 0);
	}
	return arg;
}

static void *sem_ping(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(sem_post(&ping), 0);
		CHECK_EQ(sem_wait(&pong), 0);
	}
	return arg;
}

static void *sem_pong(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(sem_wait(&ping), 0);
		CHECK_EQ(sem_post(&pong), 0);
	}
	return arg;
}

static void *take_turns(void *arg)
{
	int me = *(int *)arg;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(pthread_mutex_lock(&m), 0);
		while (turn != me)
			CHECK_EQ(pthread_cond_wait(&c, &m), 0);
		turn = !me;
		CHECK_EQ(pthread_cond_signal(&c), 0);
		CHECK_EQ(pthread_mutex_unlock(&m), 0);
	}
	return NULL;
}

int main(void)
{
	int ids[] = { 0, 1 };
	pthread_t a, b, d;

	CHECK_EQ(sem_init(&ping, 0, 0), 0);
	CHECK_EQ(sem_init(&pong, 0, 0), 0);
	a = start_native(count, NULL);
	b = start(count, NULL);
	d = start(count, NULL);
	finish(a);
	finish(b);
	finish(d);
	CHECK_EQ(counter, 3 * ROUNDS);
	a = start_native(sem_ping, NULL);
	b = start(sem_pong, NULL);
	finish(a);
	finish(b);
	a = start_native(take_turns, &ids[0]);
	b = start(take_turns, &ids[1]);
	finish(a);
	finish(b);
	CHECK_VERIFY();
	return 0;
}
