/* SPDX-License-Identifier: Apache-2.0
 *
 * connect() over TCP: returns 0 without touching errno, leaves the descriptor blocking, reports the
 * kernel's errors (refused, already connected, bad address), and a non-blocking one is EINPROGRESS
 * until poll() and SO_ERROR say how it ended.
 */
#include "calls/blocked.h"
#include <poll.h>

static struct sockaddr_in addr;
static int listener;

static void *accept_two(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		int fd = accept(listener, NULL, NULL);

		CHECK(fd != -1);
		CHECK_EQ(send(fd, "hi", 2, 0), 2);
		CHECK_EQ(close(fd), 0);
	}
	return NULL;
}

static int so_error(int fd)
{
	int err;
	socklen_t len = sizeof(err);

	CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	return err;
}

static void refused(const struct sockaddr_in *nobody)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	CHECK_ERRNO(connect(fd, (const struct sockaddr *)nobody, sizeof(*nobody)), ECONNREFUSED);
	CHECK_EQ(so_error(fd), 0);
	CHECK_ERRNO(connect(fd, (const struct sockaddr *)nobody, sizeof(*nobody)), ECONNREFUSED);
	CHECK_EQ(close(fd), 0);

	p.fd = fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERRNO(connect(fd, (const struct sockaddr *)nobody, sizeof(*nobody)), EINPROGRESS);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(so_error(fd), ECONNREFUSED);
	CHECK_EQ(close(fd), 0);
}

int main(void)
{
	struct sockaddr_in gone;
	struct pollfd p = { .events = POLLOUT };
	int fd;
	char buf[2];
	pthread_t t;

	listener = tcp_listener(&addr, 5);
	t = start(accept_two, NULL);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	errno = 1234;
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(errno, 1234);
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EISCONN);
	CHECK_EQ(recv(fd, buf, 2, MSG_WAITALL), 2);
	CHECK_EQ(close(fd), 0);

	p.fd = fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EINPROGRESS);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(so_error(fd), 0);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	finish(t);
	CHECK_EQ(close(fd), 0);

	t = start(accept_two, NULL); /* keeps a second thread alive meanwhile */
	close(tcp_listener(&gone, 1));
	refused(&gone);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, 4), EINVAL);
	CHECK_ERRNO(connect(-1, (struct sockaddr *)&addr, sizeof(addr)), EBADF);
	for (int i = 0; i < 2; i++) {
		int c = socket(AF_INET, SOCK_STREAM, 0);

		CHECK_EQ(connect(c, (struct sockaddr *)&addr, sizeof(addr)), 0);
		CHECK_EQ(close(c), 0);
	}
	finish(t);
	return 0;
}
