/* SPDX-License-Identifier: Apache-2.0
 *
 * ppoll(): the signal mask holds for the length of the call and the old one is back when it returns,
 * a signal that was pending ends it with EINTR, and the timeout given stays as it was.
 */
#include "calls/blocked.h"
#include <poll.h>

static int p[2];
static volatile sig_atomic_t caught;

static void catch(int sig)
{
	(void)sig;
	caught++;
}

static void *write_when_blocked(void *arg)
{
	(void)arg;
	await_blocked(1);
	CHECK_EQ(write(p[1], "x", 1), 1);
	return NULL;
}

static bool blocked_now(int sig)
{
	sigset_t now;

	CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	return sigismember(&now, sig);
}

int main(void)
{
	struct pollfd f;
	struct timespec ts = ms_span(20), bad = { 0, 1000000000 };
	sigset_t usr1, none;
	int64_t t0;
	pthread_t t;

	CHECK_EQ(pipe(p), 0);
	f = (struct pollfd){ .fd = p[0], .events = POLLIN };
	t = start(write_when_blocked, NULL);
	t0 = mono_ms();
	CHECK_EQ(ppoll(&f, 0, &ts, NULL), 0);
	CHECK(mono_ms() - t0 >= 20);
	CHECK_EQ(ts.tv_nsec, 20000000);
	CHECK_ERRNO(ppoll(&f, 1, &bad, NULL), EINVAL);

	on_signal(SIGUSR1, catch, 0);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
	CHECK_EQ(caught, 0);
	CHECK_ERRNO(ppoll(&f, 1, NULL, &none), EINTR);
	CHECK_EQ(caught, 1);
	CHECK(blocked_now(SIGUSR1));

	errno = 1234;
	about_to_block();
	CHECK_EQ(ppoll(&f, 1, NULL, &none), 1);
	CHECK_EQ(errno, 1234);
	CHECK_EQ(f.revents, POLLIN);
	CHECK(blocked_now(SIGUSR1));
	finish(t);
	return 0;
}
