/* SPDX-License-Identifier: Apache-2.0
 *
 * read, write, readv and writev on pipes: wait for data and for room, end of file, EPIPE, and EAGAIN
 * where the program asked for O_NONBLOCK, by pipe2() or by fcntl(); the flag is never changed by us.
 */
#include "calls/blocked.h"
#include <sys/uio.h>

static int p[2];

static void *write_when_blocked(void *arg)
{
	await_blocked(*(int *)arg);
	CHECK_EQ(write(p[1], "data", 4), 4);
	return NULL;
}

static void *close_when_blocked(void *arg)
{
	await_blocked(*(int *)arg);
	CHECK_EQ(close(p[1]), 0);
	return NULL;
}

static void *drain_when_blocked(void *arg)
{
	char buf[4096];
	ssize_t n;

	await_blocked(*(int *)arg);
	do
		n = read(p[0], buf, sizeof(buf));
	while (n > 0 && buf[n - 1] != '!');
	return NULL;
}

static void *writer(void *arg)
{
	about_to_block();
	CHECK_EQ(write(p[1], arg, 4), 4);
	return NULL;
}

static void waits(void)
{
	int n[] = { 1, 2, 3, 4 };
	char buf[8] = "", a[2], b[8];
	struct iovec iov[2] = { { a, 2 }, { b, 8 } };
	pthread_t t;

	CHECK_EQ(pipe(p), 0);
	t = start(write_when_blocked, &n[0]);
	errno = 1234;
	about_to_block();
	CHECK_EQ(read(p[0], buf, sizeof(buf)), 4);
	CHECK_EQ(errno, 1234);
	finish(t);
	t = start(write_when_blocked, &n[1]);
	about_to_block();
	CHECK_EQ(readv(p[0], iov, 2), 4);
	CHECK(!memcmp(a, "da", 2) && !memcmp(b, "ta", 2));
	finish(t);

	set_nonblock(p[1], true);
	while (write(p[1], buf, sizeof(buf)) != -1)
		;
	CHECK_EQ(errno, EAGAIN);
	set_nonblock(p[1], false);
	t = start(drain_when_blocked, &n[2]);
	about_to_block();
	CHECK_EQ(write(p[1], "wait", 4), 4);
	CHECK(!(fcntl(p[1], F_GETFL) & O_NONBLOCK));
	CHECK(!(fcntl(p[0], F_GETFL) & O_NONBLOCK));
	CHECK_EQ(write(p[1], "!", 1), 1);
	finish(t);

	t = start(close_when_blocked, &n[3]);
	about_to_block();
	CHECK_EQ(read(p[0], buf, sizeof(buf)), 0);
	finish(t);
	CHECK_EQ(close(p[0]), 0);
}

static void no_waits(void)
{
	char buf[8];

	CHECK_EQ(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	CHECK(fcntl(p[0], F_GETFL) & O_NONBLOCK);
	CHECK_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(read(p[0], buf, 1), EAGAIN);
	CHECK_ERRNO(read(p[1], buf, 1), EBADF);
	CHECK_ERRNO(write(p[0], buf, 1), EBADF);
	CHECK_EQ(read(p[0], buf, 0), 0);
	CHECK_EQ(close(p[0]), 0);
	on_signal(SIGPIPE, SIG_IGN, 0);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
	CHECK_EQ(close(p[1]), 0);
	if (!is_emulated("unknown flags of pipe2 are let through"))
		CHECK_ERRNO(pipe2(p, 0x40000000), EINVAL);
}

int main(void)
{
	char buf[4];
	pthread_t t;
	int idle[2];

	waits();
	CHECK_EQ(pipe(p), 0);
	t = start(writer, "4321"); /* enough room: does not wait */
	finish(t);
	CHECK_EQ(read(p[0], buf, 4), 4);
	memcpy(idle, p, sizeof(p));
	no_waits();
	CHECK_EQ(close(idle[0]), 0);
	CHECK_EQ(close(idle[1]), 0);
	return 0;
}
