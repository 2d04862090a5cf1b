/* SPDX-License-Identifier: Apache-2.0
 *
 * Several flows on one descriptor, and on one file by several numbers: each byte and each event goes to somebody,
 * and somebody who always has something to do keeps nobody from his turn.
 */
#include "diff/net.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define FLOWS 5

static _Atomic int received;

/* Which one gets which message is luck. */
static void *recv_one(void *fd)
{
	char c;
	long n;

	blocks();
	n = recv(of(fd), &c, 1, 0);
	received++;
	SAY("received %ld", n);
	return NULL;
}

static void *read_one(void *fd)
{
	char c;
	long n;

	blocks();
	n = read(of(fd), &c, 1);
	received++;
	SAY("read %ld", n);
	return NULL;
}

static void start_all(struct flow *f[FLOWS], void *(*fn)(void *), int fd)
{
	for (int i = 0; i < FLOWS; i++)
		f[i] = blocked_flow(fn, num(fd));
}

static void end_all(struct flow *f[FLOWS])
{
	for (int i = 0; i < FLOWS; i++)
		flow_end(f[i]);
}

static void await_received(int n)
{
	while (atomic_load(&received) < n)
		sched_yield();
}

CASE(readers_of_datagrams)
{
	int s[2];
	struct flow *f[FLOWS];

	pair_of(SOCK_DGRAM, s);
	start_all(f, recv_one, s[0]);
	for (int i = 0; i < FLOWS; i++) {
		do_send(num(s[1]));
		await_received(i + 1);
	}
	end_all(f);
}

CASE(readers_of_a_burst)
{
	int s[2];
	struct flow *f[FLOWS];

	tcp_pair(s);
	start_all(f, recv_one, s[0]);
	R(send(s[1], "abcde", FLOWS, 0));
	end_all(f);
}

CASE(readers_of_a_pipe)
{
	int p[2];
	struct flow *f[FLOWS];

	R(pipe(p));
	start_all(f, read_one, p[0]);
	R(write(p[1], "abcde", FLOWS));
	end_all(f);
}

static void *take_one(void *fd)
{
	eventfd_t n;

	blocks();
	R(eventfd_read(of(fd), &n));
	SAY("%d", (int)n);
	return NULL;
}

CASE(readers_of_an_eventfd)
{
	int e = eventfd(0, EFD_SEMAPHORE);
	struct flow *f[FLOWS];

	start_all(f, take_one, e);
	R(eventfd_write(e, 2));
	R(eventfd_write(e, FLOWS - 2));
	end_all(f);
}

CASE(readers_at_the_end)
{
	int s[2];
	struct flow *f[FLOWS];

	tcp_pair(s);
	start_all(f, recv_one, s[0]);
	R(close(s[1]));
	end_all(f);
	R(pipe(s));
	start_all(f, read_one, s[0]);
	R(close(s[1]));
	end_all(f);
}

CASE(readers_shut_down)
{
	int s[2];
	struct flow *f[FLOWS];

	tcp_pair(s);
	start_all(f, recv_one, s[0]);
	R(shutdown(s[0], SHUT_RD));
	end_all(f);
	pair_of(SOCK_DGRAM, s);
	start_all(f, recv_one, s[0]);
	R(shutdown(s[0], SHUT_RD));
	end_all(f);
}

CASE(readers_by_several_numbers)
{
	int s[2];
	struct flow *f[FLOWS];

	pair_of(SOCK_DGRAM, s);
	for (int i = 0; i < FLOWS; i++)
		f[i] = blocked_flow(i % 2 ? recv_one : read_one, num(dup(s[0])));
	for (int i = 0; i < FLOWS; i++)
		do_send(num(s[1]));
	end_all(f);
}

CASE(readers_in_turn)
{
	int s[2];
	struct flow *f, *g;

	pair_of(SOCK_DGRAM, s);
	f = blocked_flow(recv_one, num(s[0]));
	g = blocked_flow(recv_one, num(s[0]));
	do_send(num(s[1]));
	await_received(1);
	do_send(num(s[1]));
	flow_end(f);
	flow_end(g);
}

/* The poller leaves by its timeout; the byte is for the reader. */
static void *poll_timed(void *fd)
{
	struct pollfd p = { .fd = of(fd), .events = POLLIN };

	blocks();
	LASTS(20, R(poll(&p, 1, 20)));
	return NULL;
}

CASE(reader_beside_a_timed_poller)
{
	int s[2];
	struct flow *f, *g;

	stream_pair(s);
	f = blocked_flow(recv_one, num(s[0]));
	g = blocked_flow(poll_timed, num(s[0]));
	flow_end(g);
	do_send(num(s[1]));
	flow_end(f);
}

/* --- Both directions */

CASE(full_duplex)
{
	int s[2];
	struct flow *f[4];

	tcp_pair(s);
	f[0] = blocked_flow(send_much, num(s[0]));
	f[1] = blocked_flow(send_much, num(s[1]));
	f[2] = flow(drain_much, num(s[0]));
	f[3] = flow(drain_much, num(s[1]));
	for (int i = 0; i < 4; i++)
		flow_end(f[i]);
}

CASE(reader_beside_a_blocked_writer)
{
	int s[2];
	struct flow *f, *g;

	tcp_pair(s);
	f = blocked_flow(send_much, num(s[0]));
	g = blocked_flow(do_recv, num(s[0]));
	do_send(num(s[1]));
	flow_end(g);
	drain_much(num(s[1]));
	flow_end(f);
}

CASE(writers_of_one_stream)
{
	int s[2];
	struct flow *f, *g;

	tcp_pair(s);
	f = blocked_flow(send_much, num(s[0]));
	g = flow(write_much, num(s[0]));
	SAY("drained %ld", drain(s[1], 2L * MUCH));
	flow_end(f);
	flow_end(g);
}

CASE(writers_of_one_pipe)
{
	int p[2];
	struct flow *f, *g;

	R(pipe(p));
	f = blocked_flow(write_much, num(p[1]));
	g = flow(write_much, num(p[1]));
	SAY("drained %ld", drain(p[0], 2L * MUCH));
	flow_end(f);
	flow_end(g);
}

/* A reader and a poller of both directions. */
static void *poll_both(void *fd)
{
	struct pollfd p = { .fd = of(fd), .events = POLLIN | POLLOUT };

	blocks();
	R(poll(&p, 1, -1));
	say_bits(&p, 1);
	return NULL;
}

CASE(poller_of_both_directions)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	fill(s[0]);
	f = blocked_flow(poll_both, num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
}

static void *poll_out(void *fd)
{
	struct pollfd p = { .fd = of(fd), .events = POLLOUT };

	blocks();
	R(poll(&p, 1, -1));
	say_bits(&p, 1);
	return NULL;
}

CASE(poller_beside_reader)
{
	int s[2];
	struct flow *f, *g;

	stream_pair(s);
	fill(s[0]);
	f = blocked_flow(do_recv, num(s[0]));
	g = blocked_flow(poll_out, num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
	set_nonblock(s[1], true);
	SAY("drained some %d", drain(s[1], MUCH) > 0);
	flow_end(g);
}

/* --- One number, now this, now that */

static void *recv_twice(void *fd)
{
	do_recv(fd);
	do_recv(fd);
	return NULL;
}

CASE(number_reused_at_once)
{
	int s[2], t[2], fd;
	struct flow *f;

	stream_pair(s);
	fd = s[0];
	do_send(num(s[1]));
	do_recv(num(fd));
	f = blocked_flow(do_recv, num(fd));
	do_send(num(s[1]));
	flow_end(f);
	R(close(fd));
	stream_pair(t);
	SAY("the same number %d", t[0] == fd);
	f = blocked_flow(recv_twice, num(fd));
	do_send(num(t[1]));
	R(close(t[1]));
	flow_end(f);
}

CASE(number_turned_from_socket_to_pipe)
{
	int s[2], p[2];
	struct flow *f;

	stream_pair(s);
	R(pipe(p));
	do_send(num(s[1]));
	do_recv(num(s[0]));
	R(dup2(p[0], s[0]) == s[0]);
	f = blocked_flow(do_read, num(s[0]));
	do_write(num(p[1]));
	flow_end(f);
	do_recv(num(s[0]));
}

/* --- Nobody starves */

static _Atomic bool enough;

static void *never_waits(void *fd)
{
	char c = 'c';

	while (!enough) {
		CHECK_EQ(send(of(fd), &c, 1, 0), 1);
		CHECK_EQ(recv(of(fd), &c, 1, 0), 1);
	}
	return NULL;
}

static void *echo(void *fd)
{
	char c;

	while (recv(of(fd), &c, 1, 0) == 1)
		CHECK_EQ(send(of(fd), &c, 1, MSG_NOSIGNAL), 1);
	return NULL;
}

CASE(nobody_starves_beside_echo)
{
	int s[2];
	struct flow *f, *g;

	stream_pair(s);
	f = flow(echo, num(s[1]));
	g = flow(never_waits, num(s[0]));
	LASTS(20, R(poll(NULL, 0, 20)));
	enough = true;
	flow_end(g);
	R(close(s[0]));
	flow_end(f);
}

/* Its bytes lie there already: not one of its calls would block. */
static void *sends_to_itself(void *arg)
{
	int s[2];
	char c = 'c';

	(void)arg;
	stream_pair(s);
	while (!enough) {
		CHECK_EQ(send(s[0], &c, 1, 0), 1);
		CHECK_EQ(recv(s[1], &c, 1, 0), 1);
	}
	return NULL;
}

static void *writes_to_itself(void *arg)
{
	int p[2];
	char c = 'c';

	(void)arg;
	CHECK_EQ(pipe(p), 0);
	while (!enough) {
		CHECK_EQ(write(p[1], &c, 1), 1);
		CHECK_EQ(read(p[0], &c, 1), 1);
	}
	return NULL;
}

static void *asks_what_is_ready(void *arg)
{
	int s[2], ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLOUT };
	struct pollfd p = { .events = POLLOUT };

	(void)arg;
	stream_pair(s);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &ev), 0);
	p.fd = s[0];
	while (!enough) {
		CHECK_EQ(poll(&p, 1, -1), 1);
		CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	}
	return NULL;
}

static void *accepts_always(void *arg)
{
	struct sockaddr_un name;
	socklen_t len;
	int listener = unix_bound(SOCK_STREAM, &name, &len, "always");

	(void)arg;
	CHECK_EQ(listen(listener, 5), 0);
	while (!enough) {
		int s = socket(AF_UNIX, SOCK_STREAM, 0), t;

		CHECK_EQ(connect(s, (struct sockaddr *)&name, len), 0);
		t = accept(listener, NULL, NULL);
		CHECK(t != -1);
		close(s);
		close(t);
	}
	return NULL;
}

/* A sleeper wakes, and a reader gets its byte, beside one that never has to wait. */
static void starve(void *(*busy)(void *))
{
	int s[2];
	struct flow *f, *g;

	stream_pair(s);
	g = blocked_flow(do_recv, num(s[0]));
	f = flow(busy, NULL);
	LASTS(20, R(poll(NULL, 0, 20)));
	do_send(num(s[1]));
	flow_end(g);
	enough = true;
	flow_end(f);
}

CASE(nobody_starves_beside_sockets)
{
	starve(sends_to_itself);
}

CASE(nobody_starves_beside_pipes)
{
	starve(writes_to_itself);
}

CASE(nobody_starves_beside_pollers)
{
	starve(asks_what_is_ready);
}

CASE(nobody_starves_beside_accepts)
{
	starve(accepts_always);
}

/* A vfork child has its parent's memory, and is nobody among the flows: none runs in it. */
static pid_t parent;

static void *say_process(void *arg)
{
	for (int i = 0; i < 3; i++) {
		SAY("in the parent: %d", getpid() == parent);
		sched_yield();
	}
	return arg;
}

CASE(vfork_child_that_never_waits)
{
	int p[2], status;
	struct flow *f;
	pid_t pid;
	char c;

	parent = getpid();
	R(pipe(p));
	f = flow(say_process, NULL);
	pid = vfork();
	if (pid == 0) {
		for (int i = 0; i < 2000; i++)
			if (write(p[1], "x", 1) != 1 || read(p[0], &c, 1) != 1)
				_exit(1);
		_exit(0);
	}
	R(waitpid(pid, &status, 0) == pid);
	SAY("status %d", status);
	flow_end(f);
}

/* --- Many */

#define MANY 150

static void *pass_on(void *arg)
{
	const int *fds = arg;
	char c;
	long n = recv(fds[0], &c, 1, 0);

	CHECK_EQ(n, 1);
	CHECK_EQ(send(fds[1], &c, 1, 0), 1);
	return NULL;
}

CASE(a_chain_of_many)
{
	static int fds[MANY + 1][2], ends[MANY][2];
	struct flow *f[MANY];
	char c;

	for (int i = 0; i <= MANY; i++)
		stream_pair(fds[i]);
	for (int i = 0; i < MANY; i++) {
		ends[i][0] = fds[i][1];
		ends[i][1] = fds[i + 1][0];
		f[i] = flow(pass_on, ends[i]);
	}
	R(send(fds[0][0], "x", 1, 0));
	R(recv(fds[MANY][1], &c, 1, 0));
	for (int i = 0; i < MANY; i++)
		flow_end(f[i]);
}
