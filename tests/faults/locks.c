/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that meet in locks of every kind, and native ones among them; waves of threads that end by
 * themselves.
 */
#include "fault.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <sys/syscall.h>

#define THREADS 8
#define TURNS 40

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, pi, shared;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;
static int whose_turn, writes, entered[2], meeting, tokens, word;
static pthread_key_t key;
static _Atomic int destroyed;

static void destroy(void *value)
{
	destroyed += value != NULL;
}

/* One after the other, in their order. */
static void take_turns(int me, int n)
{
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	for (int i = 0; i < TURNS / n; i++) {
		while (whose_turn % n != me)
			CHECK_EQ(pthread_cond_wait(&cond, &mutex), 0);
		whose_turn++;
		CHECK_EQ(pthread_cond_broadcast(&cond), 0);
	}
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void write_some(pthread_mutex_t *also)
{
	int *inside = &entered[also == &pi];

	for (int i = 0; i < 5; i++) {
		int before;

		CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
		before = writes;
		sched_yield();
		writes = before + 1;
		CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
		CHECK_EQ(pthread_mutex_lock(also), 0);
		CHECK_EQ((*inside)++, 0);
		sched_yield();
		CHECK_EQ(--*inside, 0);
		CHECK_EQ(pthread_mutex_unlock(also), 0);
	}
}

/* A token is passed from each to all: whoever takes it gives it back. */
static void pass_token(void)
{
	for (int i = 0; i < 5; i++) {
		struct timespec soon = in_ms(CLOCK_REALTIME, 100000);

		while ((i % 2 ? sem_wait(&sem) : sem_timedwait(&sem, &soon)) == -1)
			CHECK(told("sem_wait"));
		CHECK_EQ(tokens++, 0);
		sched_yield();
		tokens--;
		CHECK_EQ(sem_post(&sem), 0);
	}
}

/* All meet at a futex of their own. */
static void meet(int n)
{
	int seen;

	if (__atomic_add_fetch(&meeting, 1, __ATOMIC_SEQ_CST) == n) {
		__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
		while (syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0) == -1 && told("futex"))
			;
		return;
	}
	while ((seen = __atomic_load_n(&word, __ATOMIC_SEQ_CST)) == 0)
		if (syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0) == -1 &&
		    errno != EAGAIN && !told("futex"))
			sched_yield(); /* an error that FUTEX_WAIT has not, natively */
}

struct part {
	int me, n;
	bool may_begin;
};

static struct part parts[THREADS];

static void *play(void *arg)
{
	struct part *p = arg;
	struct timespec span = ms_span(1);

	CHECK_EQ(pthread_setspecific(key, p), 0);
	while (nanosleep(&span, &span) == -1)
		CHECK(told("nanosleep"));
	CHECK_EQ(pthread_mutex_lock(&mutex), 0); /* until how many there are is known */
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	take_turns(p->me, p->n);
	write_some(p->me % 2 ? &pi : &shared);
	pass_token();
	meet(p->n);
	return p;
}

static void *end_at_once(void *arg)
{
	pthread_setspecific(key, arg);
	return arg;
}

static void waves(void)
{
	for (int i = 0; i < 3; i++) {
		pthread_t t[THREADS];
		bool runs[THREADS];
		void *result;

		for (int k = 0; k < THREADS; k++)
			runs[k] = start_or_not(&t[k], end_at_once, &t[k]);
		for (int k = 0; k < THREADS; k++)
			if (runs[k]) {
				CHECK_EQ(pthread_join(t[k], &result), 0);
				CHECK_EQ(result, &t[k]);
			}
	}
}

/* They cannot begin before it is known how many there are: the mutex is held as long. */
static void work(void)
{
	pthread_t t[THREADS];
	int n = 0;

	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	while (n < THREADS && start_or_not(&t[n], play, &parts[n]))
		n++;
	whose_turn = writes = meeting = word = 0;
	for (int i = 0; i < n; i++)
		parts[i] = (struct part){ .me = i, .n = n };
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	for (int i = 0; i < n; i++) {
		void *result;

		CHECK_EQ(pthread_join(t[i], &result), 0);
		CHECK_EQ(result, &parts[i]);
	}
	CHECK_EQ(writes, 5 * n);
	waves();
}

static void nothing(void)
{
}

int main(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&pi, &attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_NONE);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared, &attr);
	sem_init(&sem, 0, 1);
	pthread_key_create(&key, destroy);
	return run_rounds(nothing, work, nothing);
}
