/* SPDX-License-Identifier: Apache-2.0
 *
 * Hand-off and syncless.h: hand-offs are counted; a thread that has lost the scheduler may spawn, join,
 * wait for channels and sleep like any other; and a coroutine keeps the scheduler, since it shares its
 * thread's storage.
 */
#include "api/coroutines.h"
#include "calls/handoff.h"

#pragma weak syncless_green_threads

#define ELEMENTS 100

static struct stuck s;
static syncless_channel *there, *back;
static _Atomic long runs;
static _Atomic bool over;

static void *answers(void *arg)
{
	int n;

	CHECK_EQ(get_stuck(arg), 1);
	while (syncless_channel_receive(there, &n) == 1) {
		CHECK_EQ(syncless_channel_send(back, &n), 0);
		if (n % 10 == 0)
			CHECK_EQ(get_stuck(arg), 1);
	}
	return arg;
}

static void channels(size_t capacity)
{
	pthread_t t;
	int got;

	stuck_init(&s);
	there = syncless_channel_new(sizeof(int), capacity);
	back = syncless_channel_new(sizeof(int), capacity);
	t = start(answers, &s);
	await_stuck(&s);
	release(&s);
	for (int n = 0; n < ELEMENTS; n++) {
		CHECK_EQ(syncless_channel_send(there, &n), 0);
		CHECK_EQ(syncless_channel_receive(back, &got), 1);
		CHECK_EQ(got, n);
		if (n % 10 == 0) {
			await_stuck(&s);
			release(&s);
		}
	}
	syncless_channel_close(there);
	finish(t);
	syncless_channel_free(there);
	syncless_channel_free(back);
	stuck_close(&s);
}

static void *returns(void *arg)
{
	syncless_yield();
	return arg;
}

static void *uses_all(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(syncless_sleep(1000), 0);
	CHECK_EQ(get_stuck(arg), 1);
	syncless_yield();
	CHECK(syncless_self() == NULL);
	CHECK_EQ(get_stuck(arg), 1);
	CHECK(syncless_green_threads() >= 1);
	CHECK_VERIFY();
	CHECK_EQ(get_stuck(arg), 1);
	CHECK(join(spawn(returns, arg)) == arg);
	return arg;
}

static void from_one_alone(void)
{
	uint64_t before = handoffs();
	pthread_t t;

	stuck_init(&s);
	t = start(uses_all, &s);
	for (int i = 0; i < 4; i++) {
		await_stuck(&s);
		release(&s);
	}
	finish(t);
	CHECK(handoffs() >= before + 4);
	stuck_close(&s);
}

/* --- Coroutines. */

static void *goes_on(void *arg)
{
	for (; !over; runs++)
		sched_yield();
	return arg;
}

/* A kernel thread of its own, and the only one that can let it go. */
static void *lets_it_go(void *arg)
{
	long seen;

	await_stuck(arg);
	seen = runs;
	usleep(50000); /* nothing tells that something does not happen */
	CHECK_EQ(runs, seen);
	release(arg);
	return arg;
}

static void coroutines_are_held_back(void)
{
	pthread_t other, judge;
	syncless_co *co;

	stuck_init(&s);
	judge = start_native(lets_it_go, &s);
	other = start(goes_on, NULL);
	co = spawn(stuck_thread, &s);
	CHECK(join(co) == &s);
	over = true;
	finish(other);
	finish(judge);
	stuck_close(&s);
}

int main(void)
{
	NEED_LIBRARY();
	channels(0);
	channels(1);
	from_one_alone();
	coroutines_are_held_back();
	from_one_alone(); /* threads of their own still are not */
	CHECK_VERIFY();
	return 0;
}
