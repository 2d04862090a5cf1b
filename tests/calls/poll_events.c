/* SPDX-License-Identifier: Apache-2.0
 *
 * The rarer bits of poll(): POLLRDHUP, POLLPRI for urgent data, POLLHUP and POLLERR without being asked,
 * POLLRDNORM and POLLWRNORM, each also when it comes while the thread waits.
 */
#include "calls/blocked.h"
#include <poll.h>

struct wait {
	int fd;
	short events, expect;
};

static void *wait_for(void *arg)
{
	struct wait *w = arg;
	struct pollfd f = { .fd = w->fd, .events = w->events };

	about_to_block();
	CHECK_EQ(poll(&f, 1, -1), 1);
	CHECK_EQ(f.revents, w->expect);
	return NULL;
}

static pthread_t waiting(struct wait *w)
{
	static int n;
	pthread_t t = start(wait_for, w);

	await_blocked(++n);
	return t;
}

int main(void)
{
	int s[2], p[2];
	struct wait w;
	pthread_t t;
	char buf[1 << 16];

	tcp_pair(s);
	w = (struct wait){ s[0], POLLPRI, POLLPRI };
	t = waiting(&w);
	CHECK_EQ(send(s[1], "!", 1, MSG_OOB), 1);
	finish(t);
	CHECK_EQ(recv(s[0], buf, 1, MSG_OOB), 1);

	w = (struct wait){ s[0], POLLIN | POLLRDNORM, POLLIN | POLLRDNORM };
	t = waiting(&w);
	CHECK_EQ(send(s[1], "x", 1, 0), 1);
	finish(t);
	CHECK_EQ(recv(s[0], buf, 1, 0), 1);

	w = (struct wait){ s[0], POLLIN | POLLRDHUP, POLLIN | POLLRDHUP };
	t = waiting(&w);
	CHECK_EQ(shutdown(s[1], SHUT_WR), 0);
	finish(t);
	w = (struct wait){ s[0], 0, POLLHUP };
	t = waiting(&w);
	CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
	finish(t);

	CHECK_EQ(pipe(p), 0);
	w = (struct wait){ p[0], POLLIN, POLLHUP };
	t = waiting(&w);
	CHECK_EQ(close(p[1]), 0);
	finish(t);
	CHECK_EQ(close(p[0]), 0);

	CHECK_EQ(pipe2(p, O_NONBLOCK), 0);
	while (write(p[1], buf, sizeof(buf)) > 0)
		;
	w = (struct wait){ p[1], POLLOUT | POLLWRNORM, POLLERR };
	t = waiting(&w);
	CHECK_EQ(close(p[0]), 0);
	finish(t);
	return 0;
}
