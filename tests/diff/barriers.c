/* SPDX-License-Identifier: Apache-2.0
 *
 * Barriers, and what is to happen once.
 */
#include "diff/steps.h"
#include <limits.h>
#include <threads.h>

static pthread_barrier_t own, *b = &own;
static _Atomic int serial, passed;

static void *pass(void *arg)
{
	long rounds = (long)arg;

	while (rounds-- > 0) {
		int r;

		blocks();
		r = pthread_barrier_wait(b);
		serial += r == PTHREAD_BARRIER_SERIAL_THREAD;
		passed += r == PTHREAD_BARRIER_SERIAL_THREAD || r == 0;
	}
	return NULL;
}

CASE(init)
{
	pthread_barrierattr_t attr;

	E(pthread_barrier_init(b, NULL, 0));
	E(pthread_barrier_init(b, NULL, UINT_MAX));
	E(pthread_barrier_init(b, NULL, 1));
	E(pthread_barrier_destroy(b));
	E(pthread_barrierattr_init(&attr));
	E(pthread_barrierattr_setpshared(&attr, 77));
	E(pthread_barrierattr_destroy(&attr));
}

CASE(of_one)
{
	CHECK_EQ(pthread_barrier_init(b, NULL, 1), 0);
	SAY("serial: %d", pthread_barrier_wait(b) == PTHREAD_BARRIER_SERIAL_THREAD);
	SAY("serial: %d", pthread_barrier_wait(b) == PTHREAD_BARRIER_SERIAL_THREAD);
	E(pthread_barrier_destroy(b));
}

static void several(int n, long rounds)
{
	struct flow *f[8];

	CHECK_EQ(pthread_barrier_init(b, NULL, (unsigned)n), 0);
	for (int i = 0; i < n; i++)
		f[i] = flow(pass, (void *)rounds);
	for (int i = 0; i < n; i++)
		flow_end(f[i]);
	SAY("passed %d serial %d", passed, serial);
	E(pthread_barrier_destroy(b));
}

CASE(of_two)
{
	several(2, 1);
}

CASE(of_five)
{
	several(5, 1);
}

CASE(many_rounds)
{
	several(3, 50);
}

CASE(nobody_passes_before_the_last)
{
	struct flow *f[2];

	CHECK_EQ(pthread_barrier_init(b, NULL, 3), 0);
	for (int i = 0; i < 2; i++)
		f[i] = flow(pass, (void *)1);
	await_blocked(2);
	SAY("passed %d", passed);
	SAY("serial: %d", pthread_barrier_wait(b) == PTHREAD_BARRIER_SERIAL_THREAD);
	E(pthread_barrier_destroy(b)); /* the others may be on their way out */
	for (int i = 0; i < 2; i++)
		flow_end(f[i]);
	SAY("passed %d", passed);
}

CASE_THREADS(handler_does_not_end_a_wait)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, 0);
	CHECK_EQ(pthread_barrier_init(b, NULL, 2), 0);
	f = flow(pass, (void *)1);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	await_handler();
	SAY("passed %d", passed);
	pthread_barrier_wait(b);
	flow_end(f);
}

static void *pass_then_test(void *arg)
{
	pass(arg);
	SAY("passed");
	pthread_testcancel();
	SAY("goes on");
	return NULL;
}

CASE_THREADS(no_cancellation_point)
{
	struct flow *f;

	CHECK_EQ(pthread_barrier_init(b, NULL, 2), 0);
	f = flow(pass_then_test, (void *)1);
	await_blocked(1);
	E(pthread_cancel(thread_of(f)));
	usleep(5000);
	pthread_barrier_wait(b);
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
}

static void pass_as_child(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++)
		pthread_barrier_wait(b);
	SAY("passed");
}

CASE(several_processes)
{
	pthread_barrierattr_t attr;
	pid_t pid;

	b = shared_page();
	CHECK_EQ(pthread_barrierattr_init(&attr), 0);
	CHECK_EQ(pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_barrier_init(b, &attr, 2), 0);
	pid = child(pass_as_child, NULL);
	for (int i = 0; i < 3; i++)
		pthread_barrier_wait(b);
	SAY("passed");
	child_end(pid);
}

/* --- Once */

static pthread_once_t once = PTHREAD_ONCE_INIT, inner = PTHREAD_ONCE_INIT;
static int initialised;

static void initialise(void)
{
	initialised++;
	SAY("initialises");
}

static int told[2];

static void initialise_when_told(void)
{
	blocks();
	hear(told[0]);
	initialised++;
}

static void initialise_both(void)
{
	E(pthread_once(&inner, initialise));
	initialised++;
}

CASE(once)
{
	E(pthread_once(&once, initialise));
	E(pthread_once(&once, initialise));
	SAY("%d", initialised);
}

CASE(once_inside_another)
{
	E(pthread_once(&once, initialise_both));
	E(pthread_once(&inner, initialise));
	SAY("%d", initialised);
}

static void *initialise_once(void *arg)
{
	(void)arg;
	E(pthread_once(&once, initialise_when_told));
	SAY("initialised %d", initialised);
	return NULL;
}

CASE(once_is_waited_for)
{
	struct flow *f[3];

	CHECK_EQ(pipe(told), 0);
	f[0] = flow(initialise_once, NULL);
	await_blocked(1);
	for (int i = 1; i < 3; i++)
		f[i] = flow(initialise_once, NULL);
	tell(told[1]);
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
}

CASE(call_once)
{
	static once_flag flag = ONCE_FLAG_INIT;

	call_once(&flag, initialise);
	call_once(&flag, initialise);
	SAY("%d", initialised);
}

static void initialise_and_exit(void)
{
	SAY("begins");
	pthread_exit((void *)7);
}

static void initialise_for_ever(void)
{
	blocks();
	pause();
}

static void *once_and_exit(void *arg)
{
	(void)arg;
	pthread_once(&once, initialise_and_exit);
	SAY("not reached");
	return NULL;
}

static void *once_for_ever(void *arg)
{
	(void)arg;
	pthread_once(&once, initialise_for_ever);
	return NULL;
}

CASE_THREADS(once_left_by_pthread_exit)
{
	SAY("result %ld", (long)flow_end(flow(once_and_exit, NULL)));
	E(pthread_once(&once, initialise));
}

CASE_THREADS(once_left_by_cancellation)
{
	struct flow *f = flow(once_for_ever, NULL);

	await_blocked(1);
	E(pthread_cancel(thread_of(f)));
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
	E(pthread_once(&once, initialise));
}

static void once_as_child(void *arg)
{
	(void)arg;
	E(pthread_once(&once, initialise)); /* who was at it is not here */
}

CASE(once_begun_before_a_fork)
{
	struct flow *f;
	pid_t pid;

	CHECK_EQ(pipe(told), 0);
	f = flow(initialise_once, NULL);
	await_blocked(1);
	pid = child(once_as_child, NULL);
	tell(told[1]);
	flow_end(f);
	child_end(pid);
}
