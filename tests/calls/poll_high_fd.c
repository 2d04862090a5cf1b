/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors above FD_SETSIZE: poll, epoll and read wait on them as on any other, and a poll() over
 * two thousand of them returns the one that became ready.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/resource.h>

#define N 2000

static int s[2], p[2];

static void *write_when_blocked(void *arg)
{
	(void)arg;
	await_blocked(1);
	CHECK_EQ(write(p[1], "x", 1), 1);
	await_blocked(2);
	CHECK_EQ(write(p[1], "y", 1), 1);
	return NULL;
}

int main(void)
{
	struct rlimit lim;
	static struct pollfd f[N];
	pthread_t t;
	int ready = 0;
	char c;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max < N + 100 ? lim.rlim_max : N + 100;
	if (lim.rlim_cur < N + 100 || setrlimit(RLIMIT_NOFILE, &lim) == -1)
		SKIP("not enough descriptors allowed");
	stream_pair(s);
	for (int i = 0; i < N - 1; i++) {
		f[i] = (struct pollfd){ .fd = dup(s[0]), .events = POLLIN };
		CHECK(f[i].fd != -1);
	}
	CHECK_EQ(pipe(p), 0);
	CHECK(p[0] > FD_SETSIZE);
	f[N - 1] = (struct pollfd){ .fd = p[0], .events = POLLIN };
	t = start(write_when_blocked, NULL);
	about_to_block();
	CHECK_EQ(poll(f, N, -1), 1);
	for (int i = 0; i < N; i++)
		ready += f[i].revents != 0;
	CHECK_EQ(ready, 1);
	CHECK_EQ(f[N - 1].revents, POLLIN);
	CHECK_EQ(read(p[0], &c, 1), 1);
	about_to_block();
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(c, 'y');
	finish(t);
	return 0;
}
