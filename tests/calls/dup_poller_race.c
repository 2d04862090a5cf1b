/* SPDX-License-Identifier: Apache-2.0
 *
 * A read and a poll wait on the same file through different descriptors; the byte goes to the reader.
 * The poll may have been told of it and find nothing: it has to see that or wait on, yet never return 0
 * before its time, nor stay when the next byte is there for it.
 */
#include "calls/blocked.h"
#include <poll.h>

static int p[2];

static void *poll_then_read(void *arg)
{
	struct pollfd f = { .fd = *(int *)arg, .events = POLLIN };
	char c;

	about_to_block();
	CHECK_EQ(poll(&f, 1, -1), 1);
	CHECK_EQ(f.revents, POLLIN);
	CHECK_EQ(read(f.fd, &c, 1), 1);
	return NULL;
}

static void *just_read(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(*(int *)arg, &c, 1), 1);
	return NULL;
}

int main(void)
{
	int n = 0;

	CHECK_EQ(pipe(p), 0);
	for (int round = 0; round < 20; round++) {
		int copy = dup(p[0]);
		pthread_t a = start(just_read, &p[0]), b = start(poll_then_read, &copy);

		await_blocked(n += 2);
		CHECK_EQ(write(p[1], "1", 1), 1);
		sched_yield();
		CHECK_EQ(write(p[1], "2", 1), 1);
		finish(a);
		finish(b);
		CHECK_EQ(close(copy), 0);
	}
	return 0;
}
