/* SPDX-License-Identifier: Apache-2.0
 *
 * sigwait, sigwaitinfo and sigtimedwait: a signal that is blocked everywhere is taken by who waits for it,
 * whether it was sent before or after, to the thread or to the process; others run on meanwhile; a time
 * that is up is EAGAIN, the handler of another signal EINTR, except in sigwait, which goes on.  A signal that
 * is not blocked everywhere: the thread takes what was sent to it, main handles what was sent to the process.
 */
#include "calls/blocked.h"

static sigset_t usr1;
static volatile int handled;

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

static void *waits_unblocked(void *arg)
{
	int sig;

	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
	about_to_block();
	CHECK_EQ(sigwait(&usr1, &sig), 0);
	CHECK_EQ(handled, *(int *)arg);
	return NULL;
}

static void *reads_unblocked(void *arg)
{
	char c;

	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
	about_to_block();
	CHECK_EQ(read(*(int *)arg, &c, 1), 1);
	return NULL;
}

static void *takes_queued(void *arg)
{
	siginfo_t info;

	about_to_block();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sigwaitinfo(arg, &info), SIGRTMIN + 1);
		CHECK_EQ(info.si_value.sival_int, i);
	}
	return NULL;
}

/* A green one does not block them; of native ones the kernel might choose the sender then. */
static void *queues(void *arg)
{
	if (is_green())
		CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, arg, NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = i }), 0);
	return NULL;
}

static void queued(int blocked)
{
	int expect = handled;
	sigset_t set;
	pthread_t t;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	on_signal(SIGRTMIN + 1, count, 0);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	t = start(takes_queued, &set);
	await_blocked(blocked);
	finish(start(queues, &set));
	finish(t);
	CHECK_EQ(handled, expect);
}

static void not_blocked_everywhere(int blocked)
{
	int p[2], expect = handled;
	pthread_t t, reader;

	on_signal(SIGUSR1, count, SA_RESTART);
	t = start(waits_unblocked, &expect);
	await_blocked(blocked);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	finish(t);

	expect++;
	t = start(waits_unblocked, &expect);
	await_blocked(blocked + 1);
	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL), 0);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(handled, expect);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	finish(t);

	/* The kernel would choose any of the two. */
	CHECK_EQ(pipe(p), 0);
	reader = start(reads_unblocked, &p[0]);
	t = start(waits_unblocked, &expect);
	await_blocked(blocked + 3);
	if (is_green())
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	else
		CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	finish(t);
	CHECK_EQ(write(p[1], "x", 1), 1);
	finish(reader);
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
	while (handled < 3)
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
	queued(7);
	not_blocked_everywhere(8);
	CHECK_VERIFY();
	return 0;
}
