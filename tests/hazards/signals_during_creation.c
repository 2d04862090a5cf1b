/* SPDX-License-Identifier: Apache-2.0
 *
 * A signal to the process may be delivered on any kernel thread that does not block it, also on one that
 * exists only to give birth to a green thread and has no code to run a handler.  None of the queued signals
 * sent here may be lost, and each runs in a thread that has finished starting.
 */
#include "calls/blocked.h"
#include <sys/wait.h>

#define SIGNALS 500

static _Atomic int handled;
static _Thread_local volatile int ready = 1;

static void handler(int sig)
{
	(void)sig;
	CHECK_EQ(ready, 1);
	atomic_fetch_add(&handled, 1);
}

static void *nothing(void *arg)
{
	sched_yield();
	return arg;
}

static void send_all(pid_t to)
{
	union sigval v = { .sival_int = 1 };

	for (int i = 0; i < SIGNALS; i++)
		while (sigqueue(to, SIGRTMIN + 1, v) == -1)
			CHECK_EQ(errno, EAGAIN);
	_exit(0);
}

int main(void)
{
	pid_t pid, self = getpid();
	int status;

	on_signal(SIGRTMIN + 1, handler, SA_RESTART);
	pid = fork();
	if (pid == 0)
		send_all(self);
	for (int i = 0; i < 200 || atomic_load(&handled) < SIGNALS; i++)
		finish(start(nothing, NULL));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(handled, SIGNALS);
	return 0;
}
