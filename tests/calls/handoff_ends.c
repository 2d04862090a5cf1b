/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a thread that has lost the scheduler, by return, pthread_exit() and cancellation, with its
 * handlers and destructors; and the end of a process while one is stuck, from there or from elsewhere.
 */
#include "calls/handoff.h"

#define MANY 8

static struct stuck s, many[MANY];
static pthread_key_t key;
static _Atomic int destroyed, cleaned;

static void destroy(void *value)
{
	CHECK(value == &key);
	destroyed++;
}

static void clean(void *arg)
{
	CHECK(arg == &key);
	cleaned++;
}

/* --- Of a thread. */

static void *returns(void *arg)
{
	CHECK_EQ(pthread_setspecific(key, &key), 0);
	CHECK_EQ(get_stuck(arg), 1);
	return arg;
}

static void *exits(void *arg)
{
	pthread_cleanup_push(clean, &key);
	CHECK_EQ(pthread_setspecific(key, &key), 0);
	CHECK_EQ(get_stuck(arg), 1);
	pthread_exit(arg);
	pthread_cleanup_pop(0);
	return NULL;
}

/* Asked to end while it is stuck, it does so in the first call that is a cancellation point. */
static void *is_cancelled(void *arg)
{
	pthread_cleanup_push(clean, &key);
	CHECK_EQ(pthread_setspecific(key, &key), 0);
	CHECK_EQ(get_stuck(arg), 1);
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return arg;
}

static void *is_cancelled_in_usleep(void *arg)
{
	pthread_cleanup_push(clean, &key);
	CHECK_EQ(pthread_setspecific(key, &key), 0);
	CHECK_EQ(get_stuck(arg), 1);
	usleep(100);
	pthread_cleanup_pop(0);
	return arg;
}

static void *disables_it(void *arg)
{
	int old;

	CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
	CHECK_EQ(pthread_setspecific(key, &key), 0);
	CHECK_EQ(get_stuck(arg), 1);
	pthread_testcancel();
	usleep(100);
	return arg;
}

/* Natively at once; a green thread in its next call that is a cancellation point, as says calls/cancel.c. */
static void *is_cancelled_at_once(void *arg)
{
	int old;

	pthread_cleanup_push(clean, &key);
	CHECK_EQ(pthread_setspecific(key, &key), 0);
	CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old), 0);
	get_stuck(arg);
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return arg;
}

static void ends(void *(*fn)(void *), bool cancel, void *result, int handlers)
{
	pthread_t t;

	for (int i = 0; i < 10; i++) {
		destroyed = cleaned = 0;
		stuck_init(&s);
		t = start(fn, &s);
		await_stuck(&s);
		if (cancel)
			CHECK_EQ(pthread_cancel(t), 0);
		if (fn != is_cancelled_at_once || is_green())
			release(&s);
		CHECK(finish(t) == result);
		CHECK_EQ(destroyed, 1);
		CHECK_EQ(cleaned, handlers);
		stuck_close(&s);
	}
	CHECK_VERIFY();
}

static void *nobody_joins(void *arg)
{
	CHECK_EQ(pthread_detach(pthread_self()), 0);
	return returns(arg);
}

/* All at the same time, and their stacks go to the next ones. */
static void many_end(void)
{
	for (int round = 0; round < 5; round++) {
		pthread_t t[MANY];

		destroyed = 0;
		for (int i = 0; i < MANY; i++) {
			stuck_init(&many[i]);
			t[i] = start(i % 2 ? nobody_joins : returns, &many[i]);
		}
		for (int i = 0; i < MANY; i++)
			await_stuck(&many[i]);
		for (int i = 0; i < MANY; i++)
			release(&many[i]);
		for (int i = 0; i < MANY; i += 2)
			CHECK(finish(t[i]) == &many[i]);
		while (destroyed < MANY)
			sched_yield();
		for (int i = 0; i < MANY; i++)
			stuck_close(&many[i]);
	}
}

/* --- Of the process. */

static void at_exit(void)
{
	CHECK_EQ(inline_call(SYS_write, s.fds[1], (long)"e", 1), 1);
}

static void starts_a_stuck_one(void)
{
	stuck_init(&many[0]);
	start(stuck_thread, &many[0]);
	await_stuck(&many[0]);
	CHECK_EQ(atexit(at_exit), 0);
}

static void main_exits_beside_it(void)
{
	starts_a_stuck_one();
	exit(3);
}

static void *exits_the_process(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(atexit(at_exit), 0);
	exit(3);
}

static void alone_one_exits(void)
{
	stuck_init(&many[0]);
	start(exits_the_process, &many[0]);
	await_stuck(&many[0]);
	release(&many[0]);
	pause();
}

static void *exits_from_beside_main(void *arg)
{
	await_stuck(arg);
	CHECK_EQ(atexit(at_exit), 0);
	exit(3);
}

static void exit_beside_a_stuck_main(void)
{
	stuck_init(&many[0]);
	start(exits_from_beside_main, &many[0]);
	get_stuck(&many[0]);
}

static void *the_last_one(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(atexit(at_exit), 0);
	return arg;
}

static void *lets_it_go(void *arg)
{
	await_stuck(arg);
	release(arg);
	return arg;
}

/* It ends with 0 when the last thread does. */
static void main_has_ended_before(void)
{
	stuck_init(&many[0]);
	start(the_last_one, &many[0]);
	start(lets_it_go, &many[0]);
	pthread_exit(NULL);
}

static void process_ends(void (*fn)(void), int code)
{
	char byte;
	int status;

	stuck_init(&s);
	status = in_child(fn);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), code);
	CHECK_EQ(read(s.fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'e');
	stuck_close(&s);
}

int main(void)
{
	CHECK_EQ(pthread_key_create(&key, destroy), 0);
	ends(returns, false, &s, 0);
	ends(exits, false, &s, 1);
	ends(is_cancelled, true, PTHREAD_CANCELED, 1);
	ends(is_cancelled_in_usleep, true, PTHREAD_CANCELED, 1);
	ends(disables_it, true, &s, 0);
	ends(is_cancelled_at_once, true, PTHREAD_CANCELED, 1);
	many_end();
	for (int i = 0; i < 5; i++) {
		process_ends(main_exits_beside_it, 3);
		process_ends(alone_one_exits, 3);
		process_ends(exit_beside_a_stuck_main, 3);
		process_ends(main_has_ended_before, 0);
	}
	CHECK_VERIFY();
	return 0;
}
