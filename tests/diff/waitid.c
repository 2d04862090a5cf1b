/* SPDX-License-Identifier: Apache-2.0
 *
 * Which children are asked for, in what words, and what is told beside their status.
 *
 * timeout: 120
 */
#include "diff/kids.h"
#include <limits.h>
#include <sys/syscall.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* --- Not waiting, and what is refused */

CASE(wnohang)
{
	struct kid k = kid(2);
	int status = 77;
	siginfo_t info = { .si_signo = 77, .si_pid = 77 };

	R(waitpid(k.pid, &status, WNOHANG));
	R(wait3(&status, WNOHANG, NULL));
	SAY("status %d", status);
	R(waitid(P_PID, (id_t)k.pid, &info, WEXITED | WNOHANG));
	say_info(&info, k.pid);
	let_go(&k);
	await_end(k.pid);
	R(waitpid(-1, &status, WNOHANG) == k.pid);
	say_status(status);
	R(waitpid(-1, &status, WNOHANG));
}

CASE(no_children)
{
	siginfo_t info;

	R(wait(NULL));
	R(waitpid(-1, NULL, 0));
	R(waitpid(0, NULL, 0));
	R(waitpid(getppid(), NULL, 0));
	R(waitpid(getpid(), NULL, 0));
	R(wait3(NULL, 0, NULL));
	R(wait4(1, NULL, 0, NULL));
	R(waitid(P_ALL, 0, &info, WEXITED));
	R(waitid(P_PGID, 0, &info, WEXITED));
}

CASE(bad_arguments)
{
	struct kid k = kid(2);
	siginfo_t info;

	R(waitpid(k.pid, NULL, 0x40));
	R(waitpid(INT_MIN, NULL, 0));
	R(waitid(P_PID, (id_t)k.pid, &info, 0));
	R(waitid(P_PID, (id_t)k.pid, &info, WNOWAIT));
	R(waitid(P_PID, 0, &info, WEXITED));
	R(waitid((idtype_t)9, 1, &info, WEXITED));
	R(waitid(P_PIDFD, 999, &info, WEXITED));
	R(waitid(P_PIDFD, (id_t)k.gate, &info, WEXITED));
	let_go(&k);
	await_end(k.pid);
	R(waitpid(k.pid, (int *)8, 0));
	R(waitpid(k.pid, NULL, 0));
}

/* --- waitid */

static void *wait_by_id(void *arg)
{
	struct question *q = arg;
	siginfo_t info;

	memset(&info, 0x55, sizeof(info));
	blocks();
	R(waitid(P_PID, (id_t)q->k.pid, &info, q->options));
	say_info(&info, q->k.pid);
	return NULL;
}

static void waitid_and_let_go(int code)
{
	struct question q = { .k = kid(code), .options = WEXITED };
	struct flow *f = flow(wait_by_id, &q);

	await_blocked(1);
	let_go(&q.k);
	flow_end(f);
	R(wait(NULL));
}

CASE(waitid_gets_an_exit_code)
{
	waitid_and_let_go(7);
}
CASE(waitid_gets_a_signal)
{
	waitid_and_let_go(-SIGTERM);
}

CASE(wnowait_leaves_it)
{
	struct question q = { .k = kid(7), .options = WEXITED | WNOWAIT };
	struct flow *f = flow(wait_by_id, &q);
	int status;

	await_blocked(1);
	let_go(&q.k);
	flow_end(f);
	R(waitpid(q.k.pid, &status, 0) == q.k.pid);
	say_status(status);
}

CASE(waitid_of_stops)
{
	struct kid k = kid(7);
	siginfo_t info;

	CHECK_EQ(kill(k.pid, SIGSTOP), 0);
	R(waitid(P_ALL, 0, &info, WSTOPPED));
	say_info(&info, k.pid);
	CHECK_EQ(kill(k.pid, SIGCONT), 0);
	R(waitid(P_PID, (id_t)k.pid, &info, WCONTINUED));
	say_info(&info, k.pid);
	let_go(&k);
	R(waitid(P_ALL, 0, NULL, WEXITED));
}

static void *wait_by_pidfd(void *arg)
{
	siginfo_t info;

	blocks();
	R(waitid(P_PIDFD, (id_t)(long)arg, &info, WEXITED));
	SAY("code %d status %d", info.si_code, info.si_status);
	return NULL;
}

CASE(waitid_by_pidfd)
{
	struct kid k = kid(7);
	long fd = syscall(SYS_pidfd_open, k.pid, 0);
	struct flow *f = flow(wait_by_pidfd, (void *)fd);
	siginfo_t info;

	await_blocked(1);
	let_go(&k);
	flow_end(f);
	R(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
	close((int)fd);
}

CASE(waitid_by_a_nonblocking_pidfd)
{
	struct kid k = kid(7);
	int fd = (int)syscall(SYS_pidfd_open, k.pid, O_NONBLOCK);
	siginfo_t info;

	R(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
	let_go(&k);
	await_end(k.pid);
	R(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
	close(fd);
}

/* --- Groups, and kinds of children */

static void *wait_for_group(void *arg)
{
	struct question *q = arg;
	int status = -1;

	blocks();
	R(waitpid(-q->k.pid, &status, 0) == q->k.pid);
	say_status(status);
	return NULL;
}

CASE(groups)
{
	struct question q = { .k = kid_of_group(8, true) };
	struct kid other = kid(9);
	struct flow *f = flow(wait_for_group, &q);
	int status;

	await_blocked(1);
	let_go(&other);
	await_end(other.pid);
	let_go(&q.k);
	flow_end(f);
	R(waitpid(-q.k.pid, NULL, 0));
	R(waitpid(0, &status, 0) == other.pid);
	say_status(status);
}

CASE(kinds)
{
	struct kid k = kid(8);
	int status;

	R(waitpid(k.pid, &status, __WCLONE));
	let_go(&k);
	R(waitpid(k.pid, &status, __WALL) == k.pid);
	say_status(status);
	k = kid(9);
	let_go(&k);
	R(waitpid(k.pid, &status, __WNOTHREAD | __WALL) == k.pid || errno == ECHILD);
	waitpid(k.pid, &status, 0);
}

/* --- Resources */

static void *wait_with_usage(void *arg)
{
	struct question *q = arg;
	struct rusage usage;
	int status;

	memset(&usage, 0, sizeof(usage));
	blocks();
	R(wait4(q->k.pid, &status, 0, &usage) == q->k.pid);
	SAY("some memory: %d, pages: %d", usage.ru_maxrss > 100, usage.ru_minflt > 0);
	return NULL;
}

CASE(wait4_tells_the_childs_resources)
{
	struct question q = { .k = kid(0) };
	struct flow *f = flow(wait_with_usage, &q);

	await_blocked(1);
	let_go(&q.k);
	flow_end(f);
}

static void burn(int ms)
{
	struct rusage usage;

	do {
		for (volatile int i = 0; i < 1000000; i++)
			;
		getrusage(RUSAGE_SELF, &usage);
	} while (usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 < ms);
}

/* One has computed, the other has not: each is told its own. */
CASE(resources_are_those_of_the_child)
{
	struct kid idle = kid(0);
	struct rusage usage = { .ru_maxrss = 0 };
	pid_t busy = fork();
	int status;

	if (busy == 0) {
		burn(60);
		_exit(0);
	}
	R(wait4(busy, &status, 0, &usage) == busy);
	SAY("computed: %d", usage.ru_utime.tv_usec >= 50000);
	let_go(&idle);
	R(wait3(&status, 0, &usage) == idle.pid);
	SAY("computed: %d", usage.ru_utime.tv_usec >= 50000);
}
