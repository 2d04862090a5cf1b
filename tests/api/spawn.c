/* SPDX-License-Identifier: Apache-2.0
 *
 * Coroutines are made, run in turn, return what they return, and leave nothing behind.
 */
#include "api/coroutines.h"
#include <fenv.h>
#include <sys/socket.h>

static int order[8], norder;

static void *in_turn(void *arg)
{
	for (int i = 0; i < 2; i++) {
		order[norder++] = (int)(long)arg;
		syncless_yield();
	}
	return (char *)arg + 100;
}

static void *own_errno(void *arg)
{
	errno = (int)(long)arg;
	for (int i = 0; i < 3; i++) {
		syncless_yield();
		CHECK_EQ(errno, (long)arg);
	}
	return NULL;
}

static void *own_rounding(void *arg)
{
	fesetround((int)(long)arg);
	for (int i = 0; i < 3; i++) {
		syncless_yield();
		CHECK_EQ(fegetround(), (long)arg);
	}
	fesetround(FE_TONEAREST);
	return NULL;
}

static void *receiver(void *arg)
{
	char c = 0;

	CHECK_EQ(recv(*(int *)arg, &c, 1, 0), 1);
	return (void *)(long)c;
}

static void *nothing(void *arg)
{
	return arg;
}

static void *from_coroutine(void *arg)
{
	syncless_co *inner = spawn(nothing, arg);

	CHECK(syncless_self());
	CHECK_EQ(syncless_join(syncless_self(), NULL), EDEADLK);
	return join(inner);
}

static void *from_thread(void *arg)
{
	return join(spawn(from_coroutine, arg));
}

int main(void)
{
	syncless_co *co[4];
	struct syncless_stats stats = { .size = sizeof(stats) };
	void *result;
	pthread_t t;
	int s[2];

	NEED_LIBRARY();
	CHECK(!syncless_self());
	for (long i = 0; i < 4; i++)
		co[i] = spawn(in_turn, (void *)i);
	for (long i = 0; i < 4; i++)
		CHECK_EQ(join(co[i]), i + 100);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(order[i], i % 4);

	errno = ENOTTY;
	for (long i = 0; i < 4; i++)
		co[i] = spawn(own_errno, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		join(co[i]);
	CHECK_EQ(errno, ENOTTY);

	co[0] = spawn(own_rounding, (void *)(long)FE_UPWARD);
	co[1] = spawn(own_rounding, (void *)(long)FE_DOWNWARD);
	join(co[0]);
	join(co[1]);
	CHECK_EQ(fegetround(), FE_TONEAREST);

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	co[0] = spawn(receiver, &s[0]);
	syncless_yield();
	CHECK_EQ(send(s[1], "x", 1, 0), 1);
	CHECK_EQ(join(co[0]), 'x');

	t = start(from_thread, &stats);
	CHECK_EQ(pthread_join(t, &result), 0);
	CHECK_EQ(result, &stats);

	CHECK_EQ(syncless_detach(spawn(nothing, NULL)), 0);
	syncless_yield();
	syncless_yield();
	CHECK_EQ(syncless_get_stats(&stats), 0);
	CHECK_EQ(stats.coroutines, 0);
	CHECK(stats.switches > 0);
	stats.size = 1;
	CHECK_EQ(syncless_get_stats(&stats), EINVAL);
	CHECK_VERIFY();
	return 0;
}
