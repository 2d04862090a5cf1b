/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader and a writer, and several readers, on one descriptor: all make progress, each byte is
 * seen once, and a poll() on the same descriptor sees it too.
 */
#include "calls/blocked.h"
#include <poll.h>

#define SIZE (1 << 20)
#define READERS 5

static int s[2];

static void *pump_out(void *arg)
{
	static char data[2][SIZE];
	int side = *(int *)arg;

	CHECK_EQ(send(s[side], data[side], SIZE, 0), SIZE);
	return NULL;
}

static void *pump_in(void *arg)
{
	static char data[2][SIZE];
	int side = *(int *)arg;

	CHECK_EQ(recv(s[side], data[side], SIZE, MSG_WAITALL), SIZE);
	return NULL;
}

static void *take_one(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(*(int *)arg, &c, 1), 1);
	return NULL;
}

static void *poll_one(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };

	about_to_block();
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLIN);
	return NULL;
}

int main(void)
{
	int side[2] = { 0, 1 };
	pthread_t t[4], readers[READERS], poller;

	tcp_pair(s);
	for (int i = 0; i < 2; i++) {
		t[i] = start(pump_in, &side[i]);
		t[2 + i] = start(pump_out, &side[i]);
	}
	for (int i = 0; i < 4; i++)
		finish(t[i]);

	for (int i = 0; i < READERS; i++)
		readers[i] = start(take_one, &s[0]);
	await_blocked(READERS);
	poller = start(poll_one, &s[0]);
	await_blocked(READERS + 1);
	CHECK_EQ(send(s[1], "12345678", READERS + 1, 0), READERS + 1);
	for (int i = 0; i < READERS; i++)
		finish(readers[i]);
	finish(poller);
	return 0;
}
