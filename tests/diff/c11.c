/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads, mutexes, conditions and storage by their names in C11.
 */
#include "diff/steps.h"
#include <limits.h>
#include <threads.h>

static mtx_t m;
static cnd_t c;
static tss_t key;
static int ready;

static const char *name_of(int r)
{
	switch (r) {
	case thrd_success:
		return "success";
	case thrd_busy:
		return "busy";
	case thrd_error:
		return "error";
	case thrd_nomem:
		return "nomem";
	case thrd_timedout:
		return "timedout";
	default:
		return "?";
	}
}

#define T(call) SAY("%s: %s", #call, name_of(call))

CASE(mutex_types)
{
	T(mtx_init(&m, mtx_plain));
	T(mtx_lock(&m));
	T(mtx_trylock(&m));
	T(mtx_unlock(&m));
	T(mtx_init(&m, mtx_plain | mtx_recursive));
	T(mtx_lock(&m));
	T(mtx_trylock(&m));
	T(mtx_unlock(&m));
	T(mtx_unlock(&m));
	T(mtx_init(&m, mtx_timed | mtx_recursive));
	T(mtx_init(&m, 77));
	mtx_destroy(&m);
}

static void *contend(void *arg)
{
	struct timespec past = { .tv_sec = 1 }, bad = { .tv_nsec = 1000000000 };

	(void)arg;
	T(mtx_trylock(&m));
	LASTS(15, (T(mtx_timedlock(&m, AT(CLOCK_REALTIME, 15))), 0));
	T(mtx_timedlock(&m, &past));
	T(mtx_timedlock(&m, &bad));
	blocks();
	T(mtx_lock(&m));
	T(mtx_unlock(&m));
	return NULL;
}

CASE(mutex_contended)
{
	struct flow *f;

	T(mtx_init(&m, mtx_timed));
	T(mtx_lock(&m));
	f = flow(contend, NULL);
	await_blocked(1);
	T(mtx_unlock(&m));
	flow_end(f);
	mtx_destroy(&m);
}

static void *await(void *arg)
{
	(void)arg;
	T(mtx_lock(&m));
	blocks();
	while (!ready)
		T(cnd_wait(&c, &m));
	T(mtx_unlock(&m));
	return NULL;
}

static void conditions(bool broadcast, int n)
{
	struct flow *f[3];

	T(mtx_init(&m, mtx_plain));
	T(cnd_init(&c));
	for (int i = 0; i < n; i++)
		f[i] = flow(await, NULL);
	await_blocked(n);
	T(mtx_lock(&m));
	ready = 1;
	if (broadcast)
		T(cnd_broadcast(&c));
	else
		T(cnd_signal(&c));
	T(mtx_unlock(&m));
	for (int i = 0; i < n; i++)
		flow_end(f[i]);
	cnd_destroy(&c);
}

CASE(condition_signalled)
{
	conditions(false, 1);
}

CASE(condition_broadcast)
{
	conditions(true, 3);
}

CASE(condition_timed)
{
	struct timespec past = { .tv_sec = 1 }, bad = { .tv_nsec = 1000000000 };

	T(mtx_init(&m, mtx_plain));
	T(cnd_init(&c));
	T(cnd_signal(&c));
	T(mtx_lock(&m));
	LASTS(15, (T(cnd_timedwait(&c, &m, AT(CLOCK_REALTIME, 15))), 0));
	T(cnd_timedwait(&c, &m, &past));
	T(cnd_timedwait(&c, &m, &bad));
	T(mtx_trylock(&m));
	T(mtx_unlock(&m));
}

static int returns(void *arg)
{
	return (int)(long)arg;
}

static int exits(void *arg)
{
	thrd_exit((int)(long)arg);
}

static void join_and_say(thrd_t t)
{
	int result = 0;

	T(thrd_join(t, &result));
	SAY("result %d", result);
}

CASE_THREADS(results)
{
	thrd_t t;

	T(thrd_create(&t, returns, (void *)5));
	join_and_say(t);
	T(thrd_create(&t, exits, (void *)-6));
	join_and_say(t);
	T(thrd_create(&t, returns, (void *)(long)INT_MIN));
	join_and_say(t);
	T(thrd_create(&t, returns, NULL));
	T(thrd_join(t, NULL));
}

static int stay(void *arg)
{
	hear(*(int *)arg);
	return 0;
}

CASE_THREADS(detached)
{
	static int p[2];
	thrd_t t;

	CHECK_EQ(pipe(p), 0);
	T(thrd_create(&t, stay, p));
	T(thrd_detach(t));
	T(thrd_join(t, NULL));
	T(thrd_detach(t));
	tell(p[1]);
}

CASE_THREADS(oneself)
{
	SAY("%d", !!thrd_equal(thrd_current(), thrd_current()));
	T(thrd_join(thrd_current(), NULL));
}

static void say_value(void *value)
{
	SAY("destructor of %ld", (long)value);
}

static int set_value(void *arg)
{
	T(tss_set(key, arg));
	SAY("%ld", (long)tss_get(key));
	return 0;
}

static void *set_as_flow(void *arg)
{
	set_value(arg);
	return NULL;
}

CASE_THREADS(storage)
{
	T(tss_create(&key, say_value));
	T(tss_set(key, (void *)1));
	flow_end(flow(set_as_flow, (void *)2));
	SAY("%ld", (long)tss_get(key));
	tss_delete(key);
}

CASE(sleep_and_yield)
{
	struct timespec span = ms_span(15), bad = { .tv_nsec = 1000000000 }, negative = { .tv_sec = -1 };

	LASTS(15, R(thrd_sleep(&span, NULL)));
	SAY("%d", thrd_sleep(&bad, NULL));
	SAY("%d", thrd_sleep(&negative, NULL));
	thrd_yield();
}

static void *sleep_long(void *arg)
{
	struct timespec span = ms_span(20000), rem = { 0 };

	(void)arg;
	blocks();
	SAY("%d", thrd_sleep(&span, &rem));
	SAY("left: %d", rem.tv_sec > 10 && rem.tv_sec <= 20);
	return NULL;
}

CASE_THREADS(sleep_meets_handler)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, SA_RESTART);
	f = flow(sleep_long, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}
