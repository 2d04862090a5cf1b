/* SPDX-License-Identifier: Apache-2.0
 *
 * pause() and sigsuspend(): wait for a signal with a handler, end with EINTR, let the other threads
 * run meanwhile, and sigsuspend puts the mask back.
 */
#include "calls/blocked.h"

static volatile sig_atomic_t caught;
static int p[2];

static void catch(int sig)
{
	(void)sig;
	caught++;
}

static void *pauser(void *arg)
{
	about_to_block();
	CHECK_ERRNO(pause(), EINTR);
	CHECK_EQ(caught, 1);
	return arg;
}

static void *suspender(void *arg)
{
	sigset_t none, usr1, now;

	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	about_to_block();
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	CHECK(sigismember(&now, SIGUSR1));
	return arg;
}

static void *from_thread(void *arg)
{
	await_blocked(3);
	CHECK_EQ(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
	return NULL;
}

int main(void)
{
	pthread_t t, self = pthread_self();

	CHECK_EQ(pipe(p), 0);
	on_signal(SIGUSR1, catch, SA_RESTART);
	t = start(pauser, NULL);
	await_blocked(1);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	finish(t);

	t = start(suspender, NULL);
	await_blocked(2);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	finish(t);
	CHECK_EQ(caught, 2);

	t = start(from_thread, &self);
	about_to_block();
	CHECK_ERRNO(pause(), EINTR);
	CHECK_EQ(caught, 3);
	finish(t);
	return 0;
}
