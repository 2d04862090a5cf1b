/* SPDX-License-Identifier: Apache-2.0
 *
 * The first thread of a process that has a few descriptors left or none: whichever of its own the event loop
 * cannot open, threads run and sleep, and wait for descriptors, green, as soon as there are some.
 */
#include "calls/blocked.h"
#include "../shim/syncless.h"
#include <sys/resource.h>
#include <sys/wait.h>

#pragma weak syncless_green_threads

#define FEW 6

static void *nap(void *arg)
{
	struct timespec ts = ms_span(1);

	CHECK_EQ(nanosleep(&ts, NULL), 0);
	return arg;
}

static void *read_one(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(*(int *)arg, &c, 1), 1);
	return NULL;
}

static void run_with(int left)
{
	int p[2], first = dup(0), last = first;
	pthread_t t;

	CHECK(first != -1);
	for (int fd = first; fd != -1; fd = dup(0))
		last = fd;
	CHECK_EQ(errno, EMFILE);
	for (int i = 0; i < left; i++)
		CHECK_EQ(close(last--), 0);
	finish(start(nap, NULL));
	for (int fd = first; fd <= last; fd++)
		CHECK_EQ(close(fd), 0);
	CHECK_EQ(pipe(p), 0);
	t = start(read_one, &p[0]);
	await_blocked(1);
	if (is_green())
		CHECK_EQ(syncless_green_threads(), 1);
	CHECK_EQ(write(p[1], "x", 1), 1);
	finish(t);
	CHECK_VERIFY();
}

int main(void)
{
	struct rlimit limit = { 64, 64 };

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int left = 0; left <= FEW; left++) {
		int status;
		pid_t pid = fork();

		CHECK(pid != -1);
		if (pid == 0) {
			run_with(left);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		if (status)
			dprintf(2, "with %d left\n", left);
		CHECK_EQ(status, 0);
	}
	return 0;
}
