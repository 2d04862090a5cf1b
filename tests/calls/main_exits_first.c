/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_exit() in main: the other threads run on, may join main and start more, and when the last of
 * them ends the process exits with 0 and its atexit functions run; exit() in a thread keeps its code.
 */
#include "calls/blocked.h"
#include <sys/wait.h>

static int out[2];
static pthread_t main_thread;

static void at_exit(void)
{
	if (write(out[1], "E", 1) != 1)
		_exit(90);
}

static void *second(void *arg)
{
	if (arg)
		pause(); /* for the exit() of another */
	usleep(1000);
	CHECK_EQ(write(out[1], "2", 1), 1);
	return arg;
}

static void *first(void *arg)
{
	CHECK_EQ(pthread_join(main_thread, NULL), 0);
	usleep(1000);
	CHECK_EQ(write(out[1], "1", 1), 1);
	CHECK_EQ(pthread_detach(start(second, arg)), 0);
	if (arg)
		exit(*(int *)arg);
	return arg;
}

static void run(int *code, int expect_status, const char *expect)
{
	char got[8] = "";
	int status;
	ssize_t n;
	pid_t pid;

	CHECK_EQ(pipe(out), 0);
	pid = fork();
	CHECK(pid != -1);
	if (pid == 0) {
		CHECK_EQ(close(out[0]), 0);
		CHECK_EQ(atexit(at_exit), 0);
		main_thread = pthread_self();
		start(first, code);
		pthread_exit(NULL);
	}
	CHECK_EQ(close(out[1]), 0);
	for (int at = 0; (n = read(out[0], got + at, sizeof(got) - 1 - at)) > 0; at += n)
		;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), expect_status);
	CHECK(!strcmp(got, expect));
	CHECK_EQ(close(out[0]), 0);
}

int main(void)
{
	int code = 42;

	run(NULL, 0, "12E");
	run(&code, 42, "1E");
	return 0;
}
