/* SPDX-License-Identifier: Apache-2.0
 *
 * waitpid(-1), waitpid(0), waitpid(-pgid) and wait(): any child of ours, of our group, of that group;
 * several threads in them share the children, one each, and the one that finds none left gets ECHILD.
 */
#include "calls/blocked.h"
#include <sys/wait.h>

#define N 6

static int gate[2];
static _Atomic int reaped, seen;

static pid_t gated_child(int code, bool own_group)
{
	pid_t pid = fork();
	char c;

	CHECK(pid != -1);
	if (pid == 0) {
		if (own_group)
			setpgid(0, 0);
		_exit(read(gate[0], &c, 1) == 1 ? code : 99);
	}
	if (own_group)
		setpgid(pid, pid);
	return pid;
}

static void *wait_any(void *arg)
{
	int status;

	about_to_block();
	CHECK(waitpid(-1, &status, 0) > 0);
	CHECK(WIFEXITED(status));
	atomic_fetch_or(&seen, 1 << WEXITSTATUS(status));
	atomic_fetch_add(&reaped, 1);
	return arg;
}

static void *wait_none(void *arg)
{
	int status;
	pid_t pid;

	about_to_block();
	while ((pid = wait(&status)) > 0)
		CHECK_EQ(WEXITSTATUS(status), 0);
	CHECK(pid == -1 && errno == ECHILD);
	return arg;
}

static void *open_gate(void *arg)
{
	await_blocked(*(int *)arg);
	CHECK_EQ(write(gate[1], "x", 1), 1);
	return NULL;
}

static void groups(int *blocked)
{
	pid_t own = gated_child(1, true), ours;
	int status;
	pthread_t t;

	CHECK_ERRNO(waitpid(0, &status, 0), ECHILD);
	CHECK_EQ(waitpid(-own, &status, WNOHANG), 0);
	++*blocked;
	t = start(open_gate, blocked);
	about_to_block();
	CHECK_EQ(waitpid(-own, &status, 0), own);
	CHECK_EQ(WEXITSTATUS(status), 1);
	finish(t);
	CHECK_ERRNO(waitpid(-own, &status, 0), ECHILD);

	ours = gated_child(2, false);
	++*blocked;
	t = start(open_gate, blocked);
	about_to_block();
	CHECK_EQ(waitpid(0, &status, 0), ours);
	CHECK_EQ(WEXITSTATUS(status), 2);
	finish(t);
}

int main(void)
{
	pthread_t t[N];
	int blocked = N;

	CHECK_EQ(pipe(gate), 0);
	for (int i = 0; i < N; i++)
		gated_child(i, false);
	for (int i = 0; i < N; i++)
		t[i] = start(wait_any, NULL);
	await_blocked(N);
	CHECK_EQ(write(gate[1], "012345", N), N);
	for (int i = 0; i < N; i++)
		finish(t[i]);
	CHECK_EQ(reaped, N);
	CHECK_EQ(seen, (1 << N) - 1);
	groups(&blocked);

	gated_child(0, false);
	t[0] = start(wait_none, NULL);
	t[1] = start(wait_none, NULL);
	await_blocked(blocked + 2);
	CHECK_EQ(write(gate[1], "x", 1), 1);
	finish(t[0]);
	finish(t[1]);
	CHECK_ERRNO(wait(NULL), ECHILD);
	return 0;
}
