/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks that know their owner know coroutines, which all run on one thread: recursive and errorcheck mutexes of
 * every sort, and read-write locks, let in the coroutine that has them and nobody else, the host's own flow
 * included.
 */
#include "api/coroutines.h"
#include <time.h>

static pthread_mutex_t recursive, checking;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int got, refused, again = EBUSY; /* the last: of a trylock by a checking mutex's owner */

static void init(pthread_mutex_t *m, int type, bool shared, bool robust)
{
	pthread_mutexattr_t attr;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, type), 0);
	if (shared)
		CHECK_EQ(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
	if (robust)
		CHECK_EQ(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
	CHECK_EQ(pthread_mutexattr_destroy(&attr), 0);
}

static const struct timespec *past(void)
{
	static const struct timespec at = { 1, 0 };

	return &at;
}

/* What one that has neither of the two sees.  It waits, so the owner must not go on before `refused`. */
static void be_refused(void)
{
	CHECK_EQ(pthread_mutex_trylock(&recursive), EBUSY);
	CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
	CHECK_EQ(pthread_mutex_timedlock(&recursive, past()), ETIMEDOUT);
	CHECK_EQ(pthread_mutex_trylock(&checking), EBUSY);
	CHECK_EQ(pthread_mutex_unlock(&checking), EPERM);
	CHECK_EQ(pthread_mutex_timedlock(&checking, past()), ETIMEDOUT);
	refused = 1;
}

static void await_refused(void)
{
	while (!refused)
		syncless_yield();
	refused = 0;
}

static void *stranger(void *arg)
{
	be_refused();
	CHECK_EQ(pthread_mutex_lock(&recursive), 0);
	CHECK_EQ(got++, 0);
	CHECK_EQ(pthread_mutex_lock(&checking), 0);
	CHECK_EQ(pthread_mutex_lock(&checking), EDEADLK);
	CHECK_EQ(pthread_mutex_unlock(&checking), 0);
	CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
	return arg;
}

static void take_both(void)
{
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_mutex_lock(&recursive), 0);
	CHECK_EQ(pthread_mutex_trylock(&recursive), 0);
	CHECK_EQ(pthread_mutex_lock(&checking), 0);
	CHECK_EQ(pthread_mutex_lock(&checking), EDEADLK);
	CHECK_EQ(pthread_mutex_trylock(&checking), again);
	CHECK_EQ(pthread_mutex_timedlock(&checking, past()), EDEADLK);
}

static void give_both(void)
{
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
	syncless_yield();
	CHECK_EQ(got, 0);
	CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
	CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
	CHECK_EQ(pthread_mutex_unlock(&checking), 0);
	CHECK_EQ(pthread_mutex_unlock(&checking), EPERM);
}

/* The caller, a coroutine or the host's own flow, against a coroutine. */
static void *owner(void *arg)
{
	syncless_co *other;

	got = 0;
	take_both();
	other = spawn(stranger, NULL);
	await_refused();
	give_both();
	join(other);
	CHECK_EQ(got, 1);
	return arg;
}

static void *holder(void *arg)
{
	take_both();
	await_refused();
	got = 0;
	give_both();
	return arg;
}

static void *thread(void *arg)
{
	be_refused();
	return arg;
}

static void *against_thread(void *arg)
{
	take_both();
	CHECK_EQ(pthread_join(start(thread, NULL), NULL), 0);
	refused = 0;
	give_both();
	return arg;
}

static void check_sort(bool shared, bool robust)
{
	syncless_co *co;

	again = robust ? EDEADLK : EBUSY; /* glibc's */
	init(&recursive, PTHREAD_MUTEX_RECURSIVE, shared, robust);
	init(&checking, PTHREAD_MUTEX_ERRORCHECK, shared, robust);
	owner(NULL);
	join(spawn(owner, NULL));
	co = spawn(holder, NULL);
	syncless_yield();
	be_refused();
	join(co);
	got = 0;
	join(spawn(against_thread, NULL));
	CHECK_EQ(pthread_mutex_destroy(&recursive), 0);
	CHECK_EQ(pthread_mutex_destroy(&checking), 0);
}

static void *leave_locked(void *m)
{
	CHECK_EQ(pthread_mutex_lock(m), 0);
	return NULL;
}

static void *find_locked(void *m)
{
	CHECK_EQ(pthread_mutex_trylock(m), EBUSY);
	CHECK_EQ(pthread_mutex_unlock(m), EPERM);
	return NULL;
}

static void *find_dead(void *m)
{
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	return NULL;
}

static void check_owner_that_ended(void)
{
	init(&recursive, PTHREAD_MUTEX_RECURSIVE, false, false);
	join(spawn(leave_locked, &recursive));
	join(spawn(find_locked, &recursive));
	init(&recursive, PTHREAD_MUTEX_RECURSIVE, false, true);
	join(spawn(leave_locked, &recursive));
	join(spawn(find_dead, &recursive));
	CHECK_EQ(pthread_mutex_destroy(&recursive), 0);
}

static void *consumer(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&recursive), 0);
	while (!got)
		CHECK_EQ(pthread_cond_wait(&cond, &recursive), 0);
	CHECK_EQ(pthread_mutex_lock(&recursive), 0);
	CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
	CHECK_EQ(pthread_cond_timedwait(&cond, &recursive, past()), ETIMEDOUT);
	CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
	CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
	return arg;
}

static void *producer(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&recursive), 0);
	got = 1;
	CHECK_EQ(pthread_cond_signal(&cond), 0);
	CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
	return arg;
}

static void check_condition(void)
{
	syncless_co *co;

	init(&recursive, PTHREAD_MUTEX_RECURSIVE, false, false);
	got = 0;
	co = spawn(consumer, NULL);
	syncless_yield();
	join(spawn(producer, NULL));
	join(co);
	CHECK_EQ(pthread_mutex_destroy(&recursive), 0);
}

/* Two mutexes, given back in the order in which they were taken; one of them is gone before the other. */
static void *any_order(void *arg)
{
	init(&recursive, PTHREAD_MUTEX_RECURSIVE, false, false);
	init(&checking, PTHREAD_MUTEX_ERRORCHECK, false, false);
	CHECK_EQ(pthread_mutex_lock(&recursive), 0);
	CHECK_EQ(pthread_mutex_lock(&checking), 0);
	CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
	CHECK_EQ(pthread_mutex_destroy(&recursive), 0);
	syncless_yield();
	init(&recursive, PTHREAD_MUTEX_RECURSIVE, false, false);
	CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
	CHECK_EQ(pthread_mutex_unlock(&checking), 0);
	CHECK_EQ(pthread_mutex_destroy(&checking), 0);
	CHECK_EQ(pthread_mutex_destroy(&recursive), 0);
	return arg;
}

static void *writer(void *arg)
{
	CHECK_EQ(pthread_rwlock_trywrlock(&rw), EBUSY);
	CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
	CHECK_EQ(got++, 1);
	CHECK_EQ(pthread_rwlock_wrlock(&rw), EDEADLK);
	CHECK_EQ(pthread_rwlock_rdlock(&rw), EDEADLK);
	syncless_yield();
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	return arg;
}

static void *reader(void *arg)
{
	CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
	CHECK_EQ(got++, 2);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	return arg;
}

static void *first_writer(void *arg)
{
	syncless_co *second, *third;

	got = 0;
	CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
	second = spawn(writer, NULL);
	syncless_yield();
	CHECK_EQ(got++, 0);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	syncless_yield();
	third = spawn(reader, NULL);
	join(third);
	join(second);
	CHECK_EQ(got, 3);
	CHECK_EQ(pthread_rwlock_trywrlock(&rw), 0);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	return arg;
}

int main(void)
{
	NEED_LIBRARY();
	check_sort(false, false);
	check_sort(true, false);
	if (!is_emulated("there are no robust lists, which outlive a thread")) {
		check_sort(false, true);
		check_owner_that_ended();
	}
	check_condition();
	join(spawn(any_order, NULL));
	first_writer(NULL);
	join(spawn(first_writer, NULL));
	CHECK_VERIFY();
	return 0;
}
