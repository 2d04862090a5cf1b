/* SPDX-License-Identifier: Apache-2.0
 * env: SYNCLESS_HANDOFF_MS=0
 *
 * Threads whose descriptors are always ready never have to wait.  Others must get on all the same: one that waits for
 * a descriptor, one that sleeps, one that waits for a lock, and main.
 */
#include "calls/blocked.h"
#include <poll.h>

#define BUSY 3

static _Atomic int reached, over;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A byte goes out and comes back at once, for ever. */
static void *talk_to_itself(void *arg)
{
	int p[2];
	char c = 'x';

	CHECK_EQ(arg ? pipe(p) : socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	while (!over) {
		CHECK_EQ(write(p[1], &c, 1), 1);
		CHECK_EQ(read(p[0], &c, 1), 1);
	}
	CHECK_EQ(close(p[0]), 0);
	CHECK_EQ(close(p[1]), 0);
	return NULL;
}

static void *poll_the_ready(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLOUT };

	while (!over)
		CHECK_EQ(poll(&p, 1, -1), 1);
	return NULL;
}

static void *wait_for_bytes(void *arg)
{
	char c;

	CHECK_EQ(read(*(int *)arg, &c, 1), 1);
	reached++;
	return NULL;
}

static void *sleep_a_little(void *arg)
{
	CHECK_EQ(usleep(1000), 0);
	reached++;
	return arg;
}

static void *wait_for_lock(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&lock), 0);
	reached++;
	CHECK_EQ(pthread_mutex_unlock(&lock), 0);
	return arg;
}

int main(void)
{
	int s[2];
	pthread_t busy[BUSY], others[3];

	stream_pair(s);
	CHECK_EQ(pthread_mutex_lock(&lock), 0);
	others[0] = start(wait_for_bytes, &s[0]);
	others[1] = start(sleep_a_little, NULL);
	others[2] = start(wait_for_lock, NULL);
	busy[0] = start(talk_to_itself, NULL);
	busy[1] = start(talk_to_itself, "");
	busy[2] = start(poll_the_ready, &s[0]);
	CHECK_EQ(usleep(1000), 0);
	CHECK_EQ(write(s[1], "x", 1), 1);
	CHECK_EQ(pthread_mutex_unlock(&lock), 0);
	while (reached < 3)
		CHECK_EQ(usleep(100), 0);
	over = 1;
	for (int i = 0; i < BUSY; i++)
		finish(busy[i]);
	for (int i = 0; i < 3; i++)
		finish(others[i]);
	CHECK_VERIFY();
	return 0;
}
