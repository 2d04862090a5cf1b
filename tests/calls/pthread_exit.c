/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_exit(): from deep inside a thread it runs the cleanup handlers and destructors and gives the
 * join its value; the other threads, and the process, go on.
 */
#include "calls/blocked.h"

static int cleaned;

static void clean(void *arg)
{
	cleaned += *(int *)arg;
}

__attribute__((noinline)) static void deep(int n, void *value)
{
	int step = 1;

	pthread_cleanup_push(clean, &step);
	if (n)
		deep(n - 1, value);
	else if (value)
		pthread_exit(value);
	pthread_cleanup_pop(0);
}

static void *exits(void *arg)
{
	deep(10, arg);
	return NULL;
}

static void *sleeper(void *arg)
{
	usleep(20000);
	return arg;
}

int main(void)
{
	pthread_t others[10];
	int mark;

	for (int i = 0; i < 10; i++)
		others[i] = start(sleeper, &others[i]);
	for (int i = 1; i <= 50; i++) {
		CHECK(finish(start(exits, &mark)) == &mark);
		CHECK_EQ(cleaned, 11 * i);
	}
	for (int i = 0; i < 10; i++)
		CHECK(finish(others[i]) == &others[i]);
	return 0;
}
