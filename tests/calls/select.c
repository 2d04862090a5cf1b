/* SPDX-License-Identifier: Apache-2.0
 *
 * select() and pselect(): the three sets, an empty call as a sleep, the time left written back by
 * select() and not by pselect(), EBADF with the sets untouched, and pselect()'s signal mask.
 */
#include "calls/blocked.h"
#include <sys/select.h>

static int s[2];
static volatile sig_atomic_t caught;

static void catch(int sig)
{
	(void)sig;
	caught++;
}

static void *act_when_blocked(void *arg)
{
	(void)arg;
	await_blocked(1);
	CHECK_EQ(send(s[1], "x", 1, 0), 1);
	await_blocked(2);
	CHECK_EQ(send(s[1], "!", 1, MSG_OOB), 1);
	return NULL;
}

static void timeouts(void)
{
	struct timeval tv = { 0, 20000 }, zero = { 0, 0 };
	struct timespec ts = ms_span(20);
	int64_t t0 = mono_ms();
	fd_set in;

	CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
	CHECK(mono_ms() - t0 >= 20);
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
	t0 = mono_ms();
	CHECK_EQ(pselect(0, NULL, NULL, NULL, &ts, NULL), 0);
	CHECK(mono_ms() - t0 >= 20);
	CHECK_EQ(ts.tv_nsec, 20000000);
	FD_ZERO(&in);
	FD_SET(s[0], &in);
	CHECK_EQ(select(s[0] + 1, &in, NULL, NULL, &zero), 0);
	CHECK(!FD_ISSET(s[0], &in));
	tv = (struct timeval){ -1, 0 };
	CHECK_ERRNO(select(0, NULL, NULL, NULL, &tv), EINVAL);
}

static void sets(void)
{
	struct timeval tv = { 1000, 0 };
	fd_set in, out, ex;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(s[0], &in);
	FD_SET(s[0], &out);
	FD_SET(s[0], &ex);
	errno = 1234;
	CHECK_EQ(select(s[0] + 1, &in, &out, &ex, NULL), 1);
	CHECK(!FD_ISSET(s[0], &in) && FD_ISSET(s[0], &out) && !FD_ISSET(s[0], &ex));

	FD_SET(s[0], &in);
	about_to_block();
	CHECK_EQ(select(s[0] + 1, &in, NULL, NULL, &tv), 1);
	CHECK_EQ(errno, 1234);
	CHECK(FD_ISSET(s[0], &in));
	CHECK(tv.tv_sec < 1000 && tv.tv_sec > 900);
	CHECK_EQ(recv(s[0], &tv, 1, 0), 1);

	FD_SET(s[0], &ex);
	about_to_block();
	CHECK_EQ(pselect(s[0] + 1, NULL, NULL, &ex, NULL, NULL), 1);
	CHECK(FD_ISSET(s[0], &ex));
}

static void errors(void)
{
	fd_set in;
	int closed = dup(s[0]);

	CHECK_EQ(close(closed), 0);
	FD_ZERO(&in);
	FD_SET(s[0], &in);
	FD_SET(closed, &in);
	CHECK_ERRNO(select(closed + 1, &in, NULL, NULL, NULL), EBADF);
	CHECK(FD_ISSET(s[0], &in) && FD_ISSET(closed, &in));
	CHECK_ERRNO(select(-1, NULL, NULL, NULL, NULL), EINVAL);
}

static void mask(void)
{
	sigset_t usr1, none, now;

	on_signal(SIGUSR1, catch, SA_RESTART);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
	CHECK_ERRNO(pselect(0, NULL, NULL, NULL, NULL, &none), EINTR);
	CHECK_EQ(caught, 1);
	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &usr1, &now), 0);
	CHECK(sigismember(&now, SIGUSR1));
}

int main(void)
{
	pthread_t t;

	tcp_pair(s);
	t = start(act_when_blocked, NULL);
	timeouts();
	sets();
	errors();
	mask();
	finish(t);
	return 0;
}
