/* SPDX-License-Identifier: Apache-2.0
 *
 * dup, dup2, dup3, F_DUPFD and F_DUPFD_CLOEXEC: the numbers, the flags, and waits through several
 * descriptors of one file at a time; a copy whose sister is closed still waits and still wakes.
 */
#include "calls/blocked.h"
#include <poll.h>

static int s[2];

static void *read_one(void *arg)
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
	return NULL;
}

static int cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void numbers(void)
{
	int low = dup(s[0]), high;

	CHECK(low > 2 && !cloexec(low));
	CHECK_EQ(close(low), 0);
	CHECK_EQ(dup(s[0]), low);
	CHECK_EQ(dup2(s[0], s[0]), s[0]);
	CHECK_ERRNO(dup3(s[0], s[0], 0), EINVAL);
	CHECK_EQ(dup2(s[0], 100), 100);
	CHECK(!cloexec(100));
	CHECK_EQ(dup3(s[0], 100, O_CLOEXEC), 100);
	CHECK(cloexec(100));
	high = fcntl(s[0], F_DUPFD, 100);
	CHECK_EQ(high, 101);
	CHECK(!cloexec(high));
	CHECK_EQ(close(high), 0);
	high = fcntl(s[0], F_DUPFD_CLOEXEC, 100);
	CHECK_EQ(high, 101);
	CHECK(cloexec(high));
	CHECK_ERRNO(fcntl(s[0], F_DUPFD, -1), EINVAL);
	CHECK_ERRNO(dup(987), EBADF);
	CHECK_ERRNO(dup2(s[0], -1), EBADF);
	CHECK_EQ(close_range(100, 101, 0), 0);
	CHECK_ERRNO(fcntl(100, F_GETFD), EBADF);
	CHECK_ERRNO(fcntl(101, F_GETFD), EBADF);
	CHECK_ERRNO(close_range(10, 5, 0), EINVAL);
	CHECK_EQ(close(low), 0);
}

int main(void)
{
	int copy[3];
	char c;
	pthread_t t[3];

	stream_pair(s);
	numbers();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			copy[i] = round ? dup(s[0]) : fcntl(s[0], F_DUPFD, 50);
		t[0] = start(poll_one, &copy[0]);
		t[1] = start(poll_one, &copy[1]);
		await_blocked(round * 4 + 2);
		CHECK_EQ(send(s[1], "x", 1, 0), 1);
		finish(t[0]);
		finish(t[1]);
		CHECK_EQ(close(copy[1]), 0);
		CHECK_EQ(read(s[0], &c, 1), 1);
		t[0] = start(read_one, &copy[0]);
		t[2] = start(read_one, &copy[2]);
		await_blocked(round * 4 + 4);
		CHECK_EQ(send(s[1], "yz", 2, 0), 2);
		finish(t[0]);
		finish(t[2]);
		CHECK_EQ(close(copy[0]), 0);
		CHECK_EQ(close(copy[2]), 0);
	}
	return 0;
}
