/* SPDX-License-Identifier: Apache-2.0
 * env: SYNCLESS_CHAOS=handoff
 * timeout: 60
 *
 * The scheduler is taken away at any place where that may happen, for no reason: threads that wait for each
 * other in every way, begin, end, are signalled and cancelled, and fork, while they compute a little in
 * between, neither lose nor double anything.
 */
#include "calls/handoff.h"
#include <semaphore.h>

#define CREW 6
#define TURNS 150
#define SPIN 20000

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static int ring[CREW][2];
static long count, left, right, tokens;
static _Atomic long signals;
static _Thread_local int self;

static void handler(int sig)
{
	(void)sig;
	signals++;
}

/* Outside of all our calls: there the scheduler can be lost. */
static void compute(int i)
{
	for (volatile int n = 0; n < SPIN * (i % 3); n++)
		;
}

static void *child_thread(void *arg)
{
	compute(2);
	errno = 77;
	usleep(1);
	CHECK_EQ(errno, 77);
	if (arg)
		pthread_exit(arg);
	return arg;
}

static void *waits_to_be_cancelled(void *arg)
{
	compute(1);
	for (;;)
		pause();
	return arg;
}

static void locks(int i)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	count++;
	compute(i);
	CHECK_EQ(pthread_cond_signal(&c), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	compute(i + 1);
	CHECK_EQ(sem_wait(&sem), 0);
	tokens++;
	compute(i);
	tokens--;
	CHECK_EQ(tokens, 0);
	CHECK_EQ(sem_post(&sem), 0);
	if (i % 2) {
		CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
		CHECK_EQ(left, right);
	} else {
		CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
		left++;
		compute(i + 2);
		right++;
	}
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
}

static void waits(int i)
{
	struct timespec soon = in_ms(CLOCK_REALTIME, 1);
	int r;

	CHECK_EQ(pthread_mutex_lock(&m), 0);
	r = pthread_cond_timedwait(&c, &m, &soon);
	CHECK(r == 0 || r == ETIMEDOUT);
	compute(i);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

/* A byte goes round; each adds one to it. */
static void passes_on(int i)
{
	unsigned char byte = (unsigned char)i;

	if (self == 0)
		CHECK_EQ(write(ring[0][1], &byte, 1), 1);
	CHECK_EQ(read(ring[self][0], &byte, 1), 1);
	compute(i);
	if (self < CREW - 1) {
		byte++;
		CHECK_EQ(write(ring[self + 1][1], &byte, 1), 1);
	} else {
		CHECK_EQ(byte, (unsigned char)(i + CREW - 1));
	}
}

static void begins_others(int i)
{
	pthread_t t = start(child_thread, i % 2 ? &m : NULL), u;

	compute(i);
	CHECK(finish(t) == (i % 2 ? &m : NULL));
	u = start(waits_to_be_cancelled, NULL);
	compute(i);
	CHECK_EQ(pthread_cancel(u), 0);
	CHECK(finish(u) == PTHREAD_CANCELED);
}

static void child(void)
{
	CHECK(finish(start(child_thread, &m)) == &m);
}

static void *member(void *arg)
{
	self = *(int *)arg;
	for (int i = 0; i < TURNS; i++) {
		errno = 1000 + self;
		locks(i);
		waits(i);
		passes_on(i);
		CHECK_EQ(errno, 1000 + self);
		if (i % 10 == self)
			begins_others(i);
		if (i % 50 == 0)
			CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
		if (i % 75 == 10 && self == 1 && !getenv("EMULATOR"))
			CHECK_EQ(in_child(child), 0);
		CHECK(pthread_barrier_wait(&barrier) != EINVAL);
		CHECK_EQ(self, *(int *)arg);
	}
	return arg;
}

int main(void)
{
	int ids[CREW];
	pthread_t t[CREW];

	on_signal(SIGUSR1, handler, SA_RESTART);
	CHECK_EQ(sem_init(&sem, 0, 1), 0);
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, CREW), 0);
	for (int i = 0; i < CREW; i++) {
		ids[i] = i;
		CHECK_EQ(pipe(ring[i]), 0);
	}
	for (int i = 0; i < CREW; i++)
		t[i] = start(member, &ids[i]);
	for (int i = 0; i < CREW; i++)
		CHECK(finish(t[i]) == &ids[i]);
	CHECK_EQ(count, CREW * TURNS);
	CHECK_EQ(left, CREW * TURNS / 2);
	CHECK_EQ(signals, CREW * TURNS / 50);
	if (is_green())
		CHECK(handoffs() > 0);
	CHECK_VERIFY();
	return 0;
}
