/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_join and its _np forms: the result of return and of pthread_exit, a thread that has ended long
 * ago and one that ends later, EBUSY and ETIMEDOUT while it lives, EDEADLK for oneself,
 * EINVAL for a detached one, and errno untouched.
 */
#include "calls/blocked.h"

static int gate[2];

static void *quick(void *arg)
{
	return arg;
}

static void *exits(void *arg)
{
	pthread_exit(arg);
}

static void *gated(void *arg)
{
	char c;

	CHECK_EQ(read(gate[0], &c, 1), 1);
	return arg;
}

static void *open_gate(void *arg)
{
	await_blocked(*(int *)arg);
	CHECK_EQ(write(gate[1], "g", 1), 1);
	return NULL;
}

static void *join_self(void *arg)
{
	CHECK_EQ(pthread_join(pthread_self(), NULL), EDEADLK);
	return arg;
}

static void timed(void)
{
	struct timespec real = in_ms(CLOCK_REALTIME, 10), mono = in_ms(CLOCK_MONOTONIC, 10), far;
	pthread_t t = start(gated, &real), opener;
	int two = 2;
	void *r = &gate;

	CHECK_EQ(pthread_tryjoin_np(t, &r), EBUSY);
	CHECK_EQ(pthread_timedjoin_np(t, &r, &real), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_REALTIME) >= real.tv_sec * 1000000000LL + real.tv_nsec);
	CHECK_EQ(pthread_clockjoin_np(t, &r, CLOCK_MONOTONIC, &mono), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_MONOTONIC) >= mono.tv_sec * 1000000000LL + mono.tv_nsec);
	CHECK(r == &gate);
	opener = start(open_gate, &two);
	far = in_ms(CLOCK_MONOTONIC, 1000000);
	about_to_block();
	CHECK_EQ(pthread_clockjoin_np(t, &r, CLOCK_MONOTONIC, &far), 0);
	CHECK(r == &real);
	finish(opener);
	t = start(quick, &far);
	while (pthread_tryjoin_np(t, &r) == EBUSY)
		sched_yield();
	CHECK(r == &far);
	t = start(quick, &real);
	far = in_ms(CLOCK_REALTIME, 1000000);
	CHECK_EQ(pthread_timedjoin_np(t, &r, &far), 0);
	CHECK(r == &real);
}

int main(void)
{
	int one = 1, mark;
	pthread_t t, opener;
	pthread_attr_t attr;

	CHECK_EQ(pipe(gate), 0);
	errno = 1234;
	CHECK(finish(start(quick, &mark)) == &mark);
	CHECK(finish(start(exits, &mark)) == &mark);
	t = start(gated, &one);
	opener = start(open_gate, &one);
	about_to_block();
	CHECK(finish(t) == &one);
	CHECK_EQ(errno, 1234);
	finish(opener);
	timed();

	t = start(join_self, &mark);
	CHECK(finish(t) == &mark);

	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
	CHECK_EQ(pthread_create(&t, &attr, gated, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), EINVAL);
	CHECK_EQ(pthread_detach(t), EINVAL);
	CHECK_EQ(write(gate[1], "g", 1), 1);
	return 0;
}
