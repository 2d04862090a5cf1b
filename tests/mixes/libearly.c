/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of the table before libsyncless.so has been initialised: its constructor wants to be the first of
 * all, as that one's does (-z initfirst), and only one can be; the loader takes the last one that asks.
 */
#include "test.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

static void *thread(void *arg)
{
	return arg;
}

__attribute__((constructor)) static void call_early(void)
{
	struct timespec span = { 0, 1000 };
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	struct pollfd p = { .fd = -1 };
	char buf[40];
	int fd, s[2];
	FILE *f;
	pthread_t t;
	void *result;

	fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	CHECK(fd != -1);
	CHECK(read(fd, buf, sizeof(buf)) > 0);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(send(s[0], "x", 1, 0), 1);
	CHECK_EQ(recv(s[1], buf, sizeof(buf), 0), 1);
	CHECK_EQ(close(s[0]), 0);
	CHECK_EQ(close(s[1]), 0);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(nanosleep(&span, NULL), 0);
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	f = fopen("/dev/null", "w");
	CHECK(f != NULL);
	CHECK_EQ(fprintf(f, "%s%.1f", "x", 1.5), 4); /* in registers of either kind */
	CHECK_EQ(fclose(f), 0);
	CHECK_EQ(pthread_create(&t, NULL, thread, buf), 0);
	CHECK_EQ(pthread_join(t, &result), 0);
	CHECK_EQ(result, buf);
}
