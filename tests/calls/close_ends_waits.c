/* SPDX-License-Identifier: Apache-2.0
 *
 * close(), dup2() over it and close_range() on a descriptor that a thread waits on.  A green thread's wait
 * ends with EBADF, our one deliberate difference; the kernel leaves a thread in its call, to be ended by
 * data through another descriptor of the same file.  Either way a number that was closed and handed
 * out again brings its new owner no events of the old one.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/syscall.h>

enum way { CLOSE, DUP2, DUP3, CLOSE_RANGE, SYS_CLOSE, WAYS };

static void *recv_one(void *arg)
{
	char c;

	about_to_block();
	if (is_green())
		CHECK_ERRNO(recv(*(int *)arg, &c, 1, 0), EBADF);
	else
		CHECK_EQ(recv(*(int *)arg, &c, 1, 0), 1);
	return NULL;
}

static void close_by(enum way way, int fd, int other)
{
	switch (way) {
	case CLOSE:
		CHECK_EQ(close(fd), 0);
		break;
	case DUP2:
		CHECK_EQ(dup2(other, fd), fd);
		break;
	case DUP3:
		CHECK_EQ(dup3(other, fd, O_CLOEXEC), fd);
		break;
	case CLOSE_RANGE:
		CHECK_EQ(close_range(fd, fd, 0), 0);
		break;
	default:
		CHECK_EQ(syscall(SYS_close, fd), 0);
	}
}

static void check(enum way way, void *(*fn)(void *))
{
	static int blocked;
	int s[2], keep, other[2], fd;
	pthread_t t;

	stream_pair(s);
	stream_pair(other);
	keep = dup(s[0]); /* the file lives on, as it does in a thread's read */
	fd = s[0];
	t = start(fn, &fd);
	await_blocked(++blocked);
	close_by(way, fd, other[0]);
	CHECK_EQ(send(s[1], "x", 1, 0), 1);
	finish(t);
	if (way == DUP2 || way == DUP3) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		CHECK_EQ(poll(&p, 1, 0), 0);
		CHECK_EQ(send(other[1], "y", 1, 0), 1);
		CHECK_EQ(poll(&p, 1, -1), 1);
		CHECK_EQ(close(fd), 0);
	}
	CHECK_EQ(close(s[1]), 0);
	CHECK_EQ(close(keep), 0);
	CHECK_EQ(close(other[0]), 0);
	CHECK_EQ(close(other[1]), 0);
}

static void *poller(void *arg)
{
	struct pollfd p[2] = { { .fd = ((int *)arg)[0], .events = POLLIN }, { .fd = ((int *)arg)[1], .events = POLLIN } };

	about_to_block();
	/* the kernel notices the closed one when it looks again, for the other's sake */
	CHECK_EQ(poll(p, 2, -1), is_green() ? 1 : 2);
	CHECK_EQ(p[0].revents, POLLNVAL);
	CHECK_EQ(p[1].revents, is_green() ? 0 : POLLIN);
	return NULL;
}

static void under_poll(void)
{
	int a[2], b[2], fds[2];
	pthread_t t;

	stream_pair(a);
	CHECK_EQ(pipe(b), 0);
	fds[0] = a[0];
	fds[1] = b[0];
	t = start(poller, fds);
	await_blocked(WAYS * 2 + 1);
	CHECK_EQ(close(a[0]), 0);
	if (is_green())
		finish(t);
	CHECK_EQ(write(b[1], "x", 1), 1);
	if (!is_green())
		finish(t);
}

int main(void)
{
	for (int way = 0; way < WAYS; way++) {
		check(way, read_until_closed);
		check(way, recv_one);
	}
	under_poll();
	CHECK_ERRNO(close(987), EBADF);
	CHECK_ERRNO(dup2(987, 3), EBADF);
	CHECK_VERIFY();
	return 0;
}
