/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's view of O_NONBLOCK: what it set, by socket(), fcntl(F_SETFL), ioctl(FIONBIO) or pipe2(),
 * is what fcntl(F_GETFL) tells, what dup'd descriptors share, and what decides whether a call waits;
 * a thread that waits on a blocking descriptor changes nothing of that for anybody.
 */
#include "calls/blocked.h"
#include <sys/ioctl.h>

static int s[2];

static void *read_one(void *arg)
{
	char c;

	(void)arg;
	about_to_block();
	CHECK_EQ(read(s[0], &c, 1), 1);
	return NULL;
}

static bool nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	CHECK(flags != -1);
	return flags & O_NONBLOCK;
}

static void fionbio(int fd, int on)
{
	CHECK_EQ(ioctl(fd, FIONBIO, &on), 0);
	CHECK_EQ(nonblocking(fd), on);
}

int main(void)
{
	char c;
	int dupped, avail;
	pthread_t t;

	stream_pair(s);
	t = start(read_one, NULL);
	await_blocked(1);
	CHECK(!nonblocking(s[0]));
	dupped = dup(s[0]);
	CHECK(!nonblocking(dupped));
	CHECK_EQ(send(s[1], "1", 1, 0), 1);
	finish(t);

	fionbio(s[0], 1);
	CHECK(nonblocking(dupped));
	CHECK_ERRNO(recv(dupped, &c, 1, 0), EAGAIN);
	CHECK_ERRNO(read(s[0], &c, 1), EAGAIN);
	fionbio(dupped, 0);
	CHECK(!nonblocking(s[0]));
	t = start(read_one, NULL);
	await_blocked(2);
	CHECK_EQ(send(s[1], "2", 1, 0), 1);
	finish(t);

	CHECK_EQ(fcntl(s[0], F_SETFL, O_NONBLOCK | O_APPEND), 0);
	CHECK_EQ(fcntl(dupped, F_GETFL), O_RDWR | O_NONBLOCK | O_APPEND);
	CHECK_EQ(fcntl(s[0], F_SETFL, 0), 0);
	CHECK_EQ(send(s[1], "abc", 3, 0), 3);
	CHECK_EQ(ioctl(s[0], FIONREAD, &avail), 0);
	CHECK_EQ(avail, 3);
	CHECK_ERRNO(fcntl(-1, F_GETFL), EBADF);
	CHECK_ERRNO(ioctl(-1, FIONBIO, &avail), EBADF);
	CHECK_ERRNO(fcntl(s[0], 98765), EINVAL);

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s), 0);
	CHECK(nonblocking(s[0]) && nonblocking(s[1]));
	CHECK_ERRNO(recv(s[0], &c, 1, 0), EAGAIN);
	return 0;
}
