/* SPDX-License-Identifier: Apache-2.0
 *
 * exit() takes a lock of libc (from 2.41) and runs functions of the program under it, which may wait.  A second
 * thread that calls exit meanwhile must wait aside: neither stop the first nor end the process before it.
 */
#include "calls/blocked.h"
#include <sys/wait.h>

static int out[2], gate[2];
static _Atomic bool exiting;

static void slow_atexit(void)
{
	char c;

	atomic_store(&exiting, true);
	if (read(gate[0], &c, 1) != 1 || write(out[1], "A", 1) != 1)
		_exit(90);
}

static void *first(void *arg)
{
	exit(*(int *)arg);
}

static void *opener(void *arg)
{
	while (!atomic_load(&exiting))
		sched_yield();
	usleep(1000);
	CHECK_EQ(write(gate[1], "g", 1), 1);
	return arg;
}

int main(void)
{
	int code = 5, status;
	char got[4] = "";
	pid_t pid;

	CHECK_EQ(pipe(out), 0);
	CHECK_EQ(pipe(gate), 0);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(atexit(slow_atexit), 0);
		start(first, &code);
		start(opener, NULL);
		for (;;)
			pause();
	}
	CHECK_EQ(close(out[1]), 0);
	CHECK_EQ(read(out[0], got, 3), 1);
	CHECK_EQ(got[0], 'A');
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
	return 0;
}
