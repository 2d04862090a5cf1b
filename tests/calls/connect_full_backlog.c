/* SPDX-License-Identifier: Apache-2.0
 *
 * connect() to a listener whose backlog is full: TCP says EINPROGRESS once SO_SNDTIMEO is over, AF_UNIX
 * says EAGAIN, at once when non-blocking; without a limit AF_UNIX waits until somebody accepts.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <stddef.h>
#include <sys/un.h>

static struct sockaddr_un name = { .sun_family = AF_UNIX };
static int listener;

static void *accept_when_blocked(void *arg)
{
	(void)arg;
	await_blocked(1);
	CHECK(accept(listener, NULL, NULL) != -1);
	return NULL;
}

static void unix_backlog(void)
{
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1 +
			sprintf(name.sun_path + 1, "syncless-test-%d", getpid());
	const struct sockaddr *to = (struct sockaddr *)&name;
	int queued = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t t;

	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_EQ(bind(listener, to, len), 0);
	CHECK_ERRNO(connect(fd, to, len), ECONNREFUSED);
	CHECK_EQ(listen(listener, 0), 0);
	t = start(accept_when_blocked, NULL);
	CHECK_EQ(connect(queued, to, len), 0);

	set_nonblock(fd, true);
	CHECK_ERRNO(connect(fd, to, len), EAGAIN);
	set_nonblock(fd, false);
	set_timeo(fd, SO_SNDTIMEO, 20);
	CHECK_ERRNO(connect(fd, to, len), EAGAIN);
	set_timeo(fd, SO_SNDTIMEO, 0);
	errno = 1234;
	about_to_block();
	CHECK_EQ(connect(fd, to, len), 0);
	CHECK_EQ(errno, 1234);
	finish(t);
}

static void *idle(void *arg)
{
	char c;

	CHECK_EQ(read(*(int *)arg, &c, 1), 0);
	return NULL;
}

static void tcp_backlog(void)
{
	struct sockaddr_in addr;
	struct pollfd p = { .events = POLLOUT };
	int fd, full = tcp_listener(&addr, 0), gate[2];
	pthread_t t;

	CHECK_EQ(pipe(gate), 0);
	t = start(idle, &gate[0]);
	do { /* the first that does not end at once shows that the queue is full */
		p.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CHECK_ERRNO(connect(p.fd, (struct sockaddr *)&addr, sizeof(addr)), EINPROGRESS);
	} while (poll(&p, 1, 30) == 1);

	fd = socket(AF_INET, SOCK_STREAM, 0);
	set_timeo(fd, SO_SNDTIMEO, 30);
	CHECK_ERRNO(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), EINPROGRESS);
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(close(full), 0);
	CHECK_EQ(close(gate[1]), 0);
	finish(t);
}

int main(void)
{
	unix_backlog();
	tcp_backlog();
	return 0;
}
