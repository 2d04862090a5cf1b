/* SPDX-License-Identifier: Apache-2.0
 *
 * poll(): timeouts 0, above 0 and -1, an empty set, negative descriptors, POLLNVAL, the same descriptor
 * twice, data that is there already and data that comes while waiting.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/resource.h>

static int p[2], q[2];

static void *write_when_blocked(void *arg)
{
	await_blocked(*(int *)arg);
	CHECK_EQ(write(q[1], "x", 1), 1);
	return NULL;
}

static void *idle(void *arg)
{
	struct pollfd f = { .fd = *(int *)arg, .events = POLLIN };

	CHECK_EQ(poll(&f, 1, -1), 1);
	return NULL;
}

static void timeouts(void)
{
	struct pollfd f = { .fd = p[0], .events = POLLIN, .revents = 99 };
	int64_t t0;

	errno = 1234;
	CHECK_EQ(poll(&f, 1, 0), 0);
	CHECK_EQ(f.revents, 0);
	t0 = mono_ms();
	CHECK_EQ(poll(&f, 1, 20), 0);
	CHECK(mono_ms() - t0 >= 20);
	t0 = mono_ms();
	CHECK_EQ(poll(NULL, 0, 20), 0);
	CHECK(mono_ms() - t0 >= 20);
	f.fd = -1;
	f.revents = 99;
	CHECK_EQ(poll(&f, 1, 5), 0);
	CHECK_EQ(f.revents, 0);
	CHECK_EQ(errno, 1234);
}

static void sets(void)
{
	struct pollfd f[5] = {
		{ .fd = p[0], .events = POLLIN }, { .fd = -5, .events = POLLIN, .revents = 99 },
		{ .fd = q[0], .events = POLLIN }, { .fd = q[0], .events = POLLIN | POLLOUT },
		{ .fd = q[1], .events = 0, .revents = 99 },
	};
	int n[] = { 1, 2 };
	pthread_t t = start(write_when_blocked, &n[0]);

	errno = 1234;
	about_to_block();
	CHECK_EQ(poll(f, 5, -1), 2);
	CHECK_EQ(errno, 1234);
	CHECK(f[0].revents == 0 && f[1].revents == 0 && f[4].revents == 0);
	CHECK(f[2].revents == POLLIN && f[3].revents == POLLIN);
	CHECK_EQ(f[2].events, POLLIN);
	finish(t);
	CHECK_EQ(poll(f, 5, -1), 2); /* level triggered: still there */
	CHECK_EQ(poll(f, 5, 1000000), 2);
	CHECK_EQ(read(q[0], &n[0], 1), 1);

	t = start(write_when_blocked, &n[1]);
	about_to_block();
	CHECK_EQ(poll(f, 5, 1000000), 2);
	finish(t);
	CHECK_EQ(read(q[0], &n[0], 1), 1);
}

static void errors(void)
{
	struct pollfd f[2] = { { .fd = 987, .events = POLLIN }, { .fd = p[0], .events = POLLIN } };
	static struct pollfd many[65];
	struct pollfd *volatile nowhere = (struct pollfd *)8;
	struct rlimit lim;

	CHECK_EQ(poll(f, 2, -1), 1);
	CHECK_EQ(f[0].revents, POLLNVAL);
	CHECK_EQ(f[1].revents, 0);
	CHECK_ERRNO(poll(nowhere, 1, 0), EFAULT);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = 64;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &lim), 0);
	CHECK_ERRNO(poll(many, 65, 0), EINVAL);
}

int main(void)
{
	pthread_t t;
	int gate[2];

	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(pipe(q), 0);
	t = start(idle, &gate[0]);
	timeouts();
	sets();
	errors();
	CHECK_EQ(close(gate[1]), 0);
	finish(t);
	return 0;
}
