/* SPDX-License-Identifier: Apache-2.0
 *
 * The library tries itself out with a thread whose stack and storage the first thread of the program then gets.
 * What that trial left there must not make another one fail in a child that the first thread forks: the child's
 * threads would be native.
 */
#include "test.h"
#include <sys/wait.h>

extern int syncless_green_threads(void) __attribute__((weak));

static void *in_child(void *arg)
{
	CHECK_EQ(is_green() ? syncless_green_threads() : 1, 1);
	return arg;
}

static void *forker(void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		CHECK_EQ(pthread_join(start(in_child, NULL), NULL), 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return arg;
}

int main(void)
{
	pthread_t t[3];

	if (is_emulated("a forked child cannot start threads"))
		return 0;
	for (int i = 0; i < 3; i++)
		t[i] = start(forker, NULL);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_VERIFY();
	return 0;
}
