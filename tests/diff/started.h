/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs that are started: what they say, and how they end.
 */
#ifndef TESTS_DIFF_STARTED_H
#define TESTS_DIFF_STARTED_H

#include "diff/diff.h"
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static inline void say_status(int status)
{
	if (status == -1)
		SAY("-1 %s", errno_name(errno));
	else if (WIFEXITED(status))
		SAY("exit code %d", WEXITSTATUS(status));
	else
		SAY("ended by %s", sigabbrev_np(WTERMSIG(status)));
}

/* What comes out of fd until its end. */
static inline void say_all(int fd)
{
	char text[1000];
	ssize_t n, at = 0;

	while (at < (ssize_t)sizeof(text) && (n = read(fd, text + at, sizeof(text) - (size_t)at)) > 0)
		at += n;
	SHOW(text, at);
	close(fd);
}

static inline void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
}

/* A shell whose output is in *out. */
static inline int spawn_shell(const char *line, const posix_spawnattr_t *attr, pid_t *pid, int *out)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)line, NULL };
	posix_spawn_file_actions_t actions;
	int end[2], err;

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, end[1], 1);
	err = posix_spawn(pid, "/bin/sh", &actions, attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(end[1]);
	*out = end[0];
	return err;
}

static inline void spawn_and_say(const char *line, const posix_spawnattr_t *attr)
{
	int out, status;
	pid_t pid;

	E(spawn_shell(line, attr, &pid, &out));
	say_all(out);
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
}

/* The sets that the kernel knows of the program; its own shell's builtins read them. */
#define SAY_SETS                                                                                               \
	"while read a b; do case $a in SigBlk:|SigIgn:|SigCgt:) echo $a $b;; esac; done </proc/self/status"

static inline bool is_ignored(int sig)
{
	struct sigaction sa;

	CHECK_EQ(sigaction(sig, NULL, &sa), 0);
	return sa.sa_handler == SIG_IGN;
}

static inline void await_ignored(void)
{
	while (!is_ignored(SIGINT) || !is_ignored(SIGQUIT))
		sched_yield();
}

#endif
