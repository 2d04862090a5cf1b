/* SPDX-License-Identifier: Apache-2.0
 *
 * Robust mutexes, and those of several processes: what the next one learns of an owner that has died.
 */
#include "diff/steps.h"

static pthread_mutex_t own, *m = &own;

static void make(int type, int protocol, int is_robust)
{
	pthread_mutexattr_t attr;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, type), 0);
	CHECK_EQ(pthread_mutexattr_setprotocol(&attr, protocol), 0);
	CHECK_EQ(pthread_mutexattr_setrobust(&attr, is_robust), 0);
	if (m != &own)
		CHECK_EQ(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
}

static void make_robust(void)
{
	make(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
}

static void *die_with_it(void *arg)
{
	(void)arg;
	E(pthread_mutex_lock(m));
	return NULL;
}

static void *die_twice_with_it(void *arg)
{
	E(pthread_mutex_lock(m));
	return die_with_it(arg);
}

CASE(consistent_when_it_is)
{
	make_robust();
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
	make(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
	E(pthread_mutex_consistent(m));
}

CASE(owner_dead_made_consistent)
{
	make_robust();
	flow_end(flow(die_with_it, NULL));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_unlock(m));
}

CASE(owner_dead_not_recovered)
{
	struct timespec past = { .tv_sec = 1 };

	make_robust();
	flow_end(flow(die_with_it, NULL));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_unlock(m));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_timedlock(m, &past));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_trylock(m)); /* after which libc's own lock would wait for ever */
	E(pthread_mutex_destroy(m));
}

CASE(owner_dead_trylock)
{
	make_robust();
	flow_end(flow(die_with_it, NULL));
	E(pthread_mutex_trylock(m));
	E(pthread_mutex_trylock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_trylock(m));
	E(pthread_mutex_unlock(m));
}

CASE(owner_dead_timedlock)
{
	struct timespec past = { .tv_sec = 1 };

	make_robust();
	flow_end(flow(die_with_it, NULL));
	E(pthread_mutex_timedlock(m, &past));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
}

CASE(owner_dead_recursive)
{
	make(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
	flow_end(flow(die_twice_with_it, NULL));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
	E(pthread_mutex_unlock(m));
	E(pthread_mutex_unlock(m));
}

CASE(owner_dead_checking)
{
	make(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
	flow_end(flow(die_with_it, NULL));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
	E(pthread_mutex_unlock(m));
}

CASE(owner_dead_inheriting)
{
	make(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ROBUST);
	flow_end(flow(die_with_it, NULL));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_unlock(m));
}

CASE(owner_dead_twice)
{
	make_robust();
	flow_end(flow(die_with_it, NULL));
	flow_end(flow(die_with_it, NULL)); /* which learns of it, and dies as well */
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
}

static void *die_when_told(void *arg)
{
	E(pthread_mutex_lock(m));
	step(1);
	hear(*(int *)arg);
	return NULL;
}

static void *inherit(void *arg)
{
	(void)arg;
	blocks();
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
	return NULL;
}

CASE(owner_dies_under_a_waiter)
{
	struct flow *owner, *waiter;
	int p[2];

	make_robust();
	CHECK_EQ(pipe(p), 0);
	owner = flow(die_when_told, p);
	await_step(1);
	waiter = flow(inherit, NULL);
	await_blocked(1);
	tell(p[1]);
	flow_end(owner);
	flow_end(waiter);
}

static void *refused(void *arg)
{
	(void)arg;
	blocks();
	E(pthread_mutex_lock(m));
	return NULL;
}

CASE(waiters_learn_that_it_is_lost)
{
	struct flow *f;

	make_robust();
	flow_end(flow(die_with_it, NULL));
	E(pthread_mutex_lock(m));
	f = flow(refused, NULL);
	await_blocked(1);
	E(pthread_mutex_unlock(m));
	flow_end(f);
}

/* --- Several processes */

static void die_as_child(void *arg)
{
	(void)arg;
	E(pthread_mutex_lock(m));
}

CASE(process_ends_with_it)
{
	m = shared_page();
	make_robust();
	child_end(child(die_as_child, NULL));
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
}

static int told[2], heard[2];

static void hold_until_told(void *arg)
{
	(void)arg;
	E(pthread_mutex_lock(m));
	tell(heard[1]);
	hear(told[0]);
	E(pthread_mutex_unlock(m));
}

static pid_t holder(void)
{
	pid_t pid;

	CHECK_EQ(pipe(told), 0);
	CHECK_EQ(pipe(heard), 0);
	pid = child(hold_until_told, NULL);
	hear(heard[0]);
	return pid;
}

CASE(process_is_killed_with_it)
{
	pid_t pid;

	m = shared_page();
	make_robust();
	pid = holder();
	E(pthread_mutex_trylock(m));
	kill(pid, SIGKILL);
	E(pthread_mutex_lock(m));
	E(pthread_mutex_consistent(m));
	E(pthread_mutex_unlock(m));
	child_end(pid);
}

static void held_by_child(int type)
{
	pid_t pid;

	m = shared_page();
	make(type, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
	pid = holder();
	E(pthread_mutex_trylock(m));
	LASTS(15, E(pthread_mutex_timedlock(m, AT(CLOCK_REALTIME, 15))));
	tell(told[1]);
	E(pthread_mutex_lock(m));
	E(pthread_mutex_unlock(m));
	child_end(pid);
}

CASE(held_by_another_process_normal)
{
	held_by_child(PTHREAD_MUTEX_NORMAL);
}

CASE(held_by_another_process_checking)
{
	held_by_child(PTHREAD_MUTEX_ERRORCHECK);
}

static void want_as_child(void *arg)
{
	(void)arg;
	E(pthread_mutex_trylock(m));
	tell(heard[1]);
	E(pthread_mutex_lock(m));
	E(pthread_mutex_unlock(m));
}

CASE(another_process_waits_for_it)
{
	pid_t pid;

	m = shared_page();
	make(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
	CHECK_EQ(pipe(heard), 0);
	E(pthread_mutex_lock(m));
	pid = child(want_as_child, NULL);
	hear(heard[0]);
	E(pthread_mutex_unlock(m));
	child_end(pid);
}
