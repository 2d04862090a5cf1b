/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_once() and call_once(): the initialiser runs once, the others wait until it is over even when
 * it sleeps or waits for them to do something else, and one that was left by pthread_exit or by
 * cancellation is run again by the next caller.
 */
#include "calls/blocked.h"
#include <threads.h>

static pthread_once_t once = PTHREAD_ONCE_INIT, left = PTHREAD_ONCE_INIT, cancelled = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;
static int runs, exits, cancels, gate[2];

static void slow_init(void)
{
	char c;

	CHECK_EQ(read(gate[0], &c, 1), 1);
	runs++;
}

static void quick_init(void)
{
	runs++;
}

static void exit_init(void)
{
	if (++exits == 1)
		pthread_exit(NULL);
}

static void cancelled_init(void)
{
	if (++cancels == 1) {
		about_to_block();
		pause();
	}
}

static void *caller(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_once(&once, slow_init), 0);
	CHECK_EQ(runs, 1);
	return arg;
}

static void *exiter(void *arg)
{
	CHECK_EQ(pthread_once(&left, exit_init), 0);
	return arg;
}

static void *canceller(void *arg)
{
	CHECK_EQ(pthread_once(&cancelled, cancelled_init), 0);
	return arg;
}

int main(void)
{
	pthread_t t[5];
	int mark;

	CHECK_EQ(pipe(gate), 0);
	for (int i = 0; i < 5; i++)
		t[i] = start(caller, NULL);
	await_blocked(5);
	CHECK_EQ(runs, 0);
	CHECK_EQ(write(gate[1], "g", 1), 1);
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	CHECK_EQ(pthread_once(&once, slow_init), 0);
	CHECK_EQ(runs, 1);
	call_once(&flag, quick_init);
	call_once(&flag, quick_init);
	CHECK_EQ(runs, 2);

	CHECK(finish(start(exiter, &mark)) == NULL);
	CHECK(finish(start(exiter, &mark)) == &mark);
	CHECK(finish(start(exiter, &mark)) == &mark);
	CHECK_EQ(exits, 2);

	t[0] = start(canceller, &mark);
	await_blocked(6);
	t[1] = start(canceller, &mark);
	CHECK_EQ(pthread_cancel(t[0]), 0);
	CHECK(finish(t[0]) == PTHREAD_CANCELED);
	CHECK(finish(t[1]) == &mark);
	CHECK_EQ(cancels, 2);
	return 0;
}
