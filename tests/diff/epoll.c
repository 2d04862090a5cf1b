/* SPDX-License-Identifier: Apache-2.0
 *
 * epoll: which events, how often, for whom; epolls in epolls; errors of each call.
 */
#include "diff/mask.h"
#include "diff/net.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int ep;

static int ctl(int where, int op, int fd, uint32_t events, int data)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)data };

	return epoll_ctl(where, op, fd, &ev);
}

static void say_events(const struct epoll_event *ev, int n)
{
	for (int i = 0; i < n; i++)
		SAY("  %d:%s", (int)ev[i].data.u64, bits((int)ev[i].events));
}

/* The events of at most 8, without waiting. */
static void look(int where)
{
	struct epoll_event ev[8];

	say_events(ev, R(epoll_wait(where, ev, 8, 0)));
}

static void *do_wait(void *where)
{
	struct epoll_event ev[8];

	blocks();
	say_events(ev, R(epoll_wait(of(where), ev, 8, -1)));
	return NULL;
}

static void wait_meanwhile(void *(*act)(void *), int on)
{
	struct flow *f = blocked_flow(do_wait, num(ep));

	act(num(on));
	flow_end(f);
}

static void make(void)
{
	ep = epoll_create1(EPOLL_CLOEXEC);
	CHECK(ep != -1);
}

CASE(epoll_creates)
{
	int fd = FD(epoll_create(1));

	SAY("%d", fcntl(fd, F_GETFD));
	fd = FD(epoll_create1(EPOLL_CLOEXEC));
	SAY("%d", fcntl(fd, F_GETFD));
	FD(epoll_create(0));
	FD(epoll_create(-1));
	FD(epoll_create1(77));
}

CASE(epoll_ctl_errors)
{
	int s[2], file = open("file", O_CREAT | O_RDWR, 0600), other;

	make();
	other = epoll_create1(0);
	stream_pair(s);
	R(ctl(-1, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	R(ctl(999, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	R(ctl(s[0], EPOLL_CTL_ADD, s[1], EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_ADD, 999, EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_ADD, file, EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
	R(ctl(ep, 77, s[0], EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_MOD, s[0], EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_DEL, s[0], 0, 0));
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLOUT, 1));
	R(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], nowhere));
	R(epoll_ctl(ep, EPOLL_CTL_DEL, s[0], NULL));
	R(ctl(ep, EPOLL_CTL_ADD, other, EPOLLIN, 1));
	R(ctl(other, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_ADD, s[1], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
	R(ctl(ep, EPOLL_CTL_ADD, s[1], EPOLLIN | EPOLLEXCLUSIVE, 1));
	R(ctl(ep, EPOLL_CTL_MOD, s[1], EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_DEL, other, 0, 0));
	R(ctl(ep, EPOLL_CTL_ADD, other, EPOLLIN | EPOLLEXCLUSIVE, 1));
}

CASE(epoll_wait_errors)
{
	struct epoll_event ev;
	volatile int negative = -1, many = 1 << 30;
	int s[2];

	make();
	stream_pair(s);
	R(epoll_wait(-1, &ev, 1, 0));
	R(epoll_wait(999, &ev, 1, 0));
	R(epoll_wait(s[0], &ev, 1, -1));
	R(epoll_wait(open("/dev/null", O_RDONLY), &ev, 1, -1));
	R(epoll_wait(ep, &ev, 0, -1));
	R(epoll_wait(ep, &ev, negative, -1));
	R(epoll_wait(ep, &ev, many, -1));
	R(epoll_wait(ep, nowhere, 1, 0));
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLOUT, 1));
	R(epoll_wait(ep, nowhere, 1, 0));
	R(epoll_pwait(ep, nowhere, 1, -1, NULL));
	R(epoll_wait(ep, &ev, 1, -1));
}

CASE(epoll_timeouts)
{
	struct epoll_event ev;
	struct timespec ts = { 0, 20000000 }, zero = { 0, 0 }, bad = { 0, 1000000000 }, negative = { -1, 0 };

	make();
	R(epoll_wait(ep, &ev, 1, 0));
	LASTS(20, R(epoll_wait(ep, &ev, 1, 20)));
	LASTS(20, R(epoll_pwait(ep, &ev, 1, 20, NULL)));
	LASTS(20, R(epoll_pwait2(ep, &ev, 1, &ts, NULL)));
	SAY("%ld %ld", (long)ts.tv_sec, ts.tv_nsec);
	R(epoll_pwait2(ep, &ev, 1, &zero, NULL));
	R(epoll_pwait2(ep, &ev, 1, &bad, NULL));
	R(epoll_pwait2(ep, &ev, 1, &negative, NULL));
	R(epoll_pwait2(-1, &ev, 1, &bad, NULL));
	R(epoll_pwait2(-1, &ev, 1, &zero, NULL));
}

CASE(epoll_level)
{
	int s[2];
	char c;

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP, 1));
	look(ep);
	do_send(num(s[1]));
	look(ep);
	look(ep);
	R(recv(s[0], &c, 1, 0));
	look(ep);
	R(close(s[1]));
	look(ep);
	R(ctl(ep, EPOLL_CTL_MOD, s[0], 0, 2));
	look(ep);
}

CASE(epoll_waits)
{
	int s[2], e = eventfd(0, 0);

	make();
	tcp_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLPRI | EPOLLRDHUP, 1));
	wait_meanwhile(do_send, s[1]);
	do_recv(num(s[0]));
	wait_meanwhile(do_shut_wr, s[1]);
	R(ctl(ep, EPOLL_CTL_DEL, s[0], 0, 0));
	R(ctl(ep, EPOLL_CTL_ADD, e, EPOLLIN, 2));
	R(eventfd_write(e, 1));
	do_wait(num(ep));
}

static void *do_add(void *fd)
{
	R(ctl(ep, EPOLL_CTL_ADD, of(fd), EPOLLOUT, 3));
	return NULL;
}

static void *do_mod(void *fd)
{
	R(ctl(ep, EPOLL_CTL_MOD, of(fd), EPOLLOUT, 4));
	return NULL;
}

CASE(epoll_changed_under_wait)
{
	int s[2];

	make();
	stream_pair(s);
	wait_meanwhile(do_add, s[0]);
	R(ctl(ep, EPOLL_CTL_MOD, s[0], EPOLLIN, 5));
	wait_meanwhile(do_mod, s[0]);
}

CASE(epoll_edge)
{
	int s[2];
	char c;

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLET, 1));
	look(ep);
	wait_meanwhile(do_send, s[1]);
	look(ep);
	wait_meanwhile(do_send, s[1]);
	look(ep);
	R(recv(s[0], &c, 1, 0));
	look(ep);
	R(ctl(ep, EPOLL_CTL_MOD, s[0], EPOLLIN | EPOLLET, 2));
	look(ep);
	look(ep);
}

CASE(epoll_edge_out)
{
	int s[2];

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLOUT | EPOLLET, 1));
	look(ep);
	look(ep);
	do_send(num(s[0]));
	do_recv(num(s[1]));
	look(ep);
}

CASE(epoll_oneshot)
{
	int s[2];

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLONESHOT, 1));
	wait_meanwhile(do_send, s[1]);
	look(ep);
	do_send(num(s[1]));
	look(ep);
	R(close(s[1]));
	look(ep);
	R(ctl(ep, EPOLL_CTL_MOD, s[0], EPOLLIN | EPOLLONESHOT, 2));
	look(ep);
	look(ep);
}

CASE(epoll_max_events)
{
	int s[2], t[2];
	struct epoll_event ev[2];

	make();
	stream_pair(s);
	stream_pair(t);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLOUT, 1));
	R(ctl(ep, EPOLL_CTL_ADD, t[0], EPOLLOUT, 2));
	say_events(ev, R(epoll_wait(ep, ev, 1, -1)));
	say_events(ev, R(epoll_wait(ep, ev, 1, -1)));
	say_events(ev, R(epoll_wait(ep, ev, 1, -1)));
	say_events(ev, R(epoll_wait(ep, ev, 2, -1)));
}

/* --- Numbers and descriptions */

CASE(epoll_closed_number)
{
	int s[2];

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	do_send(num(s[1]));
	R(close(s[0]));
	look(ep);
	R(ctl(ep, EPOLL_CTL_DEL, s[0], 0, 0));
}

CASE(epoll_closed_number_with_dup)
{
	int s[2], t;

	make();
	stream_pair(s);
	t = dup(s[0]);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	R(close(s[0]));
	wait_meanwhile(do_send, s[1]);
	R(ctl(ep, EPOLL_CTL_DEL, s[0], 0, 0));
	look(ep);
	R(close(t));
	look(ep);
}

CASE(epoll_dup_is_another)
{
	struct epoll_event ev[8];
	int s[2], t;

	make();
	stream_pair(s);
	t = dup(s[0]);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	R(ctl(ep, EPOLL_CTL_ADD, t, EPOLLIN, 2));
	do_send(num(s[1]));
	R(epoll_wait(ep, ev, 8, -1));
}

/* We wait on a number ourselves that the program has in an epoll of its own. */
CASE(epoll_beside_a_reader)
{
	int s[2];
	struct flow *f;

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLET, 1));
	f = blocked_flow(do_recv, num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
	do_send(num(s[1]));
	look(ep);
	do_recv(num(s[0]));
	R(ctl(ep, EPOLL_CTL_DEL, s[0], 0, 0));
}

CASE(epoll_reused_number)
{
	int s[2], t[2], fd;

	make();
	stream_pair(s);
	stream_pair(t);
	fd = s[0];
	R(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 1));
	wait_meanwhile(do_send, s[1]);
	R(close(fd));
	R(dup(t[0]) == fd);
	do_send(num(t[1]));
	look(ep);
	R(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 2));
	look(ep);
}

CASE(epoll_of_dup)
{
	int s[2], other;

	make();
	other = dup(ep);
	stream_pair(s);
	R(ctl(other, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	wait_meanwhile(do_send, s[1]);
	look(other);
	R(close(other));
	look(ep);
}

CASE(epoll_in_a_child)
{
	int s[2], status;
	pid_t pid;

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	do_send(num(s[1]));
	do_wait(num(ep));
	pid = fork();
	if (pid == 0) {
		says_as(90);
		do_wait(num(ep));
		R(ctl(ep, EPOLL_CTL_MOD, s[0], EPOLLIN, 2));
		_exit(0);
	}
	R(waitpid(pid, &status, 0) == pid);
	look(ep);
}

/* --- Several waiters */

static _Atomic int told;

static void *wait_for_turn(void *where)
{
	struct epoll_event ev;

	blocks();
	R(epoll_wait(of(where), &ev, 1, -1));
	told++;
	return NULL;
}

CASE(epoll_oneshot_for_one)
{
	int s[2];
	struct flow *f[3];

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLONESHOT, 1));
	for (int i = 0; i < 3; i++)
		f[i] = blocked_flow(wait_for_turn, num(ep));
	for (int i = 0; i < 3; i++) {
		R(ctl(ep, EPOLL_CTL_MOD, s[0], EPOLLOUT | EPOLLONESHOT, 1));
		while (atomic_load(&told) <= i)
			sched_yield();
	}
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
}

CASE(epoll_two_sets)
{
	int s[2], a = epoll_create1(0), b = epoll_create1(0);
	struct flow *f, *g;

	stream_pair(s);
	R(ctl(a, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	R(ctl(b, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLET, 2));
	f = blocked_flow(do_wait, num(a));
	g = blocked_flow(do_wait, num(b));
	do_send(num(s[1]));
	flow_end(f);
	flow_end(g);
}

/* --- Epolls in epolls */

static int nest(int inner, int depth)
{
	for (int i = 0; i < depth; i++) {
		int outer = epoll_create1(0);

		SAY("depth %d: %d", i, ctl(outer, EPOLL_CTL_ADD, inner, EPOLLIN, i));
		inner = outer;
	}
	return inner;
}

CASE(epoll_in_epoll)
{
	int s[2], outer;
	struct flow *f;

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN, 7));
	outer = nest(ep, 1);
	f = blocked_flow(do_wait, num(outer));
	do_send(num(s[1]));
	flow_end(f);
	look(outer);
	look(ep);
	do_recv(num(s[0]));
	look(outer);
}

/* As deep as the kernel allows, and one more. */
CASE(epoll_nested_deeply)
{
	int s[2], outer;
	struct flow *f;

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN, 7));
	outer = nest(ep, 4);
	f = blocked_flow(do_wait, num(outer));
	do_send(num(s[1]));
	flow_end(f);
	R(ctl(epoll_create1(0), EPOLL_CTL_ADD, outer, EPOLLIN, 9));
}

static void *do_poll(void *fd)
{
	struct pollfd p = { .fd = of(fd), .events = POLLIN | POLLOUT | POLLRDHUP };

	blocks();
	R(poll(&p, 1, -1));
	say_bits(&p, 1);
	return NULL;
}

CASE(epoll_in_poll)
{
	int s[2];
	struct flow *f;

	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLET, 7));
	f = blocked_flow(do_poll, num(ep));
	do_send(num(s[1]));
	flow_end(f);
	look(ep);
}

CASE(epoll_read_and_write)
{
	char c;

	make();
	R(read(ep, &c, 1));
	R(write(ep, &c, 1));
	R(recv(ep, &c, 1, 0));
}

/* --- Masks */

CASE_THREADS(epoll_pwait_pending_signal)
{
	int s[2];
	struct epoll_event ev;
	struct timespec zero = { 0, 0 };

	prepare_mask();
	make();
	stream_pair(s);
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(epoll_pwait(ep, &ev, 1, -1, &none));
	SAY("caught %d", caught);
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(epoll_pwait(ep, &ev, 1, 0, &none));
	SAY("caught %d", caught);
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(epoll_pwait2(ep, &ev, 1, &zero, &none));
	SAY("caught %d", caught);
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLOUT, 1));
	R(epoll_pwait(ep, &ev, 1, -1, &none));
	SAY("caught %d", caught);
	R(epoll_pwait2(ep, &ev, 1, NULL, &none));
	SAY("caught %d", caught);
}

static void *pwait_masked(void *where)
{
	struct epoll_event ev;

	blocks();
	R(epoll_pwait(of(where), &ev, 1, -1, &usr1));
	SAY("caught %d", caught);
	E(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL));
	SAY("caught %d", caught);
	return NULL;
}

CASE_THREADS(epoll_pwait_blocks_signal)
{
	int s[2];
	struct flow *f;

	prepare_mask();
	make();
	stream_pair(s);
	R(ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN, 1));
	f = blocked_flow(pwait_masked, num(ep));
	E(pthread_kill(f->thread, SIGUSR1));
	do_send(num(s[1]));
	flow_end(f);
}
