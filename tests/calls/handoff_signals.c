/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals and threads that have lost the scheduler: one sent to such a thread runs its handler there at
 * once, and ends its system call; one that it blocks waits, and disturbs nobody; those of the process go to
 * whoever leaves them unblocked, main before others, be it stuck, waiting, or on another kernel thread than
 * the one that it began on.
 */
#include "calls/handoff.h"

static struct stuck s, other;
static _Thread_local volatile int mine;
static _Atomic int total;

static void handler(int sig)
{
	(void)sig;
	mine++;
	atomic_fetch_add(&total, 1);
}

static void block(int how)
{
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(pthread_sigmask(how, &usr1, NULL), 0);
}

static bool is_pending(void)
{
	sigset_t set;

	CHECK_EQ(sigpending(&set), 0);
	return sigismember(&set, SIGUSR1);
}

/* --- To one that is stuck. */

static void *interrupted(void *arg)
{
	CHECK_EQ(get_stuck(arg), -EINTR);
	CHECK_EQ(mine, 1);
	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(mine, 1);
	return arg;
}

static void *restarted(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(mine, 1);
	return arg;
}

static void to_a_stuck_one(void *(*fn)(void *), int flags)
{
	int before = total;
	pthread_t t;

	on_signal(SIGUSR1, handler, flags);
	stuck_init(&s);
	t = start(fn, &s);
	await_stuck(&s);
	CHECK_EQ(pthread_kill(t, 0), 0);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	while (total == before)
		sched_yield();
	if (fn != restarted)
		while (s.entered < 2)
			sched_yield();
	await_stuck(&s);
	release(&s);
	finish(t);
	CHECK_EQ(total, before + 1);
	CHECK_EQ(mine, 0);
	stuck_close(&s);
}

/* --- Blocked by one that is stuck. */

static void *blocks_it(void *arg)
{
	block(SIG_BLOCK);
	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(mine, 0);
	CHECK(is_pending());
	CHECK_EQ(get_stuck(arg), 1);
	block(SIG_UNBLOCK);
	CHECK(!is_pending());
	CHECK_EQ(mine, 1);
	return arg;
}

static void blocked_by_a_stuck_one(void)
{
	int before = total;
	pthread_t t;

	on_signal(SIGUSR1, handler, 0);
	stuck_init(&s);
	t = start(blocks_it, &s);
	await_stuck(&s);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	CHECK(!is_pending());
	for (int i = 0; i < 10; i++)
		sched_yield();
	CHECK_EQ(total, before);
	release(&s);
	await_stuck(&s);
	release(&s);
	finish(t);
	CHECK_EQ(total, before + 1);
	stuck_close(&s);
}

static void *blocks_one_of_the_process(void *arg)
{
	block(SIG_BLOCK);
	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(mine, 0);
	return arg;
}

/* Restarted: which kernel thread gets it before it is passed on is not ours to say. */
static void of_the_process(void)
{
	pthread_t t;

	on_signal(SIGUSR1, handler, SA_RESTART);
	stuck_init(&s);
	t = start(blocks_one_of_the_process, &s);
	await_stuck(&s);
	mine = 0;
	for (int i = 1; i <= 10; i++) {
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		while (mine < i)
			sched_yield();
	}
	mine = 0;
	release(&s);
	finish(t);
	stuck_close(&s);
}

/* --- Main is stuck: what it leaves unblocked is its. */

static void *sends_to_main(void *arg)
{
	int before = total;

	block(SIG_BLOCK);
	await_stuck(&s);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	while (total == before)
		sched_yield();
	CHECK_EQ(mine, 0);
	while (s.entered < 2)
		sched_yield();
	await_stuck(&s);
	CHECK_EQ(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
	return arg;
}

static void main_is_stuck(void)
{
	pthread_t self = pthread_self(), t;

	on_signal(SIGUSR1, handler, 0);
	stuck_init(&s);
	mine = 0;
	t = start(sends_to_main, &self);
	CHECK_EQ(get_stuck(&s), -EINTR);
	CHECK_EQ(mine, 1);
	CHECK_EQ(get_stuck(&s), -EINTR);
	CHECK_EQ(mine, 2);
	mine = 0;
	finish(t);
	stuck_close(&s);
}

/* --- Main waits in a call of libc, after the kernel thread on which it began has been another's. */

static void *sends_when_main_waits(void *arg)
{
	int before = total;

	block(SIG_BLOCK);
	await_stuck(arg);
	release(arg);
	await_blocked(1);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	while (total == before)
		sched_yield();
	CHECK_EQ(mine, 0);
	return arg;
}

static void main_waits_elsewhere(void)
{
	pthread_t t;

	on_signal(SIGUSR1, handler, 0);
	stuck_init(&s);
	mine = 0;
	t = start(sends_when_main_waits, &s);
	CHECK_EQ(get_stuck(&s), 1);
	usleep(0); /* back among the others, so that nobody runs between the next two */
	about_to_block();
	CHECK_ERRNO(pause(), EINTR);
	CHECK_EQ(mine, 1);
	finish(t);
	stuck_close(&s);
}

/* --- A handler that interrupts one that is alone may call what others call. */

static void busy_handler(int sig)
{
	char byte;

	(void)sig;
	CHECK_EQ(write(other.fds[1], "h", 1), 1);
	CHECK_EQ(read(other.fds[0], &byte, 1), 1);
	CHECK_EQ(byte, 'h');
	usleep(0);
	handler(sig);
}

static void handlers_call(void)
{
	int before = total;
	pthread_t t;

	on_signal(SIGUSR1, busy_handler, 0);
	stuck_init(&s);
	stuck_init(&other);
	t = start(interrupted, &s);
	await_stuck(&s);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	while (total == before || s.entered < 2)
		sched_yield();
	await_stuck(&s);
	release(&s);
	finish(t);
	stuck_close(&s);
	stuck_close(&other);
}

/* --- Raised by one that is alone, and waited for by it. */

static void *raises(void *arg)
{
	sigset_t usr1;
	int sig;

	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(mine, 1);
	block(SIG_BLOCK);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(mine, 1);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(sigwait(&usr1, &sig), 0);
	CHECK_EQ(sig, SIGUSR1);
	CHECK_EQ(mine, 1);
	block(SIG_UNBLOCK);
	return arg;
}

static void raised_by_one_alone(void)
{
	pthread_t t;

	on_signal(SIGUSR1, handler, 0);
	stuck_init(&s);
	t = start(raises, &s);
	await_stuck(&s);
	release(&s);
	finish(t);
	stuck_close(&s);
}

int main(void)
{
	to_a_stuck_one(interrupted, 0);
	to_a_stuck_one(restarted, SA_RESTART);
	blocked_by_a_stuck_one();
	of_the_process();
	main_is_stuck();
	main_waits_elsewhere();
	handlers_call();
	raised_by_one_alone();
	CHECK_VERIFY();
	return 0;
}
