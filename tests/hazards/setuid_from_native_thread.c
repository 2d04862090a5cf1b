/* SPDX-License-Identifier: Apache-2.0
 *
 * setuid() of one thread makes libc signal every other and wait until each has answered in its own record.
 * The handler finds its record by the thread pointer; on the kernel thread that runs green threads it
 * would find a green thread's, answer there, and be asked again for ever.
 */
#include "calls/blocked.h"
#include <sys/wait.h>

#define NOBODY 65534

static int gate[2];
static _Atomic bool done;

static void *idle(void *arg)
{
	char c;

	CHECK_EQ(read(gate[0], &c, 1), 0);
	return arg;
}

static void *runs(void *arg)
{
	while (!atomic_load(&done))
		sched_yield();
	return arg;
}

static void *change_ids(void *arg)
{
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(seteuid(NOBODY), 0);
		CHECK_EQ(geteuid(), NOBODY);
		CHECK_EQ(seteuid(0), 0);
	}
	CHECK_EQ(setresgid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	atomic_store(&done, true);
	return arg;
}

static void child(void)
{
	pthread_t t[4];

	CHECK_EQ(pipe(gate), 0);
	for (int i = 0; i < 4; i++)
		t[i] = start(i < 2 ? idle : runs, NULL); /* so that a green thread is running when it comes */
	finish(start_native(change_ids, NULL));
	CHECK_EQ(getuid(), NOBODY);
	CHECK_EQ(close(gate[1]), 0);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	_exit(0);
}

int main(void)
{
	int status;
	pid_t pid;

	if (getuid() != 0)
		SKIP("needs root to change ids");
	pid = fork();
	if (pid == 0)
		child();
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return 0;
}
