/* SPDX-License-Identifier: Apache-2.0
 *
 * poll and ppoll: which bits of which descriptor, at once and after a wait; timeouts, masks, errors.
 */
#include "diff/mask.h"
#include "diff/net.h"
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#define ALL                                                                                                    \
	(POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND |          \
	 POLLERR | POLLHUP | POLLNVAL)

static void look_at(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = ALL, .revents = -1 };

	SAY("%s", what);
	R(poll(&p, 1, 0));
	say_bits(&p, 1);
	p.events = 0;
	R(poll(&p, 1, 0));
	say_bits(&p, 1);
}

CASE(poll_sockets_at_once)
{
	int s[2], t;
	struct sockaddr_in addr;

	look_at("a fresh socket", tcp_socket());
	look_at("a listener", tcp_listener(&addr, 1));
	look_at("udp", udp_socket(&addr));
	tcp_pair(s);
	look_at("tcp", s[0]);
	R(send(s[1], "ab", 2, MSG_OOB));
	look_at("with urgent data", s[0]);
	R(shutdown(s[1], SHUT_WR));
	look_at("peer has shut down", s[0]);
	R(shutdown(s[0], SHUT_WR));
	look_at("both have", s[0]);
	stream_pair(s);
	look_at("unix", s[0]);
	R(shutdown(s[0], SHUT_RD));
	look_at("shut for reading", s[0]);
	look_at("its peer", s[1]);
	R(close(s[1]));
	look_at("without a peer", s[0]);
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	look_at("fresh unix", t);
}

CASE(poll_others_at_once)
{
	int p[2], fd;
	char room[4096];

	R(pipe2(p, O_NONBLOCK));
	look_at("an empty pipe", p[0]);
	look_at("its writing end", p[1]);
	while (write(p[1], room, sizeof(room)) > 0)
		;
	look_at("a full pipe", p[0]);
	look_at("its writing end", p[1]);
	R(close(p[0]));
	look_at("nobody reads", p[1]);
	R(pipe(p));
	R(close(p[1]));
	look_at("nobody writes", p[0]);
	look_at("a file", open("file", O_CREAT | O_RDWR, 0600));
	look_at("a folder", open(".", O_RDONLY));
	look_at("/dev/null", open("/dev/null", O_RDWR));
	fd = eventfd(0, 0);
	look_at("eventfd 0", fd);
	R(eventfd_write(fd, 0xfffffffffffffffe));
	look_at("full eventfd", fd);
	look_at("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	look_at("nothing", 999);
	look_at("negative", -7);
	look_at("a path", open(".", O_PATH));
}

CASE(poll_several)
{
	int s[2], p[2];
	struct pollfd f[7];

	stream_pair(s);
	R(pipe(p));
	do_send(num(s[1]));
	f[0] = (struct pollfd){ s[0], POLLIN, -1 };
	f[1] = (struct pollfd){ -1, POLLIN, -1 };
	f[2] = (struct pollfd){ s[0], POLLOUT, -1 };
	f[3] = (struct pollfd){ s[0], POLLIN | POLLOUT, -1 };
	f[4] = (struct pollfd){ p[0], POLLIN, -1 };
	f[5] = (struct pollfd){ 999, POLLIN, -1 };
	f[6] = (struct pollfd){ s[0], 0, -1 };
	R(poll(f, 7, -1));
	say_bits(f, 7);
	R(poll(f, 2, 0));
	say_bits(f, 2);
	R(poll(&f[4], 1, 0));
	say_bits(&f[4], 1);
}

CASE(poll_timeouts)
{
	int s[2];
	struct pollfd p = { .events = POLLIN };

	stream_pair(s);
	p.fd = s[0];
	R(poll(&p, 1, 0));
	LASTS(20, R(poll(&p, 1, 20)));
	p.fd = -1;
	LASTS(20, R(poll(&p, 1, 20)));
	LASTS(20, R(poll(NULL, 0, 20)));
	p.fd = s[1];
	p.events = POLLOUT;
	R(poll(&p, 1, -1));
	R(poll(&p, 1, -77));
}

CASE(ppoll_timeouts)
{
	int s[2];
	struct pollfd p = { .events = POLLIN };
	struct timespec ts = { 0, 20000000 }, none = { 0, 0 }, bad = { 0, 1000000000 }, negative = { -1, 0 };
	struct timespec bad2 = { 0, -1 };

	stream_pair(s);
	p.fd = s[0];
	LASTS(20, R(ppoll(&p, 1, &ts, NULL)));
	SAY("%ld %ld", (long)ts.tv_sec, ts.tv_nsec);
	R(ppoll(&p, 1, &none, NULL));
	R(ppoll(&p, 1, &bad, NULL));
	R(ppoll(&p, 1, &bad2, NULL));
	R(ppoll(&p, 1, &negative, NULL));
	R(ppoll(NULL, 0, &none, NULL));
	do_send(num(s[1]));
	R(ppoll(&p, 1, NULL, NULL));
	R(ppoll(&p, 1, &bad, NULL));
}

CASE(poll_errors)
{
	static struct pollfd p[17];
	struct rlimit few = { 16, 16 };

	R(poll(nowhere, 1, 0));
	R(poll(nowhere, 1, -1));
	R(poll(nowhere, 0, 0));
	R(setrlimit(RLIMIT_NOFILE, &few));
	R(poll(p, 17, 0));
	R(ppoll(p, 17, NULL, NULL));
}

/* --- What comes while one waits */

struct wait {
	int fd;
	short events;
};

static void *do_poll(void *arg)
{
	struct wait *w = arg;
	struct pollfd p = { .fd = w->fd, .events = w->events };

	blocks();
	R(poll(&p, 1, -1));
	say_bits(&p, 1);
	return NULL;
}

static void wait_meanwhile(int fd, short events, void *(*act)(void *), int on)
{
	struct wait w = { fd, events };
	struct flow *f = blocked_flow(do_poll, &w);

	act(num(on));
	flow_end(f);
}

static void *send_urgent(void *fd)
{
	R(send(of(fd), "!", 1, MSG_OOB));
	return NULL;
}

static void *do_eventfd_write(void *fd)
{
	R(eventfd_write(of(fd), 1));
	return NULL;
}

CASE(poll_waits_for_bytes)
{
	int s[2];

	tcp_pair(s);
	wait_meanwhile(s[0], POLLIN, do_send, s[1]);
	pair_of(SOCK_DGRAM, s);
	wait_meanwhile(s[0], POLLIN | POLLPRI, do_send, s[1]);
	R(pipe(s));
	wait_meanwhile(s[0], POLLRDNORM, do_write, s[1]);
	s[0] = s[1] = eventfd(0, 0);
	wait_meanwhile(s[0], ALL & ~POLLOUT & ~POLLWRNORM, do_eventfd_write, s[1]);
}

CASE(poll_waits_for_urgent)
{
	int s[2];

	tcp_pair(s);
	wait_meanwhile(s[0], POLLPRI, send_urgent, s[1]);
	tcp_pair(s);
	wait_meanwhile(s[0], POLLRDBAND | POLLPRI, send_urgent, s[1]);
}

CASE(poll_waits_for_end)
{
	int s[2];

	tcp_pair(s);
	wait_meanwhile(s[0], POLLRDHUP, do_shut_wr, s[1]);
	wait_meanwhile(s[0], 0, do_shut_wr, s[0]);
	stream_pair(s);
	wait_meanwhile(s[0], POLLIN, do_shut_wr, s[1]);
	stream_pair(s);
	wait_meanwhile(s[0], POLLPRI | POLLRDHUP, do_close, s[1]);
	stream_pair(s);
	wait_meanwhile(s[0], POLLIN, do_shut_rd, s[0]);
	R(pipe(s));
	wait_meanwhile(s[0], POLLIN, do_close, s[1]);
	R(pipe(s));
	wait_meanwhile(s[0], 0, do_close, s[1]);
}

static void fill_pipe(int fd)
{
	char room[4096];

	set_nonblock(fd, true);
	while (write(fd, room, sizeof(room)) > 0)
		;
	set_nonblock(fd, false);
}

static void *drain_pipe(void *fd)
{
	SAY("drained %ld", drain(of(fd), 65536));
	return NULL;
}

/* As many as poll(2) itself needs: none. */
CASE(poll_waits_without_descriptors)
{
	struct rlimit limit;
	int s[2];

	getrlimit(RLIMIT_NOFILE, &limit);
	tcp_pair(s);
	limit.rlim_cur = (rlim_t)(s[0] > s[1] ? s[0] : s[1]) + 1;
	R(setrlimit(RLIMIT_NOFILE, &limit));
	R(dup(0));
	wait_meanwhile(s[0], POLLPRI, send_urgent, s[1]);
	wait_meanwhile(s[0], POLLRDHUP, do_shut_wr, s[1]);
}

CASE(poll_waits_for_room)
{
	int s[2];

	R(pipe(s));
	fill_pipe(s[1]);
	wait_meanwhile(s[1], POLLOUT, drain_pipe, s[0]);
	fill_pipe(s[1]);
	wait_meanwhile(s[1], POLLOUT, do_close, s[0]);
	stream_pair(s);
	fill(s[0]);
	wait_meanwhile(s[0], POLLPRI, do_close, s[1]);
}

CASE(poll_waits_for_connection)
{
	struct sockaddr_in addr;
	int listener = tcp_listener(&addr, 3), fd = tcp_socket();
	struct wait w = { listener, POLLIN };
	struct flow *f = blocked_flow(do_poll, &w);

	R(connect(fd, inet(&addr), sizeof(addr)));
	flow_end(f);
}

static void *do_poll_three(void *arg)
{
	int *fd = arg;
	struct pollfd p[4] = {
		{ fd[0], POLLIN, -1 }, { -1, POLLIN, -1 }, { fd[1], POLLIN, -1 }, { fd[0], POLLIN, -1 }
	};

	blocks();
	R(poll(p, 4, 1000000));
	say_bits(p, 4);
	return NULL;
}

CASE(poll_waits_for_any)
{
	int s[2], t[2], fds[2];
	struct flow *f;

	stream_pair(s);
	stream_pair(t);
	fds[0] = s[0];
	fds[1] = t[0];
	f = blocked_flow(do_poll_three, fds);
	do_send(num(t[1]));
	flow_end(f);
	do_recv(num(t[0]));
	f = blocked_flow(do_poll_three, fds);
	do_send(num(s[1]));
	flow_end(f);
}

/* Files are always ready, so nobody waits for the other. */
CASE(poll_with_files)
{
	int s[2], file = open("file", O_CREAT | O_RDWR, 0600);
	struct pollfd p[2];

	stream_pair(s);
	p[0] = (struct pollfd){ s[0], POLLIN, -1 };
	p[1] = (struct pollfd){ file, POLLIN, -1 };
	R(poll(p, 2, -1));
	say_bits(p, 2);
	p[1].events = POLLPRI;
	LASTS(20, R(poll(p, 2, 20)));
	say_bits(p, 2);
	p[1].events = 0;
	LASTS(20, R(poll(&p[1], 1, 20)));
}

/* Pollers only look: each of them is told. */
CASE(poll_by_several)
{
	int s[2];
	struct flow *f[4];
	struct wait w;

	stream_pair(s);
	w = (struct wait){ s[0], POLLIN };
	for (int i = 0; i < 4; i++)
		f[i] = blocked_flow(do_poll, &w);
	do_send(num(s[1]));
	for (int i = 0; i < 4; i++)
		flow_end(f[i]);
}

CASE(poll_beside_a_reader)
{
	int s[2];
	struct flow *f;
	struct wait w;

	pair_of(SOCK_DGRAM, s);
	w = (struct wait){ s[0], POLLIN };
	f = blocked_flow(do_poll, &w);
	do_send(num(s[1]));
	flow_end(f);
	do_recv(num(s[0]));
	do_send(num(s[1]));
	do_recv(num(s[0]));
}

CASE(poll_of_many)
{
	int s[2];
	static struct pollfd p[600];

	stream_pair(s);
	for (int i = 0; i < 600; i++)
		p[i] = (struct pollfd){ .fd = dup(s[0]), .events = POLLIN };
	LASTS(10, R(poll(p, 600, 10)));
	do_send(num(s[1]));
	R(poll(p, 600, -1));
	R(p[599].revents);
}

CASE(poll_of_high_numbers)
{
	int s[2], high;
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	stream_pair(s);
	high = R(fcntl(s[0], F_DUPFD, 3000));
	wait_meanwhile(high, POLLIN, do_send, s[1]);
	do_recv(num(high));
}

/* --- Masks */

CASE_THREADS(ppoll_pending_signal)
{
	int s[2];
	struct pollfd p = { .events = POLLIN };
	struct timespec zero = { 0, 0 };
	sigset_t now;

	prepare_mask();
	stream_pair(s);
	p.fd = s[0];
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(ppoll(&p, 1, NULL, &none));
	SAY("caught %d", caught);
	E(pthread_sigmask(SIG_BLOCK, NULL, &now));
	SAY("blocked %d", sigismember(&now, SIGUSR1));
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(ppoll(&p, 1, &zero, &none));
	SAY("caught %d", caught);
	do_send(num(s[1]));
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(ppoll(&p, 1, &zero, &none));
	SAY("caught %d", caught);
}

static void *ppoll_masked(void *fd)
{
	struct pollfd p = { .fd = of(fd), .events = POLLIN };

	blocks();
	R(ppoll(&p, 1, NULL, &usr1));
	SAY("caught %d", caught);
	E(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL));
	SAY("caught %d", caught);
	return NULL;
}

/* The mask of the call holds the signal back until it is over. */
CASE_THREADS(ppoll_blocks_signal)
{
	int s[2];
	struct flow *f;

	prepare_mask();
	stream_pair(s);
	f = blocked_flow(ppoll_masked, num(s[0]));
	E(pthread_kill(f->thread, SIGUSR1));
	do_send(num(s[1]));
	flow_end(f);
}
