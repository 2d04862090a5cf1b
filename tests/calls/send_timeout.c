/* SPDX-License-Identifier: Apache-2.0
 *
 * SO_SNDTIMEO: a send that has put some of its bytes into the buffer when the time is up returns
 * their count, one that has put none EAGAIN.  Non-blocking sends are partial at once, and a closed
 * peer is EPIPE, with SIGPIPE unless MSG_NOSIGNAL forbids it.
 */
#include "calls/blocked.h"
#include <sys/uio.h>

#define SIZE (4 << 20)

static char data[SIZE];
static volatile sig_atomic_t pipes;

static void count_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void *idle(void *arg)
{
	char c;

	CHECK_EQ(read(*(int *)arg, &c, 1), 0);
	return NULL;
}

static void timeouts(int out)
{
	struct iovec iov = { data, SIZE };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	set_timeo(out, SO_SNDTIMEO, 20);
	errno = 1234;
	n = send(out, data, SIZE, 0);
	CHECK(n > 0 && n < SIZE);
	CHECK_EQ(errno, 1234);
	CHECK_ERRNO(send(out, data, SIZE, 0), EAGAIN);
	CHECK_ERRNO(write(out, data, SIZE), EAGAIN);
	CHECK_ERRNO(writev(out, &iov, 1), EAGAIN);
	CHECK_ERRNO(sendmsg(out, &msg, 0), EAGAIN);
	set_timeo(out, SO_SNDTIMEO, 0);
	CHECK_ERRNO(send(out, data, SIZE, MSG_DONTWAIT), EAGAIN);
	set_nonblock(out, true);
	CHECK_ERRNO(send(out, data, SIZE, 0), EAGAIN);
	CHECK_ERRNO(write(out, data, 1), EAGAIN);
	set_nonblock(out, false);
}

int main(void)
{
	int s[2], gate[2];
	pthread_t t;
	ssize_t n;

	CHECK_EQ(pipe(gate), 0);
	t = start(idle, &gate[0]);
	stream_pair(s);
	timeouts(s[1]);
	CHECK_EQ(close(s[1]), 0);
	CHECK_EQ(close(s[0]), 0);

	stream_pair(s);
	n = send(s[1], data, SIZE, MSG_DONTWAIT);
	CHECK(n > 0 && n < SIZE);
	on_signal(SIGPIPE, count_pipe, 0);
	CHECK_EQ(close(s[0]), 0);
	CHECK_ERRNO(send(s[1], data, 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(pipes, 0);
	CHECK_ERRNO(send(s[1], data, 1, 0), EPIPE);
	CHECK_EQ(pipes, 1);
	CHECK_ERRNO(write(s[1], data, 1), EPIPE);
	CHECK_EQ(pipes, 2);

	CHECK_EQ(close(gate[1]), 0);
	finish(t);
	return 0;
}
