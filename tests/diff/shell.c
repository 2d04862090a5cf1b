/* SPDX-License-Identifier: Apache-2.0
 *
 * system and popen.
 *
 * timeout: 120
 */
#include "diff/started.h"

/* --- system */

CASE(system_tells_the_status)
{
	say_status(system("exit 7"));
	say_status(system("kill -KILL $$"));
	say_status(system("no-such-program-here 2>/dev/null"));
	R(system(NULL) != 0);
	R(system(":"));
	R(wait(NULL));
}

static void *run_reader(void *arg)
{
	blocks();
	say_status(system((const char *)arg));
	return NULL;
}

/* The command reads what flow 0 writes meanwhile. */
CASE(system_waits)
{
	struct flow *f;
	int end[2];

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	CHECK_EQ(dup2(end[0], 0), 0);
	f = flow(run_reader, (void *)"read x; exit $x");
	await_blocked(1);
	CHECK_EQ(write(end[1], "9\n", 2), 2);
	flow_end(f);
}

CASE(system_ignores_keys_until_the_last_has_ended)
{
	struct flow *a, *b;
	int one[2], two[2];

	CHECK_EQ(pipe(one), 0);
	CHECK_EQ(dup2(one[0], 7), 7);
	CHECK_EQ(pipe(two), 0);
	CHECK_EQ(dup2(two[0], 8), 8);
	a = flow(run_reader, (void *)"read x <&7; exit $x");
	await_blocked(1);
	await_ignored();
	b = flow(run_reader, (void *)"read x <&8; exit $x");
	await_blocked(2);
	CHECK_EQ(kill(getpid(), SIGINT), 0);
	CHECK_EQ(kill(getpid(), SIGQUIT), 0);
	CHECK_EQ(write(one[1], "1\n", 2), 2);
	flow_end(a);
	R(is_ignored(SIGINT));
	CHECK_EQ(kill(getpid(), SIGINT), 0);
	CHECK_EQ(write(two[1], "2\n", 2), 2);
	flow_end(b);
	R(is_ignored(SIGINT));
	R(is_ignored(SIGQUIT));
}

CASE(the_command_does_not_ignore_keys)
{
	say_status(system("kill -INT $$"));
	say_status(system("kill -QUIT $$"));
	signal(SIGINT, SIG_IGN);
	say_status(system("kill -INT $$; exit 5"));
	R(is_ignored(SIGINT));
	R(is_ignored(SIGQUIT));
}

static void *run_with_mask(void *arg)
{
	sigset_t set;

	block(SIGUSR1);
	say_status(system(SAY_SETS " >&9; exit 3"));
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	SAY("USR1 %d CHLD %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGCHLD));
	return arg;
}

CASE(the_mask_of_a_command_is_the_callers)
{
	int end[2];

	CHECK_EQ(pipe(end), 0);
	CHECK_EQ(dup2(end[1], 9), 9);
	close(end[1]);
	flow_end(flow(run_with_mask, NULL));
	close(9);
	say_all(end[0]);
}

static _Atomic int chld;

static void on_chld(int sig)
{
	(void)sig;
	chld++;
}

CASE_MAIN(sigchld_comes_when_system_is_over)
{
	on_signal(SIGCHLD, on_chld, SA_RESTART);
	say_status(system("exit 4"));
	R((int)chld);
}

CASE(system_where_sigchld_is_ignored)
{
	signal(SIGCHLD, SIG_IGN);
	say_status(system("exit 4"));
}

static void *run_interrupted(void *arg)
{
	blocks();
	say_status(system("read x; exit $x"));
	return arg;
}

static _Atomic int handled;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

CASE_THREADS(a_signal_does_not_end_system)
{
	struct flow *f;
	int end[2];

	on_signal(SIGUSR1, on_usr1, 0);
	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	CHECK_EQ(dup2(end[0], 0), 0);
	f = flow(run_interrupted, NULL);
	await_blocked(1);
	await_ignored();
	CHECK_EQ(pthread_kill(f->thread, SIGUSR1), 0);
	while (!handled)
		sched_yield();
	CHECK_EQ(write(end[1], "8\n", 2), 2);
	flow_end(f);
}

CASE_THREADS(cancellation_ends_the_command)
{
	struct flow *f;
	int end[2];

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	CHECK_EQ(dup2(end[0], 0), 0);
	f = flow(run_interrupted, NULL);
	await_blocked(1);
	await_ignored();
	CHECK_EQ(pthread_cancel(f->thread), 0);
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
	R(is_ignored(SIGINT));
	R(wait(NULL));
}

/* --- popen */

static void *read_child(void *arg)
{
	FILE *f = popen("read x; echo got $x; exit 6", "r");
	char line[20] = "";

	CHECK(f);
	blocks();
	P(fgets(line, sizeof(line), f));
	SHOW(line, (long)strlen(line));
	P(fgets(line, sizeof(line), f));
	say_status(pclose(f));
	return arg;
}

CASE(popen_reads)
{
	struct flow *f;
	int end[2];

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	CHECK_EQ(dup2(end[0], 0), 0);
	f = flow(read_child, NULL);
	await_blocked(1);
	CHECK_EQ(write(end[1], "it\n", 3), 3);
	flow_end(f);
}

static void *write_child(void *arg)
{
	FILE *f = popen("read x <&7; while read line; do n=$line; done; exit $n", "w");

	CHECK(f);
	blocks();
	for (int i = 0; i < 20000; i++)
		fprintf(f, "%d\n", i % 8);
	say_status(pclose(f));
	return arg;
}

CASE(popen_writes_more_than_fits)
{
	struct flow *f;
	int end[2];

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	CHECK_EQ(dup2(end[0], 7), 7);
	f = flow(write_child, NULL);
	await_blocked(1);
	CHECK_EQ(write(end[1], "\n", 1), 1);
	flow_end(f);
}

static int (*volatile close_as_file)(FILE *f) = fclose; /* compilers know better */

static void *close_child(void *arg)
{
	FILE *f = popen("read x <&7; exit $x", "w");

	CHECK(f);
	blocks();
	say_status(arg ? close_as_file(f) : pclose(f));
	R(wait(NULL));
	return NULL;
}

static void pclose_waits(void *(*fn)(void *), void *arg)
{
	struct flow *f;
	int end[2];

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	CHECK_EQ(dup2(end[0], 7), 7);
	f = flow(fn, arg);
	await_blocked(1);
	CHECK_EQ(write(end[1], "5\n", 2), 2);
	flow_end(f);
}

CASE(pclose_waits_for_the_end)
{
	pclose_waits(close_child, NULL);
}
CASE(so_does_fclose)
{
	pclose_waits(close_child, &chld);
}

CASE(modes_of_popen)
{
	FILE *f;

	P(popen("true", ""));
	P(popen("true", "x"));
	P(popen("true", "rw"));
	P(popen("true", "rx"));
	f = P(popen("true", "r"));
	R(fcntl(fileno(f), F_GETFD));
	say_status(pclose(f));
	f = P(popen("cat >/dev/null", "we"));
	R(fcntl(fileno(f), F_GETFD));
	R(fputs("x", f));
	say_status(pclose(f));
	f = P(popen("no-such-program-here 2>/dev/null", "r"));
	R(getc(f));
	say_status(pclose(f));
	R(wait(NULL));
}

/* A child has none of the pipes to others, or this would never end. */
CASE(children_do_not_have_others_pipes)
{
	FILE *a = popen("cat >/dev/null; exit 1", "w"), *b = popen("cat >/dev/null; exit 2", "w"),
	     *c = popen("cat >/dev/null; exit 3", "w");

	say_status(pclose(b));
	say_status(pclose(a));
	say_status(pclose(c));
}

CASE(pclose_of_who_is_waited_for)
{
	FILE *f = popen("exit 3", "r");
	int status;

	R(getc(f));
	R(wait(&status) > 0);
	say_status(status);
	R(pclose(f));
}

CASE(pclose_of_who_does_not_read)
{
	FILE *f = popen("exit 0", "w");
	siginfo_t info;

	signal(SIGPIPE, SIG_IGN);
	waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
	R(fputs("text", f));
	R(pclose(f));
	f = popen("exit 3", "w");
	waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
	R(fputs("text", f));
	say_status(pclose(f));
}
