/* SPDX-License-Identifier: Apache-2.0
 *
 * epoll_wait() and epoll_pwait(): timeouts, waits that another thread ends (also by epoll_ctl), edge
 * trigger and one shot, an epoll inside an epoll and inside poll(), several waiters, errors, the mask.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/epoll.h>

static int ep, s[2];

static void add(int where, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	CHECK_EQ(epoll_ctl(where, EPOLL_CTL_ADD, fd, &ev), 0);
}

static void *send_when_blocked(void *arg)
{
	await_blocked(*(int *)arg);
	CHECK_EQ(send(s[1], "x", 1, 0), 1);
	return NULL;
}

static void *add_when_blocked(void *arg)
{
	await_blocked(*(int *)arg);
	add(ep, s[1], EPOLLOUT);
	return NULL;
}

static void *wait_one(void *arg)
{
	struct epoll_event ev;

	(void)arg;
	about_to_block();
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	return NULL;
}

static void waits(void)
{
	int n[] = { 1, 2 };
	struct epoll_event ev[4];
	pthread_t t;
	int64_t t0 = mono_ms();

	errno = 1234;
	CHECK_EQ(epoll_wait(ep, ev, 4, 0), 0);
	CHECK_EQ(epoll_wait(ep, ev, 4, 20), 0);
	CHECK(mono_ms() - t0 >= 20);
	t = start(send_when_blocked, &n[0]);
	about_to_block();
	CHECK_EQ(epoll_wait(ep, ev, 4, -1), 1);
	CHECK_EQ(errno, 1234);
	CHECK(ev[0].data.fd == s[0] && ev[0].events == EPOLLIN);
	finish(t);
	CHECK_EQ(recv(s[0], ev, 1, 0), 1);

	t = start(add_when_blocked, &n[1]);
	about_to_block();
	CHECK_EQ(epoll_pwait(ep, ev, 4, 1000000, NULL), 1);
	CHECK_EQ(ev[0].events, EPOLLOUT);
	finish(t);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_DEL, s[1], NULL), 0);
}

static void kinds(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.fd = s[0] };
	struct pollfd p = { .events = POLLIN };
	int outer = epoll_create1(EPOLL_CLOEXEC);

	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &ev), 0);
	CHECK_EQ(send(s[1], "ab", 2, 0), 2);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 5), 0);
	ev = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.fd = s[0] };
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &ev), 0);
	add(outer, ep, EPOLLIN);
	CHECK_EQ(epoll_wait(outer, &ev, 1, -1), 1);
	CHECK_EQ(ev.data.fd, ep);
	p.fd = ep;
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 5), 0);
	CHECK_EQ(close(outer), 0);
	CHECK_EQ(recv(s[0], &p, 2, 0), 2);
	ev = (struct epoll_event){ .events = EPOLLIN, .data.fd = s[0] };
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &ev), 0);
}

static void errors(void)
{
	struct epoll_event ev;
	volatile int negative = -1;

	CHECK_ERRNO(epoll_wait(ep, &ev, 0, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(ep, &ev, negative, -1), EINVAL);
	CHECK_ERRNO(epoll_wait(-1, &ev, 1, -1), EBADF);
	CHECK_ERRNO(epoll_wait(s[0], &ev, 1, -1), EINVAL);
}

static volatile sig_atomic_t caught;

static void catch(int sig)
{
	(void)sig;
	caught++;
}

static void mask(void)
{
	struct epoll_event ev;
	sigset_t usr1, none;

	on_signal(SIGUSR1, catch, SA_RESTART);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 5), 0);
	CHECK_EQ(caught, 0);
	CHECK_ERRNO(epoll_pwait(ep, &ev, 1, -1, &none), EINTR);
	CHECK_EQ(caught, 1);
}

int main(void)
{
	pthread_t a, b;

	ep = epoll_create1(EPOLL_CLOEXEC);
	stream_pair(s);
	add(ep, s[0], EPOLLIN);
	waits();
	a = start(wait_one, NULL);
	b = start(wait_one, NULL);
	await_blocked(4);
	CHECK_EQ(send(s[1], "x", 1, 0), 1);
	finish(a);
	finish(b);
	CHECK_EQ(recv(s[0], &a, 1, 0), 1);
	kinds();
	errors();
	mask();
	return 0;
}
