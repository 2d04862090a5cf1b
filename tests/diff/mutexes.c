/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutexes of each type: who gets them, who is refused and how, until when they are waited for.
 */
#include "diff/steps.h"
#include <limits.h>

struct kind {
	int type, protocol, robust, shared;
};

static const struct kind normal = { .type = PTHREAD_MUTEX_NORMAL },
			 checking = { .type = PTHREAD_MUTEX_ERRORCHECK },
			 recursive = { .type = PTHREAD_MUTEX_RECURSIVE },
			 adaptive = { .type = PTHREAD_MUTEX_ADAPTIVE_NP },
			 inheriting = { .protocol = PTHREAD_PRIO_INHERIT },
			 robust = { .robust = PTHREAD_MUTEX_ROBUST },
			 shared = { .shared = PTHREAD_PROCESS_SHARED };

static pthread_mutex_t m;

static void make(pthread_mutex_t *mutex, struct kind kind)
{
	pthread_mutexattr_t attr;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, kind.type), 0);
	CHECK_EQ(pthread_mutexattr_setprotocol(&attr, kind.protocol), 0);
	CHECK_EQ(pthread_mutexattr_setrobust(&attr, kind.robust), 0);
	CHECK_EQ(pthread_mutexattr_setpshared(&attr, kind.shared), 0);
	CHECK_EQ(pthread_mutex_init(mutex, &attr), 0);
	CHECK_EQ(pthread_mutexattr_destroy(&attr), 0);
}

/* --- Attributes, init, destroy */

CASE(attributes)
{
	pthread_mutexattr_t attr;
	int value;

	E(pthread_mutexattr_init(&attr));
	E(pthread_mutexattr_settype(&attr, 77));
	E(pthread_mutexattr_setprotocol(&attr, 77));
	E(pthread_mutexattr_setrobust(&attr, 77));
	E(pthread_mutexattr_setpshared(&attr, 77));
	E(pthread_mutexattr_setprioceiling(&attr, 1000));
	E(pthread_mutexattr_gettype(&attr, &value));
	SAY("type %d", value);
	E(pthread_mutexattr_destroy(&attr));
}

CASE(destroy_locked)
{
	make(&m, normal);
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_destroy(&m));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_destroy(&m));
	make(&m, checking);
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_destroy(&m));
}

CASE(static_initializers)
{
	static pthread_mutex_t r = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
			       c = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
			       a = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

	E(pthread_mutex_lock(&r));
	E(pthread_mutex_lock(&r));
	E(pthread_mutex_lock(&c));
	E(pthread_mutex_lock(&c));
	E(pthread_mutex_lock(&a));
	E(pthread_mutex_trylock(&a));
}

CASE(prio_ceiling)
{
	pthread_mutexattr_t attr;
	int ceiling = 0;

	make(&m, normal);
	E(pthread_mutex_getprioceiling(&m, &ceiling));
	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	E(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_PROTECT));
	E(pthread_mutexattr_setprioceiling(&attr, 10));
	E(pthread_mutex_init(&m, &attr));
	E(pthread_mutex_getprioceiling(&m, &ceiling));
	SAY("ceiling %d", ceiling);
	SAY("%s", errno_name(pthread_mutex_lock(&m))); /* which wants a real-time policy */
	SAY("%s", errno_name(pthread_mutex_trylock(&m)));
}

/* --- One's own */

static void again(struct kind kind)
{
	struct timespec past = { .tv_sec = 1 };

	make(&m, kind);
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_trylock(&m));
	E(pthread_mutex_timedlock(&m, &past));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_trylock(&m));
	E(pthread_mutex_unlock(&m));
}

CASE(own_normal)
{
	again(normal);
}

CASE(own_adaptive)
{
	again(adaptive);
}

CASE(own_robust)
{
	again(robust);
}

CASE(own_shared)
{
	again(shared);
}

static void again_checked(struct kind kind)
{
	struct timespec past = { .tv_sec = 1 };

	kind.type = PTHREAD_MUTEX_ERRORCHECK;
	make(&m, kind);
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_trylock(&m));
	E(pthread_mutex_timedlock(&m, &past));
	E(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &past));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_unlock(&m));
}

CASE(own_checking)
{
	again_checked(checking);
}

CASE(own_checking_inheriting)
{
	again_checked(inheriting);
}

CASE(own_checking_robust)
{
	again_checked(robust);
}

CASE(own_checking_shared)
{
	again_checked(shared);
}

static void deeper(struct kind kind)
{
	struct timespec past = { .tv_sec = 1 };

	kind.type = PTHREAD_MUTEX_RECURSIVE;
	make(&m, kind);
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_trylock(&m));
	E(pthread_mutex_timedlock(&m, &past));
	E(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &past));
	for (int i = 0; i < 6; i++)
		E(pthread_mutex_unlock(&m));
}

CASE(own_recursive)
{
	deeper(recursive);
}

CASE(own_recursive_inheriting)
{
	deeper(inheriting);
}

CASE(own_recursive_robust)
{
	deeper(robust);
}

CASE(own_recursive_shared)
{
	deeper(shared);
}

CASE(recursive_count_is_full)
{
	make(&m, recursive);
	E(pthread_mutex_lock(&m));
	m.__data.__count = UINT_MAX;
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_trylock(&m));
	m.__data.__count = 1;
	E(pthread_mutex_unlock(&m));
}

/* --- Another's */

static void *want(void *arg)
{
	(void)arg;
	E(pthread_mutex_trylock(&m));
	blocks();
	E(pthread_mutex_lock(&m));
	SAY("has it");
	E(pthread_mutex_unlock(&m));
	return NULL;
}

static void passed_on(struct kind kind)
{
	struct flow *a, *b;

	make(&m, kind);
	E(pthread_mutex_lock(&m));
	a = flow(want, NULL);
	await_blocked(1);
	b = flow(want, NULL);
	await_blocked(2);
	E(pthread_mutex_unlock(&m));
	flow_end(a);
	flow_end(b);
	E(pthread_mutex_trylock(&m));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_destroy(&m));
}

CASE(passed_on_normal)
{
	passed_on(normal);
}

CASE(passed_on_checking)
{
	passed_on(checking);
}

CASE(passed_on_recursive)
{
	passed_on(recursive);
}

CASE(passed_on_adaptive)
{
	passed_on(adaptive);
}

CASE(passed_on_inheriting)
{
	passed_on(inheriting);
}

CASE(passed_on_robust)
{
	passed_on(robust);
}

CASE(passed_on_shared)
{
	passed_on(shared);
}

CASE(passed_on_inheriting_robust)
{
	passed_on((struct kind){ .protocol = PTHREAD_PRIO_INHERIT, .robust = PTHREAD_MUTEX_ROBUST });
}

CASE(passed_on_shared_robust_recursive)
{
	passed_on((struct kind){ PTHREAD_MUTEX_RECURSIVE, 0, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED });
}

static void *unlock_only(void *arg)
{
	(void)arg;
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_trylock(&m));
	return NULL;
}

static void unlocked_by_another(struct kind kind)
{
	make(&m, kind);
	E(pthread_mutex_lock(&m));
	flow_end(flow(unlock_only, NULL));
	E(pthread_mutex_unlock(&m));
}

CASE(unlocked_by_another_checking)
{
	unlocked_by_another(checking);
}

CASE(unlocked_by_another_recursive)
{
	unlocked_by_another(recursive);
}

CASE(unlocked_by_another_robust)
{
	unlocked_by_another(robust);
}

CASE(unlocked_by_another_checking_inheriting)
{
	unlocked_by_another(
		(struct kind){ .type = PTHREAD_MUTEX_ERRORCHECK, .protocol = PTHREAD_PRIO_INHERIT });
}

CASE(unlocked_by_another_checking_shared)
{
	unlocked_by_another(
		(struct kind){ .type = PTHREAD_MUTEX_ERRORCHECK, .shared = PTHREAD_PROCESS_SHARED });
}

static int counted;

static void *count_under_lock(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(pthread_mutex_lock(&m), 0);
		int seen = counted;
		if (i % 10 == 0)
			sched_yield();
		counted = seen + 1;
		CHECK_EQ(pthread_mutex_unlock(&m), 0);
	}
	return NULL;
}

static void excludes(struct kind kind)
{
	struct flow *f[4];

	make(&m, kind);
	for (int i = 0; i < 4; i++)
		f[i] = flow(count_under_lock, NULL);
	for (int i = 0; i < 4; i++)
		flow_end(f[i]);
	SAY("counted %d", counted);
}

CASE(excludes_normal)
{
	excludes(normal);
}

CASE(excludes_inheriting)
{
	excludes(inheriting);
}

CASE(excludes_shared)
{
	excludes(shared);
}

/* --- Deadlines */

static void *try_for_a_time(void *arg)
{
	struct timespec past = { .tv_sec = 1 }, early = { .tv_sec = -1 },
			bad = { .tv_sec = 1, .tv_nsec = 1000000000 }, negative = { .tv_sec = 1, .tv_nsec = -1 };

	(void)arg;
	LASTS(15, E(pthread_mutex_timedlock(&m, AT(CLOCK_REALTIME, 15))));
	LASTS(15, E(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, AT(CLOCK_MONOTONIC, 15))));
	LASTS(15, E(pthread_mutex_clocklock(&m, CLOCK_REALTIME, AT(CLOCK_REALTIME, 15))));
	E(pthread_mutex_timedlock(&m, &past));
	E(pthread_mutex_timedlock(&m, &early));
	E(pthread_mutex_timedlock(&m, &bad));
	E(pthread_mutex_timedlock(&m, &negative));
	E(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &bad));
	E(pthread_mutex_clocklock(&m, CLOCK_BOOTTIME, &past));
	E(pthread_mutex_clocklock(&m, 77, &past));
	return NULL;
}

static void timed(struct kind kind)
{
	struct timespec past = { .tv_sec = 1 }, bad = { .tv_sec = 1, .tv_nsec = 1000000000 };

	make(&m, kind);
	E(pthread_mutex_timedlock(&m, &past)); /* it is free: 0 */
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_timedlock(&m, &bad));
	flow_end(flow(try_for_a_time, NULL));
	E(pthread_mutex_unlock(&m));
}

CASE(timed_normal)
{
	timed(normal);
}

CASE(timed_checking)
{
	timed(checking);
}

CASE(timed_recursive)
{
	timed(recursive);
}

CASE(timed_adaptive)
{
	timed(adaptive);
}

CASE(timed_inheriting)
{
	timed(inheriting);
}

CASE(timed_robust)
{
	timed(robust);
}

CASE(timed_shared)
{
	timed(shared);
}

static void *get_in_time(void *arg)
{
	(void)arg;
	blocks();
	E(pthread_mutex_timedlock(&m, AT(CLOCK_REALTIME, 20000)));
	E(pthread_mutex_unlock(&m));
	return NULL;
}

static void timed_in_time(struct kind kind)
{
	struct flow *f;

	make(&m, kind);
	E(pthread_mutex_lock(&m));
	f = flow(get_in_time, NULL);
	await_blocked(1);
	E(pthread_mutex_unlock(&m));
	flow_end(f);
}

CASE(timed_in_time_normal)
{
	timed_in_time(normal);
}

CASE(timed_in_time_robust)
{
	timed_in_time(robust);
}

/* --- What does not end a wait */

static void *want_at_once(void *arg)
{
	(void)arg;
	blocks();
	E(pthread_mutex_lock(&m));
	step(1);
	E(pthread_mutex_unlock(&m));
	return NULL;
}

CASE_THREADS(handler_does_not_end_a_wait)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, 0);
	make(&m, normal);
	E(pthread_mutex_lock(&m));
	f = flow(want_at_once, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	await_handler();
	SAY("has it: %d", atomic_load(&steps_done));
	E(pthread_mutex_unlock(&m));
	flow_end(f);
}

static void *want_then_test(void *arg)
{
	(void)arg;
	blocks();
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_unlock(&m));
	pthread_testcancel();
	SAY("goes on");
	return NULL;
}

CASE_THREADS(no_cancellation_point)
{
	struct flow *f;

	make(&m, normal);
	E(pthread_mutex_lock(&m));
	f = flow(want_then_test, NULL);
	await_blocked(1);
	E(pthread_cancel(thread_of(f)));
	E(pthread_mutex_unlock(&m));
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
}
