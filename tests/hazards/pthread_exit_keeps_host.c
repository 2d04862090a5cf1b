/* SPDX-License-Identifier: Apache-2.0
 *
 * libc ends a thread by ending the kernel thread that runs it.  When that kernel thread runs all the others
 * as well, a pthread_exit, a cancellation, or a destructor that never comes back to us takes the whole
 * program with it: it neither goes on nor ends, or, where no other kernel thread is left, ends with 0.
 * Threads end in every way here, while others wait, in a child that must come to its own status.
 */
#include "calls/blocked.h"
#include <sys/wait.h>

#define CAME_TO_ITS_END 42

static int gate[2];
static pthread_key_t key;
static _Atomic int ended;

static void destroy(void *value)
{
	(void)value;
	atomic_fetch_add(&ended, 1);
	sched_yield();
}

static void *by_exit(void *arg)
{
	CHECK_EQ(pthread_setspecific(key, arg), 0);
	sched_yield();
	pthread_exit(arg);
}

static void *by_return(void *arg)
{
	CHECK_EQ(pthread_setspecific(key, arg), 0);
	return arg;
}

static void *by_cancel(void *arg)
{
	CHECK_EQ(pthread_setspecific(key, arg), 0);
	for (;;)
		pause();
}

static void *by_own_cancel(void *arg)
{
	CHECK_EQ(pthread_setspecific(key, arg), 0);
	pthread_cancel(pthread_self());
	pthread_testcancel();
	return NULL;
}

static void *bystander(void *arg)
{
	char c;

	CHECK_EQ(read(gate[0], &c, 1), 0);
	return arg;
}

static void all_ways(void)
{
	void *(*const ways[])(void *) = { by_exit, by_return, by_cancel, by_own_cancel };
	pthread_t by[5], t[20];

	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(pthread_key_create(&key, destroy), 0);
	for (int i = 0; i < 5; i++)
		by[i] = start(bystander, &by[i]);
	for (int i = 0; i < 20; i++)
		t[i] = start(ways[i % 4], &t[i]);
	for (int i = 0; i < 20; i++) {
		if (ways[i % 4] == by_cancel)
			CHECK_EQ(pthread_cancel(t[i]), 0);
		finish(t[i]);
	}
	CHECK_EQ(ended, 20);
	CHECK_EQ(close(gate[1]), 0);
	for (int i = 0; i < 5; i++)
		CHECK(finish(by[i]) == &by[i]);
}

int main(void)
{
	pid_t pid = fork();
	int status;

	CHECK(pid != -1);
	if (pid == 0) {
		all_ways();
		_exit(CAME_TO_ITS_END);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == CAME_TO_ITS_END);
	return 0;
}
