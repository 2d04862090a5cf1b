/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks in memory that two processes share: mutex, condition, rwlock, semaphore, barrier.  The waker
 * is in the other process and knows nothing of our queues; a wait in one thread must not stop the others.
 */
#include "calls/blocked.h"
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct shared {
	pthread_mutex_t m;
	pthread_cond_t c;
	pthread_rwlock_t rw;
	pthread_barrier_t b;
	sem_t sem, back;
	int stage;
} *sh;

static void init(void)
{
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;
	pthread_rwlockattr_t ra;
	pthread_barrierattr_t ba;

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(sh != MAP_FAILED);
	pthread_mutexattr_init(&ma);
	pthread_condattr_init(&ca);
	pthread_rwlockattr_init(&ra);
	pthread_barrierattr_init(&ba);
	CHECK_EQ(pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_rwlockattr_setpshared(&ra, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_mutex_init(&sh->m, &ma), 0);
	CHECK_EQ(pthread_cond_init(&sh->c, &ca), 0);
	CHECK_EQ(pthread_rwlock_init(&sh->rw, &ra), 0);
	CHECK_EQ(pthread_barrier_init(&sh->b, &ba, 2), 0);
	CHECK_EQ(sem_init(&sh->sem, 1, 0), 0);
	CHECK_EQ(sem_init(&sh->back, 1, 0), 0);
}

static int wait_sem(sem_t *s)
{
	int r;

	while ((r = sem_wait(s)) == -1 && errno == EINTR)
		;
	return r;
}

static void child(void)
{
	CHECK_EQ(pthread_mutex_lock(&sh->m), 0);
	CHECK_EQ(pthread_rwlock_wrlock(&sh->rw), 0);
	CHECK_EQ(sem_post(&sh->back), 0);
	CHECK_EQ(wait_sem(&sh->sem), 0);
	CHECK_EQ(pthread_mutex_unlock(&sh->m), 0);
	CHECK_EQ(pthread_rwlock_unlock(&sh->rw), 0);
	CHECK_EQ(wait_sem(&sh->sem), 0);
	CHECK_EQ(pthread_mutex_lock(&sh->m), 0);
	sh->stage = 1;
	CHECK_EQ(pthread_cond_signal(&sh->c), 0);
	while (sh->stage != 2)
		CHECK_EQ(pthread_cond_wait(&sh->c, &sh->m), 0);
	CHECK_EQ(pthread_mutex_unlock(&sh->m), 0);
	CHECK(pthread_barrier_wait(&sh->b) <= 0);
	_exit(0);
}

static void *lock_mutex(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(&sh->m), 0);
	CHECK_EQ(pthread_mutex_unlock(&sh->m), 0);
	return arg;
}

static void *lock_rw(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_rwlock_rdlock(&sh->rw), 0);
	CHECK_EQ(pthread_rwlock_unlock(&sh->rw), 0);
	return arg;
}

static void *parent(void *arg)
{
	static int blocked;
	struct timespec at;
	pid_t pid = fork();
	pthread_t a, b;
	int status;

	if (pid == 0)
		child();
	sh->stage = 0;
	CHECK_EQ(wait_sem(&sh->back), 0);
	CHECK_EQ(pthread_mutex_trylock(&sh->m), EBUSY);
	at = in_ms(CLOCK_REALTIME, 10);
	CHECK_EQ(pthread_mutex_timedlock(&sh->m, &at), ETIMEDOUT);
	CHECK_EQ(pthread_rwlock_timedwrlock(&sh->rw, &at), ETIMEDOUT);
	CHECK_ERRNO(sem_timedwait(&sh->back, &at), ETIMEDOUT);
	a = start(lock_mutex, NULL);
	b = start(lock_rw, NULL);
	await_blocked(blocked += 2);
	CHECK_EQ(sem_post(&sh->sem), 0);
	finish(a);
	finish(b);

	CHECK_EQ(pthread_mutex_lock(&sh->m), 0);
	CHECK_EQ(sem_post(&sh->sem), 0);
	while (sh->stage != 1)
		CHECK_EQ(pthread_cond_wait(&sh->c, &sh->m), 0);
	sh->stage = 2;
	CHECK_EQ(pthread_cond_broadcast(&sh->c), 0);
	CHECK_EQ(pthread_mutex_unlock(&sh->m), 0);
	CHECK(pthread_barrier_wait(&sh->b) <= 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return arg;
}

int main(void)
{
	init();
	parent(NULL);
	finish(start(parent, NULL));
	return 0;
}
