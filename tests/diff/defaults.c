/* SPDX-License-Identifier: Apache-2.0
 *
 * What signals do to processes: default actions, children and their signals, groups.
 */
#include "diff/steps.h"

static int p[2];

static void die_of(void *sig)
{
	raise((int)(long)sig);
	SAY("survived");
}

CASE(default_actions)
{
	static const int sigs[] = { SIGTERM,  SIGUSR1, SIGALRM, SIGPIPE, SIGCHLD,
				    SIGWINCH, SIGURG,  SIGCONT, SIGKILL, SIGABRT };

	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		child_end(child(die_of, (void *)(long)sigs[i]));
}

static void abort_with_handler(void *arg)
{
	(void)arg;
	on_signal(SIGABRT, say_signal, 0);
	abort();
}

static void abort_while_blocked(void *arg)
{
	change_mask(SIG_BLOCK, SIGABRT, 0);
	signal(SIGABRT, SIG_IGN);
	(void)arg;
	abort();
}

CASE(aborts)
{
	child_end(child(abort_with_handler, NULL));
	child_end(child(abort_while_blocked, NULL));
}

static void write_to_nobody(void *arg)
{
	int fds[2];

	if (arg)
		signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(pipe(fds), 0);
	close(fds[0]);
	R(write(fds[1], "x", 1));
}

CASE(sigpipe)
{
	child_end(child(write_to_nobody, NULL));
	child_end(child(write_to_nobody, p));
}

CASE_THREADS(sigpipe_is_the_writers)
{
	int fds[2];

	on_signal(SIGPIPE, say_signal, 0);
	CHECK_EQ(pipe(fds), 0);
	close(fds[0]);
	R(write(fds[1], "x", 1));
	SAY("signals_said %d", signals_said);
	stream_pair(fds);
	close(fds[0]);
	R(send(fds[1], "x", 1, 0));
	R(send(fds[1], "x", 1, MSG_NOSIGNAL));
	SAY("signals_said %d", signals_said);
}

static void stop_and_go_on(void *arg)
{
	raise(SIGSTOP);
	SAY("goes on");
	hear(*(int *)arg);
}

CASE(stopped_and_continued)
{
	int status;
	pid_t pid;

	CHECK_EQ(pipe(p), 0);
	pid = child(stop_and_go_on, p);
	R(waitpid(pid, &status, WUNTRACED) == pid);
	say_status("child", status);
	R(kill(pid, SIGCONT));
	R(waitpid(pid, &status, WCONTINUED) == pid);
	say_status("child", status);
	tell(p[1]);
	child_end(pid);
}

static void exit_with(void *code)
{
	_exit((int)(long)code);
}

static void say_child(int sig, siginfo_t *info, void *context)
{
	(void)context;
	SAY("SIG%s code %d status %d", sigabbrev_np(sig), info->si_code, info->si_status);
	signals_said++;
}

CASE_MAIN(sigchld)
{
	pid_t pid;

	install(SIGCHLD, say_child, SA_RESTART);
	pid = child(exit_with, (void *)6);
	while (!signals_said)
		usleep(1000);
	child_end(pid);
}

CASE(children_of_one_who_ignores_them)
{
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	pid = child(exit_with, (void *)6);
	R(waitpid(pid, NULL, 0));
	R(waitpid(-1, NULL, 0));
}

static pid_t child_that_stops(void)
{
	pid_t pid;
	int status;

	CHECK_EQ(pipe(p), 0);
	pid = child(stop_and_go_on, p);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	return pid;
}

CASE_MAIN(sigchld_of_a_stop)
{
	pid_t pid;

	install(SIGCHLD, say_child, SA_RESTART);
	pid = child_that_stops();
	while (signals_said < 1)
		usleep(1000);
	R(kill(pid, SIGCONT));
	while (signals_said < 2)
		usleep(1000);
	tell(p[1]);
	while (signals_said < 3)
		usleep(1000);
	child_end(pid);
}

CASE_MAIN(sigchld_of_no_stop)
{
	pid_t pid;

	install(SIGCHLD, say_child, SA_RESTART | SA_NOCLDSTOP);
	pid = child_that_stops();
	R(kill(pid, SIGCONT));
	tell(p[1]);
	while (signals_said < 1)
		usleep(1000);
	child_end(pid);
	SAY("said %d", signals_said);
}

CASE_MAIN(children_that_leave_no_trace)
{
	pid_t pid;

	install(SIGCHLD, say_child, SA_RESTART | SA_NOCLDWAIT);
	pid = child(exit_with, (void *)6);
	R(waitpid(pid, NULL, 0));
	while (!signals_said)
		usleep(1000);
}

/* --- Groups */

CASE_MAIN(own_group)
{
	on_signal(SIGUSR1, say_signal, 0);
	R(kill(0, SIGUSR1));
	R(kill(-getpgrp(), SIGUSR1));
	R(killpg(getpgrp(), SIGUSR1));
	R(killpg(getpgrp(), 0));
	R(kill(-(1 << 29), SIGUSR1));
	SAY("said %d", signals_said);
}

static void lead_and_wait(void *arg)
{
	(void)arg;
	CHECK_EQ(setpgid(0, 0), 0);
	tell(p[1]);
	for (;;)
		pause();
}

CASE(group_of_a_child)
{
	pid_t pid;

	CHECK_EQ(pipe(p), 0);
	pid = child(lead_and_wait, NULL);
	hear(p[0]);
	R(kill(-pid, SIGTERM));
	child_end(pid);
	R(kill(pid, 0));
}

/* --- In handlers */

static pid_t forked;

static void fork_in_handler(int sig)
{
	(void)sig;
	forked = fork();
	if (forked == 0) {
		says_as(CHILD_FLOW);
		SAY("in the handler of the child");
	} else {
		SAY("in the handler of the parent");
	}
}

static void *fork_by_signal(void *arg)
{
	raise(SIGUSR1);
	SAY("after the handler");
	if (forked == 0) {
		R(usleep(1000));
		_exit(3);
	}
	child_end(forked);
	return arg;
}

CASE_THREADS(fork_in_a_handler)
{
	on_signal(SIGUSR1, fork_in_handler, 0);
	flow_end(flow(fork_by_signal, NULL));
}

static void wait_in_handler(int sig)
{
	int saved = errno;

	(void)sig;
	R(usleep(2000));
	tell(p[1]);
	hear(p[0]);
	SAY("handler ends");
	errno = saved;
}

CASE_THREADS(handler_that_waits)
{
	CHECK_EQ(pipe(p), 0);
	on_signal(SIGUSR1, wait_in_handler, 0);
	R(raise(SIGUSR1));
}
