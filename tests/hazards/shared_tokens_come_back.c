/* SPDX-License-Identifier: Apache-2.0
 *
 * A wait on a semaphore shared with another process may be carried out by somebody on behalf of the waiter.
 * If the waiter has left meanwhile (its time is up, it was cancelled), a token that arrives belongs to the
 * next one, not to nobody.  A mutex must never be taken that way at all.
 */
#include "calls/blocked.h"
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define TOKENS 50

static struct shared {
	sem_t sem, go;
	pthread_mutex_t m;
} *sh;

static void wait_for(sem_t *s)
{
	while (sem_wait(s) == -1)
		CHECK_EQ(errno, EINTR);
}

static void child(void)
{
	struct timespec ts = { 0, 200000 };

	wait_for(&sh->go);
	for (int i = 0; i < TOKENS; i++) {
		CHECK_EQ(sem_post(&sh->sem), 0);
		nanosleep(&ts, NULL);
	}
	_exit(0);
}

static void *leaves(void *arg)
{
	for (int i = 0; i < 5; i++) {
		struct timespec at = in_ms(CLOCK_REALTIME, 2);

		if (sem_timedwait(&sh->sem, &at) == 0) {
			CHECK_EQ(sem_post(&sh->sem), 0);
			sched_yield();
		}
	}
	return arg;
}

static void *cancelled(void *arg)
{
	about_to_block();
	wait_for(&sh->go);
	return arg;
}

static void *counts(void *arg)
{
	for (int i = 0; i < TOKENS / 2; i++)
		wait_for(&sh->sem);
	return arg;
}

static void *locker(void *arg)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 5);

	CHECK_EQ(pthread_mutex_timedlock(&sh->m, &at), ETIMEDOUT);
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(&sh->m), 0);
	CHECK_EQ(pthread_mutex_lock(&sh->m), EDEADLK); /* so it is really ours */
	CHECK_EQ(pthread_mutex_unlock(&sh->m), 0);
	return arg;
}

static void tokens(void)
{
	pthread_t t[5], c;
	int status, v;
	pid_t pid;

	CHECK_EQ(sem_init(&sh->sem, 1, 0), 0);
	CHECK_EQ(sem_init(&sh->go, 1, 0), 0);
	c = start(cancelled, NULL);
	await_blocked(1);
	CHECK_EQ(pthread_cancel(c), 0);
	CHECK(finish(c) == PTHREAD_CANCELED);
	pid = fork();
	if (pid == 0)
		child();
	for (int i = 0; i < 3; i++)
		t[i] = start(leaves, NULL);
	CHECK_EQ(sem_post(&sh->go), 0);
	t[3] = start(counts, NULL);
	t[4] = start(counts, NULL);
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(sem_getvalue(&sh->sem, &v), 0);
	CHECK_EQ(v, 0);
}

static void mutex(void)
{
	pthread_mutexattr_t attr;
	pthread_t t;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK), 0);
	CHECK_EQ(pthread_mutex_init(&sh->m, &attr), 0);
	CHECK_EQ(pthread_mutex_lock(&sh->m), 0);
	t = start(locker, NULL);
	await_blocked(2);
	CHECK_EQ(pthread_mutex_unlock(&sh->m), 0);
	finish(t);
}

int main(void)
{
	sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(sh != MAP_FAILED);
	tokens();
	mutex();
	return 0;
}
