/* SPDX-License-Identifier: Apache-2.0
 *
 * Children of fork that end when they are told to, and what is told of their ends.
 */
#ifndef TESTS_DIFF_KIDS_H
#define TESTS_DIFF_KIDS_H

#include "diff/diff.h"
#include <sys/resource.h>
#include <sys/wait.h>

/* A child that ends with `code` when it is let go, or by the signal -code. */
struct kid {
	pid_t pid;
	int gate;
};

static inline struct kid kid_of_group(int code, bool leads)
{
	struct kid k;
	int end[2];
	char c;

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	k.pid = fork();
	CHECK(k.pid != -1);
	if (k.pid == 0) {
		close(end[1]);
		if (leads)
			setpgid(0, 0);
		while (read(end[0], &c, 1) == -1)
			;
		if (code < 0) {
			signal(-code, SIG_DFL);
			kill(getpid(), -code);
		}
		_exit(code);
	}
	if (leads)
		CHECK_EQ(setpgid(k.pid, k.pid), 0);
	close(end[0]);
	k.gate = end[1];
	return k;
}

static inline struct kid kid(int code)
{
	return kid_of_group(code, false);
}

static inline void let_go(struct kid *k)
{
	CHECK_EQ(close(k->gate), 0);
}

/* Until it is a zombie. */
static inline void await_end(pid_t pid)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == -1)
		CHECK_EQ(errno, EINTR);
}

static inline void say_status(int status)
{
	if (WIFEXITED(status))
		SAY("exit code %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		SAY("ended by %s", sigabbrev_np(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		SAY("stopped by %s", sigabbrev_np(WSTOPSIG(status)));
	else
		SAY("continues: %d", WIFCONTINUED(status) != 0);
}

static inline void say_info(const siginfo_t *info, pid_t pid)
{
	SAY("signo %d code %d status %d pid %s", info->si_signo, info->si_code, info->si_status,
	    info->si_pid == pid ? "the child's"
	    : info->si_pid	? "another"
				: "0");
}

/* --- A flow that waits for one child */

struct question {
	struct kid k;
	int options;
};

static inline void *wait_for_it(void *arg)
{
	struct question *q = arg;
	int status = -1;

	blocks();
	R(waitpid(q->k.pid, &status, q->options) == q->k.pid);
	say_status(status);
	return NULL;
}

#endif
