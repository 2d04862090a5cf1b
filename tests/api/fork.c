/* SPDX-License-Identifier: Apache-2.0
 *
 * Coroutines fork one at a time, however long the handlers of pthread_atfork() wait; the child of one is a
 * plain process, which can make coroutines and fork again.
 */
#include "api/coroutines.h"
#include <sys/wait.h>

static int inside;
static pid_t first_process;

static void prepare(void)
{
	CHECK_EQ(inside++, 0);
	if (getpid() == first_process)
		for (int i = 0; i < 3; i++)
			syncless_yield();
	CHECK_EQ(inside, 1);
}

static void leave(void)
{
	inside--;
}

static void await_child(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void *grandchild(void *arg)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(inside);
	await_child(pid);
	return arg;
}

static void *forks(void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		grandchild(NULL);
		join(spawn(grandchild, NULL));
		_exit(inside);
	}
	await_child(pid);
	return arg;
}

int main(void)
{
	syncless_co *co[3];

	NEED_LIBRARY();
	first_process = getpid();
	CHECK_EQ(pthread_atfork(prepare, leave, leave), 0);
	for (int i = 0; i < 3; i++)
		co[i] = spawn(forks, NULL);
	forks(NULL);
	for (int i = 0; i < 3; i++)
		join(co[i]);
	CHECK_EQ(inside, 0);
	CHECK_VERIFY();
	return 0;
}
