/* SPDX-License-Identifier: Apache-2.0
 *
 * Semaphores: unnamed, shared, named.
 */
#include "diff/steps.h"
#include <limits.h>
#include <semaphore.h>
#include <sys/stat.h>

static sem_t own, *s = &own;

static int value(void)
{
	int v = -1;

	CHECK_EQ(sem_getvalue(s, &v), 0);
	return v;
}

CASE(init)
{
	R(sem_init(s, 0, (unsigned)SEM_VALUE_MAX + 1));
	R(sem_init(s, 0, SEM_VALUE_MAX));
	R(sem_post(s));
	R(value());
	R(sem_destroy(s));
}

static void counts(int shared)
{
	CHECK_EQ(sem_init(s, shared, 2), 0);
	R(sem_wait(s));
	R(sem_trywait(s));
	R(sem_trywait(s));
	R(value());
	R(sem_post(s));
	R(value());
	R(sem_wait(s));
	R(sem_destroy(s));
}

CASE(counts)
{
	counts(0);
}

CASE(counts_shared)
{
	counts(1);
}

static void timed(int shared)
{
	struct timespec past = { .tv_sec = 1 }, early = { .tv_sec = -1 }, bad = { .tv_nsec = 1000000000 },
			negative = { .tv_nsec = -1 };

	CHECK_EQ(sem_init(s, shared, 1), 0);
	R(sem_timedwait(s, &bad)); /* although there is a token */
	R(sem_clockwait(s, CLOCK_BOOTTIME, &past));
	R(sem_timedwait(s, &past));
	LASTS(15, R(sem_timedwait(s, AT(CLOCK_REALTIME, 15))));
	LASTS(15, R(sem_clockwait(s, CLOCK_MONOTONIC, AT(CLOCK_MONOTONIC, 15))));
	LASTS(15, R(sem_clockwait(s, CLOCK_REALTIME, AT(CLOCK_REALTIME, 15))));
	R(sem_timedwait(s, &past));
	R(sem_timedwait(s, &early));
	R(sem_timedwait(s, &negative));
	R(sem_clockwait(s, CLOCK_MONOTONIC, &bad));
	R(sem_clockwait(s, 77, &past));
}

CASE(timed)
{
	timed(0);
}

CASE(timed_shared)
{
	timed(1);
}

static void *wait_for_one(void *arg)
{
	(void)arg;
	blocks();
	R(sem_wait(s));
	return NULL;
}

static void posts_wake(int shared)
{
	struct flow *f[3];

	CHECK_EQ(sem_init(s, shared, 0), 0);
	for (int i = 0; i < 3; i++)
		f[i] = flow(wait_for_one, NULL);
	await_blocked(3);
	R(value());
	for (int i = 0; i < 3; i++)
		R(sem_post(s));
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	R(value());
	R(sem_destroy(s));
}

CASE(posts_wake)
{
	posts_wake(0);
}

CASE(posts_wake_shared)
{
	posts_wake(1);
}

static void *wait_in_time(void *arg)
{
	(void)arg;
	blocks();
	R(sem_clockwait(s, CLOCK_MONOTONIC, AT(CLOCK_MONOTONIC, 20000)));
	return NULL;
}

CASE(post_in_time)
{
	struct flow *f;

	CHECK_EQ(sem_init(s, 0, 0), 0);
	f = flow(wait_in_time, NULL);
	await_blocked(1);
	R(sem_post(s));
	flow_end(f);
}

static void *free_and_post(void *arg)
{
	(void)arg;
	blocks();
	R(sem_wait(s));
	R(sem_destroy(s));
	memset(s, 0xff, sizeof(*s));
	return NULL;
}

CASE(destroyed_by_the_woken)
{
	struct flow *f;

	CHECK_EQ(sem_init(s, 0, 0), 0);
	f = flow(free_and_post, NULL);
	await_blocked(1);
	R(sem_post(s));
	flow_end(f);
}

/* --- Signals and cancellation */

static void post_in_handler(int sig)
{
	(void)sig;
	R(sem_post(s));
}

static void *wait_twice(void *arg)
{
	(void)arg;
	blocks();
	if (R(sem_wait(s)) == -1)
		R(sem_wait(s));
	return NULL;
}

static void handler_meets_wait(int flags)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, flags);
	CHECK_EQ(sem_init(s, 0, 0), 0);
	f = flow(wait_twice, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	await_handler();
	R(sem_post(s));
	flow_end(f);
}

CASE_THREADS(handler_ends_a_wait)
{
	handler_meets_wait(0);
}

CASE_THREADS(handler_that_restarts)
{
	handler_meets_wait(SA_RESTART);
}

static void *wait_long(void *arg)
{
	(void)arg;
	blocks();
	R(sem_timedwait(s, AT(CLOCK_REALTIME, 20000)));
	return NULL;
}

static void handler_meets_timed_wait(int flags)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, flags);
	CHECK_EQ(sem_init(s, 0, 0), 0);
	f = flow(wait_long, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

CASE_THREADS(handler_ends_a_timed_wait)
{
	handler_meets_timed_wait(0);
}

CASE_THREADS(handler_that_restarts_ends_a_timed_wait)
{
	handler_meets_timed_wait(SA_RESTART);
}

CASE_THREADS(handler_posts)
{
	struct flow *f;

	on_signal(SIGUSR1, post_in_handler, SA_RESTART);
	CHECK_EQ(sem_init(s, 0, 0), 0);
	f = flow(wait_for_one, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
	R(value());
}

CASE_THREADS(cancelled)
{
	struct flow *f;

	CHECK_EQ(sem_init(s, 0, 0), 0);
	f = flow(wait_for_one, NULL);
	await_blocked(1);
	E(pthread_cancel(thread_of(f)));
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
	R(sem_post(s));
	R(value());
}

static void *cancelled_before_it_waits(void *arg)
{
	(void)arg;
	E(pthread_cancel(pthread_self()));
	R(sem_trywait(s)); /* no cancellation point */
	R(sem_wait(s));
	return NULL;
}

CASE_THREADS(cancelled_beside_a_token)
{
	CHECK_EQ(sem_init(s, 0, 2), 0);
	SAY("cancelled: %d", flow_end(flow(cancelled_before_it_waits, NULL)) == PTHREAD_CANCELED);
	R(value());
}

/* --- Several processes */

static int told[2];

static void post_when_told(void *arg)
{
	(void)arg;
	hear(told[0]);
	R(sem_post(s));
}

CASE(another_process_posts)
{
	pid_t pid;

	s = shared_page();
	CHECK_EQ(sem_init(s, 1, 0), 0);
	CHECK_EQ(pipe(told), 0);
	pid = child(post_when_told, NULL);
	R(sem_trywait(s));
	tell(told[1]);
	R(sem_wait(s));
	child_end(pid);
}

static void wait_and_tell(void *arg)
{
	(void)arg;
	R(sem_wait(s));
	tell(told[1]);
}

CASE(another_process_waits)
{
	pid_t pid;

	s = shared_page();
	CHECK_EQ(sem_init(s, 1, 0), 0);
	CHECK_EQ(pipe(told), 0);
	pid = child(wait_and_tell, NULL);
	R(sem_post(s));
	hear(told[0]);
	child_end(pid);
}

/* --- Named ones.  The names have the process's number, for others use the same folder. */

static const char *name_of_own(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "/diff-sems-%d", (int)getpid());
	return name;
}

static bool is_failed(const sem_t *found)
{
	return found == SEM_FAILED;
}

CASE(named)
{
	const char *name = name_of_own();
	sem_t *twice;

	R(is_failed(sem_open(name, 0)));
	SAY("%s", errno_name(errno));
	s = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	R(is_failed(s));
	twice = sem_open(name, 0);
	R(twice == s);
	R(is_failed(sem_open(name, O_CREAT | O_EXCL, 0600, 5)));
	SAY("%s", errno_name(errno));
	R(value());
	R(sem_wait(s));
	R(sem_trywait(twice));
	R(sem_close(twice));
	R(sem_post(s));
	R(sem_unlink(name));
	R(sem_unlink(name));
	R(value());
	R(sem_close(s));
}

CASE(named_wrongly)
{
	char long_name[300];

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[299] = '\0';
	R(is_failed(sem_open("/", O_CREAT, 0600, 1)));
	SAY("%s", errno_name(errno));
	R(is_failed(sem_open("/a/b", O_CREAT, 0600, 1)));
	SAY("%s", errno_name(errno));
	R(is_failed(sem_open(long_name, O_CREAT, 0600, 1)));
	SAY("%s", errno_name(errno));
	R(is_failed(sem_open(name_of_own(), O_CREAT, 0600, (unsigned)SEM_VALUE_MAX + 1)));
	SAY("%s", errno_name(errno));
	R(sem_unlink("/a/b"));
}

static void post_by_name(void *arg)
{
	s = sem_open(arg, 0);
	R(is_failed(s));
	R(sem_post(s));
}

CASE(named_and_another_process)
{
	const char *name = name_of_own();
	pid_t pid;

	s = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	CHECK(s != SEM_FAILED);
	pid = child(post_by_name, (void *)name);
	R(sem_wait(s));
	child_end(pid);
	R(sem_unlink(name));
}
