/* SPDX-License-Identifier: Apache-2.0
 *
 * Each thread has a signal mask of its own: inherited from its creator, changed for itself only; a
 * signal sent to a thread that blocks it waits there, is seen by sigpending, and is delivered at the
 * unblock; a signal of the process goes to a thread that does not block it.
 */
#include "calls/blocked.h"

static _Thread_local volatile int mine;
static _Atomic int total;
static int p[2];

static void handler(int sig)
{
	(void)sig;
	mine++;
	atomic_fetch_add(&total, 1);
}

static sigset_t set_of(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	if (sig)
		sigaddset(&set, sig);
	return set;
}

static bool blocks(int sig)
{
	sigset_t now;

	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	return sigismember(&now, sig);
}

static void *blocker(void *arg)
{
	sigset_t usr1 = set_of(SIGUSR1), old, pending;
	char c;

	CHECK(!blocks(SIGUSR1));
	CHECK(blocks(SIGUSR2)); /* from the creator */
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, &old), 0);
	about_to_block();
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(mine, 0);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK(sigismember(&pending, SIGUSR1));
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	CHECK_EQ(mine, 1);
	CHECK(!blocks(SIGUSR1));
	return arg;
}

static void *blocks_everything(void *arg)
{
	sigset_t all;
	char c;

	sigfillset(&all);
	CHECK_EQ(sigprocmask(SIG_SETMASK, &all, NULL), 0);
	CHECK(!blocks(SIGKILL));
	about_to_block();
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(mine, 0);
	return arg;
}

int main(void)
{
	sigset_t usr2 = set_of(SIGUSR2), pending;
	pthread_t t;

	CHECK_EQ(pipe(p), 0);
	on_signal(SIGUSR1, handler, 0);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr2, NULL), 0);
	t = start(blocker, NULL);
	await_blocked(1);
	CHECK(!blocks(SIGUSR1));
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	CHECK_EQ(mine, 0);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK(!sigismember(&pending, SIGUSR1));
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(mine, 1);
	CHECK_EQ(write(p[1], "x", 1), 1);
	finish(t);
	CHECK_EQ(total, 2);

	t = start(blocks_everything, NULL);
	await_blocked(2);
	CHECK(!blocks(SIGUSR1));
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	while (total < 3)
		sched_yield();
	CHECK_EQ(mine, 2);
	CHECK_EQ(write(p[1], "x", 1), 1);
	finish(t);
	CHECK(blocks(SIGUSR2));
	CHECK_EQ(pthread_sigmask(77, &usr2, NULL), EINVAL);
	return 0;
}
