/* SPDX-License-Identifier: Apache-2.0
 *
 * shutdown() ends the waits of other threads: a reader sees the end of the stream, from either side,
 * a writer EPIPE, and a thread in accept() EINVAL.
 */
#include "calls/blocked.h"
#include <poll.h>

static void *read_end(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(recv(*(int *)arg, &c, 1, 0), 0);
	return NULL;
}

static void *accept_end(void *arg)
{
	about_to_block();
	CHECK_ERRNO(accept(*(int *)arg, NULL, NULL), EINVAL);
	return NULL;
}

static void *write_end(void *arg)
{
	static char data[4 << 20];

	about_to_block();
	CHECK(send(*(int *)arg, data, sizeof(data), MSG_NOSIGNAL) < (ssize_t)sizeof(data));
	CHECK_ERRNO(send(*(int *)arg, data, 1, MSG_NOSIGNAL), EPIPE);
	return NULL;
}

static void *poll_end(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN | POLLRDHUP };

	about_to_block();
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK(p.revents & POLLRDHUP);
	return NULL;
}

static void wake(void *(*fn)(void *), int waiter, int shut, int how)
{
	static int n;
	pthread_t t = start(fn, &waiter);

	await_blocked(++n);
	CHECK_EQ(shutdown(shut, how), 0);
	finish(t);
}

int main(void)
{
	struct sockaddr_in addr;
	int s[2], listener = tcp_listener(&addr, 1);

	stream_pair(s);
	wake(read_end, s[0], s[0], SHUT_RD);
	stream_pair(s);
	wake(read_end, s[0], s[1], SHUT_WR);
	tcp_pair(s);
	wake(read_end, s[0], s[0], SHUT_RDWR);
	tcp_pair(s);
	wake(poll_end, s[0], s[1], SHUT_WR);
	wake(accept_end, listener, listener, SHUT_RDWR);
	stream_pair(s);
	wake(write_end, s[0], s[0], SHUT_WR);
	CHECK_ERRNO(shutdown(-1, SHUT_RD), EBADF);
	CHECK_ERRNO(shutdown(s[0], 77), EINVAL);
	return 0;
}
