/* SPDX-License-Identifier: Apache-2.0
 *
 * Semaphores: wait, trywait, timedwait and clockwait, posts by other threads and from a signal handler,
 * a value that never goes wrong under many threads, and EINTR.
 */
#include "calls/blocked.h"
#include <limits.h>
#include <semaphore.h>

#define N 20

static sem_t sem, back;

static void *waiter(void *arg)
{
	errno = 1234;
	about_to_block();
	CHECK_EQ(sem_wait(&sem), 0);
	CHECK_EQ(errno, 1234);
	CHECK_EQ(sem_post(&back), 0);
	return arg;
}

static void post(int sig)
{
	(void)sig;
	sem_post(&sem);
}

static void *self_signaller(void *arg)
{
	struct timespec far = in_ms(CLOCK_REALTIME, 1000000);

	CHECK_EQ(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
	CHECK_EQ(sem_timedwait(&back, &far), 0);
	return NULL;
}

static void timeouts(void)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 10), bad = { 0, -1 };

	CHECK_ERRNO(sem_trywait(&sem), EAGAIN);
	CHECK_ERRNO(sem_timedwait(&sem, &at), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_REALTIME) >= at.tv_sec * 1000000000LL + at.tv_nsec);
	at = in_ms(CLOCK_MONOTONIC, 10);
	CHECK_ERRNO(sem_clockwait(&sem, CLOCK_MONOTONIC, &at), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_MONOTONIC) >= at.tv_sec * 1000000000LL + at.tv_nsec);
	CHECK_ERRNO(sem_timedwait(&sem, &bad), EINVAL);
	CHECK_ERRNO(sem_clockwait(&sem, CLOCK_PROCESS_CPUTIME_ID, &at), EINVAL);
	CHECK_EQ(sem_post(&sem), 0);
	CHECK_EQ(sem_clockwait(&sem, CLOCK_MONOTONIC, &at), 0); /* there: the time does not matter */
}

int main(void)
{
	pthread_t t[N], self = pthread_self(), s;
	int v;

	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	CHECK_EQ(sem_init(&back, 0, 0), 0);
	for (int i = 0; i < N; i++)
		t[i] = start(waiter, NULL);
	await_blocked(N);
	for (int i = 0; i < N; i++)
		CHECK_EQ(sem_post(&sem), 0);
	for (int i = 0; i < N; i++)
		finish(t[i]);
	for (int i = 0; i < N; i++)
		CHECK_EQ(sem_trywait(&back), 0);
	CHECK_EQ(sem_getvalue(&sem, &v), 0);
	CHECK_EQ(v, 0);
	timeouts();

	on_signal(SIGUSR1, post, SA_RESTART);
	s = start(self_signaller, &self);
	while (sem_wait(&sem) == -1)
		CHECK_EQ(errno, EINTR);
	CHECK_EQ(sem_post(&back), 0);
	finish(s);

	CHECK_EQ(sem_destroy(&sem), 0);
	CHECK_EQ(sem_init(&sem, 0, SEM_VALUE_MAX), 0);
	CHECK_ERRNO(sem_post(&sem), EOVERFLOW);
	CHECK_ERRNO(sem_init(&sem, 0, (unsigned)SEM_VALUE_MAX + 1), EINVAL);
	return 0;
}
