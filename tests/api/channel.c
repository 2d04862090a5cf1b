/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels: order, capacity, direct hand-over, close, cancellation, and threads beside coroutines.
 */
#include "api/coroutines.h"

static int sent;

static void *sends_ten(void *arg)
{
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(syncless_channel_send(arg, &i), 0);
		sent++;
	}
	syncless_channel_close(arg);
	return NULL;
}

static void receive_ten(syncless_channel *ch, int ahead)
{
	syncless_co *co;
	int got;

	sent = 0;
	co = spawn(sends_ten, ch);
	for (int i = 0; i < 10; i++) {
		for (int k = 0; k < 4; k++)
			syncless_yield();
		CHECK_EQ(sent, i + ahead < 10 ? i + ahead : 10);
		CHECK_EQ(syncless_channel_receive(ch, &got), 1);
		CHECK_EQ(got, i);
	}
	CHECK_EQ(syncless_channel_receive(ch, &got), 0);
	CHECK_ERRNO(syncless_channel_send(ch, &got), EPIPE);
	join(co);
	syncless_channel_free(ch);
}

static void *receives(void *arg)
{
	int got = -1, r = syncless_channel_receive(arg, &got);

	return r == 1 ? (void *)(long)got : (void *)(long)(r == 0 ? -2 : -errno);
}

static void *sends_one(void *arg)
{
	int value = 7;

	return syncless_channel_send(arg, &value) ? (void *)(long)-errno : NULL;
}

int main(void)
{
	syncless_channel *ch;
	syncless_co *co;
	pthread_t t;
	void *result;
	int value = 42;

	NEED_LIBRARY();
	receive_ten(syncless_channel_new(sizeof(int), 3), 3);
	receive_ten(syncless_channel_new(sizeof(int), 0), 0);

	ch = syncless_channel_new(sizeof(int), 0);
	co = spawn(receives, ch);
	syncless_yield();
	CHECK_EQ(syncless_channel_send(ch, &value), 0);
	CHECK_EQ(join(co), 42);
	co = spawn(receives, ch);
	syncless_yield();
	syncless_cancel(co);
	CHECK_EQ(join(co), -ECANCELED);
	co = spawn(sends_one, ch); /* gives up, and what it had put there is gone */
	syncless_yield();
	syncless_cancel(co);
	CHECK_EQ(join(co), -ECANCELED);
	syncless_native_threads(+1);
	t = start(receives, ch);
	syncless_native_threads(-1);
	CHECK_EQ(syncless_channel_send(ch, &value), 0);
	CHECK_EQ(pthread_join(t, &result), 0);
	CHECK_EQ(result, 42);
	co = spawn(receives, ch);
	syncless_yield();
	syncless_channel_close(ch);
	CHECK_EQ(join(co), -2);
	syncless_channel_free(ch);
	CHECK(!syncless_channel_new(1u << 30, (size_t)-1));
	CHECK_EQ(errno, ENOMEM);
	CHECK_VERIFY();
	return 0;
}
