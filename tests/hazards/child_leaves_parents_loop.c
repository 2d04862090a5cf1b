/* SPDX-License-Identifier: Apache-2.0
 *
 * A forked child inherits the epoll descriptor, and an EPOLL_CTL_DEL there removes the parent's registration.
 * The child closes, polls and reads the very descriptors the parent's threads wait on; the parent's
 * waits must end all the same.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/wait.h>

#define N 10

static int s[N][2];

static void *reader(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(*(int *)arg, &c, 1), 1);
	return arg;
}

static void child(void)
{
	struct pollfd f[N];

	for (int i = 0; i < N; i++)
		f[i] = (struct pollfd){ .fd = s[i][0], .events = POLLIN };
	CHECK_EQ(poll(f, N, 5), 0);
	for (int i = 0; i < N; i += 2)
		CHECK_EQ(close(s[i][0]), 0);
	usleep(1000);
	CHECK_EQ(dup2(s[1][0], s[3][0]), s[3][0]);
	CHECK_EQ(poll(f, N, 5), N / 2);
	exit(0);
}

int main(void)
{
	pthread_t t[N];
	int status;
	pid_t pid;

	for (int i = 0; i < N; i++) {
		stream_pair(s[i]);
		t[i] = start(reader, &s[i][0]);
	}
	await_blocked(N);
	usleep(1000); /* main waits too: the loop has seen them all */
	pid = fork();
	if (pid == 0)
		child();
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	for (int i = 0; i < N; i++) {
		CHECK_EQ(send(s[i][1], "x", 1, 0), 1);
		finish(t[i]);
	}
	return 0;
}
