/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions: who is woken, until when one waits, and who has the mutex afterwards.
 */
#include "diff/steps.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int signalled, woken;

static void make_mutex(int type, int protocol, int is_robust)
{
	pthread_mutexattr_t attr;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, type), 0);
	CHECK_EQ(pthread_mutexattr_setprotocol(&attr, protocol), 0);
	CHECK_EQ(pthread_mutexattr_setrobust(&attr, is_robust), 0);
	CHECK_EQ(pthread_mutex_init(&m, &attr), 0);
}

static void make_checking(void)
{
	make_mutex(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
}

CASE(attributes)
{
	pthread_condattr_t attr;
	clockid_t clock;
	int value;

	E(pthread_condattr_init(&attr));
	E(pthread_condattr_setclock(&attr, CLOCK_BOOTTIME));
	E(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	E(pthread_condattr_setpshared(&attr, 77));
	E(pthread_condattr_getclock(&attr, &clock));
	E(pthread_condattr_getpshared(&attr, &value));
	SAY("clock %d shared %d", (int)clock, value);
	E(pthread_condattr_destroy(&attr));
}

CASE(nobody_waits)
{
	E(pthread_cond_signal(&c));
	E(pthread_cond_broadcast(&c));
	E(pthread_mutex_lock(&m));
	LASTS(15, E(pthread_cond_timedwait(&c, &m, AT(CLOCK_REALTIME, 15)))); /* none of them was kept */
	E(pthread_mutex_unlock(&m));
	E(pthread_cond_destroy(&c));
}

static void *await(void *arg)
{
	(void)arg;
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	blocks();
	while (!signalled)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	signalled--;
	woken++;
	SAY("woken");
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return NULL;
}

static void signal_one(void)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	signalled++;
	E(pthread_cond_signal(&c));
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

CASE(signal_wakes)
{
	struct flow *f = flow(await, NULL);

	await_blocked(1);
	signal_one();
	flow_end(f);
	E(pthread_mutex_trylock(&m));
}

CASE(signal_without_the_mutex)
{
	struct flow *f = flow(await, NULL);

	await_blocked(1);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	signalled++;
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	E(pthread_cond_signal(&c));
	flow_end(f);
}

CASE(each_signal_wakes_one)
{
	struct flow *f[3];

	for (int i = 0; i < 3; i++)
		f[i] = flow(await, NULL);
	await_blocked(3);
	for (int i = 0; i < 3; i++)
		signal_one();
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	SAY("woken %d", woken);
}

CASE(broadcast_wakes_all)
{
	struct flow *f[4];

	for (int i = 0; i < 4; i++)
		f[i] = flow(await, NULL);
	await_blocked(4);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	signalled = 4;
	E(pthread_cond_broadcast(&c));
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	for (int i = 0; i < 4; i++)
		flow_end(f[i]);
	SAY("woken %d", woken);
	E(pthread_cond_destroy(&c));
}

CASE(destroyed_after_a_broadcast)
{
	struct flow *f = flow(await, NULL);

	await_blocked(1);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	signalled = 1;
	E(pthread_cond_broadcast(&c));
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	E(pthread_cond_destroy(&c)); /* waits for those who leave */
	flow_end(f);
}

static void *try_the_mutex(void *arg)
{
	(void)arg;
	if (E(pthread_mutex_trylock(&m)) == 0)
		E(pthread_mutex_unlock(&m));
	return NULL;
}

static void mutex_is_free_meanwhile(void)
{
	struct flow *f = flow(await, NULL);

	await_blocked(1);
	flow_end(flow(try_the_mutex, NULL));
	signal_one();
	flow_end(f);
	E(pthread_mutex_trylock(&m));
}

CASE(mutex_is_free_meanwhile)
{
	mutex_is_free_meanwhile();
}

CASE(mutex_is_free_meanwhile_inheriting)
{
	make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
	mutex_is_free_meanwhile();
}

CASE(mutex_is_free_meanwhile_robust)
{
	make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
	mutex_is_free_meanwhile();
}

CASE(mutex_is_free_meanwhile_recursive)
{
	make_mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
	mutex_is_free_meanwhile();
}

static void *wait_deep(void *arg)
{
	(void)arg;
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_lock(&m));
	blocks();
	E(pthread_cond_timedwait(&c, &m, AT(CLOCK_REALTIME, 100)));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_unlock(&m));
	return NULL;
}

/* Only its last lock is given up. */
CASE(recursive_mutex_locked_twice)
{
	struct flow *f;

	make_mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
	f = flow(wait_deep, NULL);
	await_blocked(1);
	flow_end(flow(try_the_mutex, NULL));
	flow_end(f);
}

CASE(mutex_of_nobody)
{
	make_checking();
	E(pthread_cond_wait(&c, &m));
	E(pthread_cond_timedwait(&c, &m, AT(CLOCK_REALTIME, 1000)));
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_unlock(&m));
}

static void *wait_with_anothers(void *arg)
{
	(void)arg;
	E(pthread_cond_wait(&c, &m));
	return NULL;
}

CASE(mutex_of_another)
{
	make_checking();
	E(pthread_mutex_lock(&m));
	flow_end(flow(wait_with_anothers, NULL));
	E(pthread_mutex_unlock(&m));
}

/* --- Deadlines */

CASE(timed)
{
	struct timespec past = { .tv_sec = 1 }, early = { .tv_sec = -1 }, bad = { .tv_nsec = 1000000000 },
			negative = { .tv_nsec = -1 };

	make_checking();
	E(pthread_mutex_lock(&m));
	LASTS(15, E(pthread_cond_timedwait(&c, &m, AT(CLOCK_REALTIME, 15))));
	E(pthread_cond_timedwait(&c, &m, &past));
	E(pthread_cond_timedwait(&c, &m, &early));
	E(pthread_cond_timedwait(&c, &m, &bad));
	E(pthread_cond_timedwait(&c, &m, &negative));
	E(pthread_mutex_lock(&m)); /* it has it still */
	E(pthread_mutex_unlock(&m));
}

CASE(clocked)
{
	struct timespec past = { .tv_sec = 1 }, bad = { .tv_nsec = 1000000000 };

	make_checking();
	E(pthread_mutex_lock(&m));
	LASTS(15, E(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, AT(CLOCK_MONOTONIC, 15))));
	LASTS(15, E(pthread_cond_clockwait(&c, &m, CLOCK_REALTIME, AT(CLOCK_REALTIME, 15))));
	E(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &past));
	E(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &bad));
	E(pthread_cond_clockwait(&c, &m, CLOCK_BOOTTIME, &past));
	E(pthread_cond_clockwait(&c, &m, 77, &past));
	E(pthread_mutex_unlock(&m));
}

CASE(clock_of_its_own)
{
	pthread_condattr_t attr;

	CHECK_EQ(pthread_condattr_init(&attr), 0);
	CHECK_EQ(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), 0);
	CHECK_EQ(pthread_cond_init(&c, &attr), 0);
	E(pthread_mutex_lock(&m));
	LASTS(15, E(pthread_cond_timedwait(&c, &m, AT(CLOCK_MONOTONIC, 15))));
	LASTS(15, E(pthread_cond_clockwait(&c, &m, CLOCK_REALTIME, AT(CLOCK_REALTIME, 15))));
	E(pthread_mutex_unlock(&m));
}

static void *await_in_time(void *arg)
{
	(void)arg;
	E(pthread_mutex_lock(&m));
	blocks();
	E(pthread_cond_timedwait(&c, &m, AT(CLOCK_REALTIME, 20000)));
	E(pthread_mutex_unlock(&m));
	return NULL;
}

CASE(signal_in_time)
{
	struct flow *f = flow(await_in_time, NULL);

	await_blocked(1);
	signal_one();
	flow_end(f);
}

static void *time_out_under_lock(void *arg)
{
	(void)arg;
	E(pthread_mutex_lock(&m));
	blocks();
	E(pthread_cond_timedwait(&c, &m, AT(CLOCK_REALTIME, 600)));
	SAY("after it was unlocked: %d", atomic_load(&steps_done));
	E(pthread_mutex_unlock(&m));
	return NULL;
}

/* The mutex is waited for beyond the deadline. */
CASE(mutex_is_taken_at_the_deadline)
{
	struct flow *f = flow(time_out_under_lock, NULL);

	await_blocked(1);
	E(pthread_mutex_lock(&m));
	usleep(700000);
	step(1);
	E(pthread_mutex_unlock(&m));
	flow_end(f);
}

/* --- Death, cancellation, handlers */

static void *die_with_the_mutex(void *arg)
{
	(void)arg;
	E(pthread_mutex_lock(&m));
	signalled = 1;
	E(pthread_cond_signal(&c));
	return NULL;
}

static void *await_robustly(void *arg)
{
	int err = 0;

	(void)arg;
	E(pthread_mutex_lock(&m));
	blocks();
	while (!signalled && !err)
		err = E(pthread_cond_wait(&c, &m));
	E(pthread_mutex_consistent(&m));
	E(pthread_mutex_unlock(&m));
	return NULL;
}

CASE(signaller_dies_with_the_mutex)
{
	struct flow *f;

	make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
	f = flow(await_robustly, NULL);
	await_blocked(1);
	flow_end(flow(die_with_the_mutex, NULL));
	flow_end(f);
}

static void say_and_unlock(void *arg)
{
	(void)arg;
	SAY("cleanup");
	E(pthread_mutex_unlock(&m));
}

static void *await_with_cleanup(void *arg)
{
	(void)arg;
	E(pthread_mutex_lock(&m));
	pthread_cleanup_push(say_and_unlock, NULL);
	blocks();
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(1);
	return NULL;
}

CASE_THREADS(cancelled)
{
	struct flow *f;

	make_checking();
	f = flow(await_with_cleanup, NULL);
	await_blocked(1);
	E(pthread_cancel(thread_of(f)));
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
	E(pthread_mutex_lock(&m));
}

CASE_THREADS(handler_does_not_end_a_wait)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, 0);
	f = flow(await, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	await_handler();
	signal_one();
	flow_end(f);
}

/* --- Several processes */

struct both {
	pthread_mutex_t m;
	pthread_cond_t c;
	int ready;
};

static void signal_as_child(void *arg)
{
	struct both *b = arg;

	E(pthread_mutex_lock(&b->m));
	b->ready = 1;
	E(pthread_cond_signal(&b->c));
	E(pthread_mutex_unlock(&b->m));
}

static void await_as_child(void *arg)
{
	struct both *b = arg;

	E(pthread_mutex_lock(&b->m));
	while (!b->ready)
		CHECK_EQ(pthread_cond_wait(&b->c, &b->m), 0);
	E(pthread_mutex_unlock(&b->m));
}

static struct both *make_both(void)
{
	struct both *b = shared_page();
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;

	CHECK_EQ(pthread_mutexattr_init(&ma), 0);
	CHECK_EQ(pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_condattr_init(&ca), 0);
	CHECK_EQ(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_mutex_init(&b->m, &ma), 0);
	CHECK_EQ(pthread_cond_init(&b->c, &ca), 0);
	return b;
}

CASE(another_process_signals)
{
	struct both *b = make_both();
	pid_t pid;

	E(pthread_mutex_lock(&b->m));
	pid = child(signal_as_child, b);
	while (!b->ready)
		CHECK_EQ(pthread_cond_wait(&b->c, &b->m), 0);
	E(pthread_mutex_unlock(&b->m));
	child_end(pid);
}

CASE(another_process_waits)
{
	struct both *b = make_both();
	pid_t pid = child(await_as_child, b);

	E(pthread_mutex_lock(&b->m));
	b->ready = 1;
	E(pthread_cond_broadcast(&b->c));
	E(pthread_mutex_unlock(&b->m));
	child_end(pid);
}

CASE(shared_and_timed)
{
	struct both *b = make_both();
	struct timespec until = in_ms(CLOCK_REALTIME, 15);
	int err = 0;

	E(pthread_mutex_lock(&b->m));
	LASTS(10, ({
		      while (err == 0)
			      err = pthread_cond_timedwait(&b->c, &b->m, &until);
		      err;
	      }));
	SAY("%s", errno_name(err));
	E(pthread_mutex_unlock(&b->m));
}
