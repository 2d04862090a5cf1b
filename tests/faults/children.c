/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that fork, talk to their children through pipes and wait for them by each of the calls there are;
 * children have threads of their own.
 */
#include "fault.h"
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PARENTS 4

static void *echo(void *arg)
{
	int *p = arg;
	char c;
	ssize_t r;

	do
		r = read(p[0], &c, 1);
	while (r == -1 && told("read"));
	return (void *)(intptr_t)(r == 1 ? c : 0);
}

/* What comes through the pipe, read by a thread of its own, becomes the exit code. */
static void child(int p[2])
{
	pthread_t t;
	void *c = NULL;

	close(p[1]);
	if (start_or_not(&t, echo, p))
		CHECK_EQ(pthread_join(t, &c), 0);
	CHECK_VERIFY();
	_exit((int)(intptr_t)c);
}

static pid_t wait_by(int how, pid_t pid, int *status)
{
	siginfo_t info;
	struct rusage usage;
	int r;

	switch (how) {
	case 0:
		return waitpid(pid, status, 0);
	case 1:
		return wait4(pid, status, 0, &usage);
	case 2:
		r = waitid(P_PID, (id_t)pid, &info, WEXITED);
		*status = info.si_status << 8;
		return r == 0 ? pid : -1;
	default:
		return waitpid(pid, status, 0);
	}
}

static void *parent(void *arg)
{
	int how = (int)(intptr_t)arg, p[2], status = 0, r;
	pid_t pid;
	char c = (char)('a' + how);

	while ((r = pipe2(p, O_CLOEXEC)) == -1 && told("pipe2"))
		;
	if (r == -1)
		return NULL;
	do
		pid = fork();
	while (pid == -1 && told("fork"));
	if (pid == 0)
		child(p);
	close_it(p[0]);
	while (pid != -1 && write(p[1], &c, 1) == -1 && told("write"))
		;
	close_it(p[1]);
	while (pid != -1 && wait_by(how, pid, &status) == -1)
		if (!told("waitpid"))
			sched_yield(); /* the child is there nevertheless, and must go */
	if (pid != -1 && !gave_up && !(fault_hits && fault_hits() > 0 && !is_transient(fault_errno())))
		CHECK_EQ(status, c << 8);
	return NULL;
}

static void work(void)
{
	pthread_t t[PARENTS];
	bool runs[PARENTS];
	int r;

	for (int i = 0; i < PARENTS; i++)
		runs[i] = start_or_not(&t[i], parent, (void *)(intptr_t)i);
	for (int i = 0; i < PARENTS; i++)
		if (runs[i])
			CHECK_EQ(pthread_join(t[i], NULL), 0);
	while ((r = waitpid(-1, NULL, WNOHANG)) == -1 && errno == EINTR)
		;
	CHECK_ERRNO(r, ECHILD);
}

static void nothing(void)
{
}

int main(void)
{
	return run_rounds(nothing, work, nothing);
}
