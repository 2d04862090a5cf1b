/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs that are started, in all of libc's ways, and what they begin with.
 *
 * timeout: 120
 */
#include "diff/started.h"
#include "diff/parked.h"
#include <pty.h>

/* --- posix_spawn */

CASE(spawn_and_wait)
{
	spawn_and_say("echo out; exit 7", NULL);
	spawn_and_say("kill -TERM $$", NULL);
}

CASE(what_cannot_be_spawned)
{
	char *argv[] = { (char *)"x", NULL };
	pid_t pid;

	E(posix_spawn(&pid, "/nowhere/at/all", NULL, NULL, argv, environ));
	E(posix_spawn(&pid, "/", NULL, NULL, argv, environ));
	E(posix_spawnp(&pid, "no-such-program-here", NULL, NULL, argv, environ));
	R(wait(NULL));
}

CASE(spawnp_looks_along_the_path)
{
	char *argv[] = { (char *)"true", NULL };
	int status;
	pid_t pid;

	E(posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
}

/* Of the calling thread, not of the kernel thread that runs all. */
static void *spawn_with_mask(void *arg)
{
	block(SIGUSR1);
	block(SIGRTMIN + 3);
	spawn_and_say(SAY_SETS, NULL);
	return arg;
}

CASE(the_mask_is_the_callers)
{
	flow_end(flow(spawn_with_mask, NULL));
	spawn_and_say(SAY_SETS, NULL);
}

static void *fork_with_mask(void *arg)
{
	int status;
	pid_t pid;

	block(SIGUSR1);
	pid = fork();
	if (pid == 0) {
		block(SIGUSR2);
		execl("/bin/sh", "sh", "-c",
		      "echo 100 forked; " SAY_SETS " | while read l; do echo 100 $l; done", (char *)NULL);
		_exit(99);
	}
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	return arg;
}

CASE(the_mask_of_a_forked_child)
{
	flow_end(flow(fork_with_mask, NULL));
}

CASE(the_mask_that_is_asked_for)
{
	posix_spawnattr_t attr;
	sigset_t set;

	block(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &set);
	spawn_and_say(SAY_SETS, &attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	spawn_and_say(SAY_SETS, &attr);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	spawn_and_say(SAY_SETS, &attr);
	posix_spawnattr_destroy(&attr);
}

static void ignore_it(int sig)
{
	(void)sig;
}

CASE(handlers_end_and_what_is_ignored_stays)
{
	posix_spawnattr_t attr;
	sigset_t set;

	on_signal(SIGUSR1, ignore_it, 0);
	on_signal(SIGUSR2, SIG_IGN, 0);
	on_signal(SIGHUP, SIG_IGN, 0);
	spawn_and_say(SAY_SETS, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	spawn_and_say(SAY_SETS, &attr);
	posix_spawnattr_destroy(&attr);
}

CASE(a_group_and_a_session_of_its_own)
{
	posix_spawnattr_t attr;
	int out, status;
	pid_t pid;

	posix_spawnattr_init(&attr);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	E(spawn_shell("read x", &attr, &pid, &out));
	R(getpgid(pid) == pid);
	R(waitpid(-pid, &status, 0) == pid);
	say_status(status);
	close(out);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	E(spawn_shell("read x", &attr, &pid, &out));
	R(getsid(pid) == pid);
	R(waitpid(pid, &status, 0) == pid);
	close(out);
	posix_spawnattr_destroy(&attr);
}

/* None of our own descriptors, nor those that close on exec. */
CASE(descriptors_of_the_program)
{
	int end[2];

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	spawn_and_say("for f in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$f ] && echo $f; done; echo all", NULL);
	CHECK_EQ(fcntl(end[1], F_SETFD, 0), 0);
	spawn_and_say("[ -e /proc/self/fd/4 ] && echo inherited", NULL);
	close(end[0]);
	close(end[1]);
}

/* --- Beside others */

static void *all_ways(void *arg)
{
	char line[20] = "";
	int status;
	FILE *f;
	pid_t pid;

	spawn_and_say("exit 1", NULL);
	say_status(system("exit 2"));
	f = popen("echo three; exit 3", "r");
	P(fgets(line, sizeof(line), f));
	SHOW(line, (long)strlen(line));
	say_status(pclose(f));
	pid = vfork();
	if (pid == 0)
		execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
		_exit(99);
	}
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	return arg;
}

CASE(all_ways_beside_parked_ones)
{
	struct flow *f[4];

	CHECK_EQ(pipe(park_pipe), 0);
	pthread_mutex_lock(&mutex);
	f[0] = flow(park_in_read, NULL);
	f[1] = flow(park_in_lock, NULL);
	f[2] = flow(park_in_sleep, NULL);
	await_blocked(3);
	f[3] = flow(all_ways, NULL);
	flow_end(f[3]);
	pthread_mutex_unlock(&mutex);
	CHECK_EQ(write(park_pipe[1], "x", 1), 1);
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
}

CASE(all_ways_by_several_at_once)
{
	struct flow *f[3];

	for (int i = 0; i < 3; i++)
		f[i] = flow(all_ways, NULL);
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	R(wait(NULL));
}

/* --- vfork */

static _Atomic int by_the_child;

CASE(vfork_shares_memory)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		by_the_child = 5;
		_exit(6);
	}
	R((int)by_the_child);
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
}

CASE(exec_of_a_vfork_child_fails)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/nowhere", "x", (char *)NULL);
		by_the_child = errno;
		_exit(6);
	}
	SAY("%s", errno_name(by_the_child));
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
}

CASE(what_a_vfork_child_does_to_descriptors)
{
	int end[2], status;
	pid_t pid;
	char c;

	CHECK_EQ(pipe(end), 0);
	pid = vfork();
	if (pid == 0) {
		dup2(end[1], 1);
		close(end[0]);
		close(end[1]);
		execl("/bin/echo", "echo", "echoed", (char *)NULL);
		_exit(99);
	}
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	R(read(end[0], &c, 1));
	close(end[1]);
	say_all(end[0]);
}

/* --- exec, daemon, forkpty */

static void *exec_with_mask(void *arg)
{
	block(SIGUSR1);
	if (arg)
		execl("/bin/sh", "sh", "-c",
		      "while read a b; do case $a in SigBlk:) echo 0 $a $b;; esac; done </proc/self/status",
		      (char *)NULL);
	else
		execlp("no-such-program-here", "x", (char *)NULL);
	SAY("exec failed: %s", errno_name(errno));
	return NULL;
}

CASE(exec_ends_all_flows_and_keeps_the_mask)
{
	CHECK_EQ(pipe(park_pipe), 0);
	flow(park_in_read, NULL);
	await_blocked(1);
	flow_end(flow(exec_with_mask, NULL));
	flow_end(flow(exec_with_mask, &mutex));
}

CASE(exec_that_fails_changes_nothing)
{
	sigset_t set;

	flow_end(flow(exec_with_mask, NULL));
	block(SIGUSR2);
	R(execl("/", "x", (char *)NULL));
	R(execv("/nowhere", (char *[]){ (char *)"x", NULL }));
	R(execvp("no-such-program-here", (char *[]){ (char *)"x", NULL }));
	R(execve("/etc/passwd", (char *[]){ (char *)"x", NULL }, environ));
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	SAY("USR1 %d USR2 %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2));
}

CASE(a_daemon)
{
	int end[2], status;
	pid_t pid;

	CHECK_EQ(pipe(end), 0);
	pid = fork();
	if (pid == 0) {
		if (daemon(0, 0) == -1)
			_exit(9);
		dprintf(end[1], "session %d, %s", getsid(0) == getpid(), get_current_dir_name());
		_exit(0);
	}
	close(end[1]);
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	say_all(end[0]);
}

static void *become_a_daemon(void *arg)
{
	int *end = arg, r = daemon(1, 1), fd;

	fd = open("/dev/null", O_RDONLY);
	dprintf(end[1], "%d, session %d, opens %d", r, getsid(0) == getpid(), fd >= 0);
	_exit(0);
}

/* The parent ends within it. */
CASE(daemon_of_a_process_with_flows)
{
	int end[2], status;
	pid_t pid;

	CHECK_EQ(pipe(end), 0);
	pid = fork();
	if (pid == 0) {
		says_as(100);
		flow_end(flow(become_a_daemon, end));
	}
	close(end[1]);
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	say_all(end[0]);
}

CASE(forkpty_gives_a_terminal)
{
	char text[100] = "";
	ssize_t n, at = 0;
	int master, status;
	pid_t pid = forkpty(&master, NULL, NULL, NULL);

	if (pid == 0) {
		SAY("on a terminal: %d", isatty(0) && isatty(1));
		_exit(3);
	}
	R(pid > 0);
	while ((n = read(master, text + at, sizeof(text) - 1 - (size_t)at)) > 0)
		at += n;
	SHOW(text, at);
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
}

/* --- The interrupt key */

static _Atomic int handled;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

static void *strike(void *arg)
{
	await_blocked(1);
	if (arg)
		await_ignored();
	CHECK_EQ(kill(getpid(), SIGINT), 0);
	return NULL;
}

CASE_MAIN(an_interrupt_that_is_handled_ends_wait)
{
	struct flow *f;
	int end[2];
	pid_t pid;
	char c;

	on_signal(SIGINT, on_usr1, 0);
	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(end[1]);
		_exit((int)read(end[0], &c, 1));
	}
	f = flow(strike, NULL);
	blocks();
	R(wait(NULL));
	R((int)handled);
	flow_end(f);
	close(end[1]);
	R(waitpid(pid, NULL, 0) == pid);
}

CASE_MAIN(an_interrupt_does_not_end_system)
{
	struct flow *f;
	int end[2];

	on_signal(SIGINT, on_usr1, 0);
	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	CHECK_EQ(dup2(end[0], 0), 0);
	CHECK_EQ(write(end[1], "8\n", 2), 2);
	f = flow(strike, &mutex);
	blocks();
	say_status(system("sleep 0.1; read x; exit $x"));
	R((int)handled);
	flow_end(f);
}

/* In another process of this program: it ends by the signal. */
#define INNER "DIFF_INNER"

static void run_inner(const char *name)
{
	char *argv[] = { (char *)"spawn", (char *)name, NULL };
	int status;
	pid_t pid;

	CHECK_EQ(setenv(INNER, "1", 1), 0);
	E(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ));
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
}

CASE_MAIN(an_interrupt_ends_who_waits)
{
	pid_t pid;

	if (!getenv(INNER)) {
		run_inner("an_interrupt_ends_who_waits");
		return;
	}
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	flow(strike, NULL);
	blocks();
	R(wait(NULL));
}
