/* SPDX-License-Identifier: Apache-2.0
 *
 * A blocking send, sendto, sendmsg, write or writev of far more than the buffers hold returns the full
 * count, for unix and TCP sockets and for pipes, and every byte arrives in order.
 */
#include "calls/blocked.h"
#include <sys/uio.h>

#define SIZE (1 << 20)

static char data[SIZE];

struct sink {
	int fd;
	size_t got;
};

static void *drain(void *arg)
{
	struct sink *sink = arg;
	static char buf[9999];
	ssize_t n;

	while ((n = read(sink->fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++, sink->got++)
			CHECK_EQ(buf[i], data[sink->got % SIZE]);
	CHECK_EQ(n, 0);
	return NULL;
}

static size_t write_ways(int fd)
{
	struct iovec iov[3] = { { data, 7 }, { data + 7, SIZE / 2 }, { data + 7 + SIZE / 2, SIZE / 2 - 7 } };

	errno = 1234;
	CHECK_EQ(write(fd, data, SIZE), SIZE);
	CHECK_EQ(writev(fd, iov, 3), SIZE);
	CHECK_EQ(iov[1].iov_len, SIZE / 2);
	CHECK_EQ(errno, 1234);
	return 2 * SIZE;
}

static size_t send_ways(int fd)
{
	struct iovec iov[2] = { { data, 1 }, { data + 1, SIZE - 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	errno = 1234;
	CHECK_EQ(send(fd, data, SIZE, 0), SIZE);
	CHECK_EQ(sendto(fd, data, SIZE, 0, NULL, 0), SIZE);
	CHECK_EQ(sendmsg(fd, &msg, 0), SIZE);
	CHECK_EQ(errno, 1234);
	return 3 * SIZE;
}

static void check(int in, int out, bool is_socket)
{
	struct sink sink = { .fd = in };
	size_t sent;
	pthread_t t = start(drain, &sink);

	sent = write_ways(out);
	if (is_socket)
		sent += send_ways(out);
	CHECK_EQ(close(out), 0);
	finish(t);
	CHECK_EQ(sink.got, sent);
	CHECK_EQ(close(in), 0);
}

int main(void)
{
	int s[2];

	for (int i = 0; i < SIZE; i++)
		data[i] = (char)(i * 31 + i / 251);
	stream_pair(s);
	check(s[0], s[1], true);
	tcp_pair(s);
	check(s[0], s[1], true);
	CHECK_EQ(pipe(s), 0);
	check(s[0], s[1], false);
	return 0;
}
