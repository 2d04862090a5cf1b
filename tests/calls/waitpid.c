/* SPDX-License-Identifier: Apache-2.0
 *
 * waitpid() and wait4() by pid: wait while the child lives, give status and usage, ECHILD for a
 * stranger, 0 with WNOHANG, WUNTRACED and WCONTINUED reports, and many threads each waiting for a child of
 * its own steal nothing from each other.
 */
#include "calls/blocked.h"
#include <sys/resource.h>
#include <sys/wait.h>

#define N 10

static int gate[2];

/* A child that lives until the gate opens for it. */
static pid_t gated_child(int code)
{
	pid_t pid = fork();
	char c;

	CHECK(pid != -1);
	if (pid == 0)
		_exit(read(gate[0], &c, 1) == 1 ? code : 99);
	return pid;
}

static void *wait_own(void *arg)
{
	int code = *(int *)arg, status;
	struct rusage usage;
	pid_t pid = gated_child(code);

	errno = 1234;
	about_to_block();
	if (code % 2) {
		CHECK_EQ(waitpid(pid, &status, 0), pid);
	} else {
		memset(&usage, 0xff, sizeof(usage));
		CHECK_EQ(wait4(pid, &status, 0, &usage), pid);
		CHECK(usage.ru_utime.tv_sec >= 0 && usage.ru_utime.tv_sec < 1000);
	}
	CHECK_EQ(errno, 1234);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
	CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
	return NULL;
}

static void *stop_and_kill(void *arg)
{
	pid_t pid = *(pid_t *)arg;

	await_blocked(N + 1);
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	await_blocked(N + 2);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	await_blocked(N + 3);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	return NULL;
}

static void job_control(void)
{
	pid_t pid = gated_child(0);
	int status;
	pthread_t t = start(stop_and_kill, &pid);

	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	about_to_block();
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	about_to_block();
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	about_to_block();
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	finish(t);
}

int main(void)
{
	int codes[N];
	pthread_t t[N];

	CHECK_EQ(pipe(gate), 0);
	CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(getpid(), NULL, 0), ECHILD);
	CHECK_ERRNO(waitpid(1, NULL, 0x40), EINVAL);
	for (int i = 0; i < N; i++) {
		codes[i] = i + 1;
		t[i] = start(wait_own, &codes[i]);
	}
	await_blocked(N);
	CHECK_EQ(write(gate[1], "0123456789", N), N);
	for (int i = 0; i < N; i++)
		finish(t[i]);
	job_control();
	return 0;
}
