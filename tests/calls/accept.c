/* SPDX-License-Identifier: Apache-2.0
 *
 * accept() and accept4(): wait for a connection, fill in the address, give the flags that were asked
 * for and no others (O_NONBLOCK is not inherited, SO_RCVTIMEO is), and time out with EAGAIN.
 */
#include "calls/blocked.h"

static struct sockaddr_in addr;
static int listener;

static void *connect_when_blocked(void *arg)
{
	int n = *(int *)arg, fd = socket(AF_INET, SOCK_STREAM, 0);

	await_blocked(n);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return (void *)(intptr_t)fd;
}

static int connected(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void flags(int fd, int status, int cloexec)
{
	CHECK(fd != -1);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, status);
	CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, cloexec);
	CHECK_EQ(close(fd), 0);
}

int main(void)
{
	struct sockaddr_in peer, local;
	socklen_t len = sizeof(peer);
	int one = 1, two = 2, fd, client;
	pthread_t t;

	listener = tcp_listener(&addr, 5);
	t = start(connect_when_blocked, &one);
	errno = 1234;
	about_to_block();
	fd = accept(listener, (struct sockaddr *)&peer, &len);
	CHECK_EQ(errno, 1234);
	client = (int)(intptr_t)finish(t);
	CHECK_EQ(len, sizeof(peer));
	CHECK_EQ(getsockname(client, (struct sockaddr *)&local, &len), 0);
	CHECK_EQ(peer.sin_port, local.sin_port);
	flags(fd, 0, 0);

	t = start(connect_when_blocked, &two);
	about_to_block();
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	flags(fd, O_NONBLOCK, FD_CLOEXEC);
	finish(t);

	t = start(connect_when_blocked, &two);
	set_nonblock(listener, true);
	finish(t);
	while ((fd = accept(listener, NULL, NULL)) == -1)
		CHECK_EQ(errno, EAGAIN);
	flags(fd, 0, 0);
	CHECK_ERRNO(accept(listener, NULL, NULL), EAGAIN);
	set_nonblock(listener, false);

	set_timeo(listener, SO_RCVTIMEO, 20);
	CHECK_ERRNO(accept(listener, NULL, NULL), EAGAIN);
	client = connected();
	fd = accept(listener, NULL, NULL);
	CHECK_ERRNO(recv(fd, &one, 1, 0), EAGAIN); /* inherited from the listener */
	flags(fd, 0, 0);

	if (!is_emulated("unknown flags of accept4 are let through"))
		CHECK_ERRNO(accept4(listener, NULL, NULL, 0x40000000), EINVAL);
	CHECK_ERRNO(accept(client, NULL, NULL), EINVAL);
	CHECK_ERRNO(accept(-1, NULL, NULL), EBADF);
	return 0;
}
