/* SPDX-License-Identifier: Apache-2.0
 *
 * sigwait, sigwaitinfo and sigtimedwait: a signal that is blocked everywhere is taken by who waits for it,
 * whether it was sent before or after, to the thread or to the process; others run on meanwhile; a time
 * that is up is EAGAIN, the handler of another signal EINTR, except in sigwait, which goes on.
 */
#include "calls/blocked.h"

static sigset_t usr1;
static int handled;

static void count(int sig)
{
	(void)sig;
	handled++;
}

static void *waits(void *arg)
{
	siginfo_t info;
	int sig = 0;

	about_to_block();
	CHECK_EQ(sigwait(&usr1, &sig), 0);
	CHECK_EQ(sig, SIGUSR1);
	about_to_block();
	errno = 1234;
	CHECK_EQ(sigwaitinfo(&usr1, &info), SIGUSR1);
	CHECK_EQ(errno, 1234);
	CHECK_EQ(info.si_signo, SIGUSR1);
	CHECK_EQ(info.si_pid, getpid());
	return arg;
}

static void *is_interrupted(void *arg)
{
	struct timespec long_time = ms_span(100000);
	int sig;

	about_to_block();
	CHECK_ERRNO(sigtimedwait(&usr1, NULL, &long_time), EINTR);
	about_to_block();
	CHECK_ERRNO(sigwaitinfo(&usr1, NULL), EINTR);
	about_to_block();
	CHECK_EQ(sigwait(&usr1, &sig), 0);
	CHECK_EQ(handled, 3);
	return arg;
}

static void *is_cancelled(void *arg)
{
	int sig;

	about_to_block();
	sigwait(&usr1, &sig);
	return arg;
}

int main(void)
{
	struct timespec none = { 0 }, bad = { 0, -1 }, short_time = ms_span(5);
	pthread_t t;
	int64_t t0;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	on_signal(SIGUSR2, count, SA_RESTART);

	t = start(waits, NULL);
	await_blocked(1);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	await_blocked(2);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	finish(t);

	t = start(is_interrupted, NULL);
	for (int i = 3; i <= 5; i++) {
		await_blocked(i);
		CHECK_EQ(pthread_kill(t, SIGUSR2), 0);
	}
	while (*(volatile int *)&handled < 3)
		sched_yield();
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	finish(t);

	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(sigtimedwait(&usr1, NULL, &none), SIGUSR1);
	CHECK_ERRNO(sigtimedwait(&usr1, NULL, &none), EAGAIN);
	CHECK_ERRNO(sigtimedwait(&usr1, NULL, &bad), EINVAL);
	t0 = mono_ms();
	CHECK_ERRNO(sigtimedwait(&usr1, NULL, &short_time), EAGAIN);
	CHECK(mono_ms() - t0 >= 5);

	t = start(is_cancelled, NULL);
	await_blocked(6);
	CHECK_EQ(pthread_cancel(t), 0);
	CHECK(finish(t) == PTHREAD_CANCELED);
	CHECK_VERIFY();
	return 0;
}
