/* SPDX-License-Identifier: Apache-2.0
 *
 * O_NONBLOCK and close-on-exec as the program sees them: who shares them, what changes them, that no call of ours
 * does, and that they hold in every call.
 */
#include "diff/net.h"
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static bool is_nonblock(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

static void say_flags(const char *what, int fd)
{
	int fl = fcntl(fd, F_GETFL);

	SAY("  %s: flags %x, close on exec %d", what, fl & (O_ACCMODE | O_NONBLOCK | O_APPEND | O_ASYNC),
	    fcntl(fd, F_GETFD));
}

CASE(flags_of_new_ones)
{
	int s[2];

	say_flags("socket", socket(AF_INET, SOCK_STREAM, 0));
	say_flags("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	say_flags("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	R(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
	say_flags("pair", s[0]);
	say_flags("pair", s[1]);
	R(pipe2(s, O_NONBLOCK));
	say_flags("pipe", s[0]);
	say_flags("pipe", s[1]);
	R(pipe(s));
	say_flags("pipe", s[0]);
	say_flags("eventfd", eventfd(0, EFD_NONBLOCK));
	say_flags("eventfd", eventfd(0, EFD_CLOEXEC));
	say_flags("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
}

CASE(flags_bad_types)
{
	int s[2];

	FD(socket(AF_UNIX, SOCK_STREAM | 0x40000000, 0));
	FD(socket(9999, SOCK_STREAM, 0));
	FD(socket(AF_INET, 77, 0));
	R(socketpair(AF_INET, SOCK_STREAM, 0, s));
	R(socketpair(AF_UNIX, SOCK_STREAM, 0, nowhere));
	R(pipe2(s, 077));
	R(pipe(nowhere));
	R(eventfd(0, 077));
}

/* Every call on something empty, and then on something full, without waiting. */
static void all_calls(int s[2])
{
	char c;
	struct iovec iov[2] = { { &c, 1 }, { &c, 0 } };
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 1 } };

	R(recv(s[0], &c, 1, 0));
	R(recv(s[0], &c, 1, MSG_WAITALL));
	R(recvfrom(s[0], &c, 1, 0, NULL, NULL));
	R(recvmsg(s[0], &vec.msg_hdr, 0));
	R(recvmsg(s[0], &vec.msg_hdr, MSG_WAITALL));
	R(recvmmsg(s[0], &vec, 1, 0, NULL));
	R(read(s[0], &c, 1));
	R(readv(s[0], iov, 2));
	fill(s[0]);
	R(send(s[0], &c, 1, 0));
	R(sendto(s[0], &c, 1, 0, NULL, 0));
	R(sendmsg(s[0], &vec.msg_hdr, 0));
	R(sendmmsg(s[0], &vec, 1, 0));
	R(write(s[0], &c, 1));
	R(writev(s[0], iov, 2));
	SAY("still %d", is_nonblock(s[0]));
}

CASE(flags_nonblocking_stream)
{
	int s[2];

	R(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	all_calls(s);
}

CASE(flags_nonblocking_datagrams)
{
	int s[2];

	pair_of(SOCK_DGRAM, s);
	set_nonblock(s[0], true);
	all_calls(s);
}

CASE(flags_fionbio)
{
	int s[2], on = 1, off = 0;

	stream_pair(s);
	R(ioctl(s[0], FIONBIO, &on));
	SAY("%d %d", is_nonblock(s[0]), is_nonblock(s[1]));
	all_calls(s);
	R(ioctl(s[0], FIONBIO, &off));
	SAY("%d", is_nonblock(s[0]));
	R(ioctl(s[0], FIONBIO, nowhere));
	R(ioctl(-1, FIONBIO, &on));
	SAY("%d", is_nonblock(s[0]));
}

CASE(flags_off_again)
{
	int s[2], off = 0;
	char c;
	struct flow *f;

	R(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	R(recv(s[0], &c, 1, 0));
	set_nonblock(s[0], false);
	f = blocked_flow(do_recv, num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
	set_nonblock(s[0], true);
	R(recv(s[0], &c, 1, 0));
	R(ioctl(s[0], FIONBIO, &off));
	f = blocked_flow(do_read, num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
}

CASE(flags_pipe_off_again)
{
	int p[2];
	char c;
	struct flow *f;

	R(pipe2(p, O_NONBLOCK));
	R(read(p[0], &c, 1));
	set_nonblock(p[0], false);
	f = blocked_flow(do_read, num(p[0]));
	do_write(num(p[1]));
	flow_end(f);
	R(write(p[1], much, MUCH) < MUCH);
	R(write(p[1], "x", 1));
}

/* A long write that may not wait says how far it came. */
CASE(flags_partial_writes)
{
	int s[2];
	long n;

	R(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	n = send(s[0], much, MUCH, 0);
	SAY("some %d", n > 0 && n < MUCH);
	SAY("as many came: %d", drain(s[1], MUCH) == n);
	n = write(s[0], much, MUCH);
	SAY("some %d", n > 0 && n < MUCH);
	SAY("as many came: %d", drain(s[1], MUCH) == n);
}

CASE(flags_dontwait_partial)
{
	int s[2];
	long n;

	stream_pair(s);
	n = send(s[0], much, MUCH, MSG_DONTWAIT);
	SAY("some %d", n > 0 && n < MUCH);
	SAY("nonblock %d", is_nonblock(s[0]));
	SAY("as many came: %d", drain(s[1], n) == n);
}

/* --- Who shares them */

CASE(flags_of_dups)
{
	int s[2], t;
	char c;

	stream_pair(s);
	t = dup(s[0]);
	set_nonblock(t, true);
	SAY("%d %d", is_nonblock(s[0]), is_nonblock(t));
	R(recv(s[0], &c, 1, 0));
	R(recv(t, &c, 1, 0));
	R(read(s[0], &c, 1));
	set_nonblock(s[0], false);
	do_send(num(s[1]));
	do_recv(num(t));
}

CASE(flags_of_dup_kinds)
{
	int s[2], t[4];
	char c;

	R(pipe(s));
	t[0] = fcntl(s[0], F_DUPFD, 100);
	t[1] = fcntl(s[0], F_DUPFD_CLOEXEC, 100);
	t[2] = dup2(s[0], 150);
	t[3] = dup3(s[0], 151, O_CLOEXEC);
	SAY("%d %d %d %d", t[0], t[1], t[2], t[3]);
	for (int i = 0; i < 4; i++)
		say_flags("dup", t[i]);
	set_nonblock(t[3], true);
	R(read(s[0], &c, 1));
	for (int i = 0; i < 4; i++)
		R(read(t[i], &c, 1));
}

static void *set_it(void *fd)
{
	set_nonblock(of(fd), true);
	return NULL;
}

CASE(flags_set_by_another_flow)
{
	int s[2];
	char c;

	stream_pair(s);
	do_send(num(s[1]));
	do_recv(num(s[0]));
	flow_end(flow(set_it, num(s[0])));
	R(recv(s[0], &c, 1, 0));
	R(read(s[0], &c, 1));
}

CASE(flags_under_a_waiter)
{
	int s[2];
	struct flow *f;
	char c;

	stream_pair(s);
	f = blocked_flow(do_recv, num(s[0]));
	set_nonblock(s[0], true);
	R(recv(s[0], &c, 1, 0));
	do_send(num(s[1]));
	flow_end(f);
}

/* --- Children */

static void wait_for(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	SAY("child %d", status);
}

CASE(flags_set_by_a_child)
{
	int s[2];
	char c;
	pid_t pid;

	stream_pair(s);
	do_send(num(s[1]));
	do_recv(num(s[0]));
	pid = fork();
	if (pid == 0) {
		set_nonblock(s[0], true);
		_exit(0);
	}
	wait_for(pid);
	SAY("%d", is_nonblock(s[0]));
	R(recv(s[0], &c, 1, 0));
	R(read(s[0], &c, 1));
}

CASE(flags_set_in_vfork)
{
	int p[2];
	char c;
	pid_t pid;

	R(pipe(p));
	do_write(num(p[1]));
	do_read(num(p[0]));
	pid = vfork();
	if (pid == 0) {
		fcntl(p[0], F_SETFL, O_NONBLOCK);
		_exit(0);
	}
	wait_for(pid);
	R(read(p[0], &c, 1));
}

CASE(flags_in_a_child)
{
	int s[2], status;
	char c;
	pid_t pid;

	R(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	pid = fork();
	if (pid == 0) {
		says_as(90);
		R(recv(s[0], &c, 1, 0));
		set_nonblock(s[0], false);
		do_send(num(s[1]));
		R(recv(s[0], &c, 1, 0));
		_exit(0);
	}
	R(waitpid(pid, &status, 0) == pid);
	SAY("%d", is_nonblock(s[0]));
	set_timeo(s[0], SO_RCVTIMEO, 20);
	LASTS(10, R(recv(s[0], &c, 1, 0)));
}

/* While somebody waits, a child looks at what both have. */
static void child_looks(int fd)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(is_nonblock(fd));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	SAY("the child sees %d", WEXITSTATUS(status));
}

CASE(flags_kept_under_waits)
{
	int s[2], p[2];
	struct flow *f, *g, *h;

	stream_pair(s);
	R(pipe(p));
	f = blocked_flow(do_recv, num(s[0]));
	g = blocked_flow(do_read, num(p[0]));
	fill(s[1]);
	h = blocked_flow(send_much, num(s[0]));
	child_looks(s[0]);
	child_looks(p[0]);
	do_write(num(p[1]));
	flow_end(f);
	flow_end(g);
	drain_much(num(s[1]));
	flow_end(h);
	SAY("%d %d", is_nonblock(s[0]), is_nonblock(p[0]));
}

static void *do_connect(void *fd)
{
	struct sockaddr_in addr;

	full_listener(&addr);
	set_timeo(of(fd), SO_SNDTIMEO, 200);
	blocks();
	R(connect(of(fd), inet(&addr), sizeof(addr)));
	return NULL;
}

CASE(flags_kept_under_connect)
{
	int fd = tcp_socket();
	struct flow *f = blocked_flow(do_connect, num(fd));

	SAY("%d", is_nonblock(fd));
	child_looks(fd);
	flow_end(f);
}

CASE(flags_kept_under_accept)
{
	struct sockaddr_in addr;
	int listener = tcp_listener(&addr, 3);
	struct flow *f = blocked_flow(do_accept, num(listener));
	int fd = tcp_socket();

	SAY("%d", is_nonblock(listener));
	child_looks(listener);
	R(connect(fd, inet(&addr), sizeof(addr)));
	flow_end(f);
	SAY("%d %d", is_nonblock(fd), is_nonblock(listener));
}

/* --- Others of the kind */

CASE(flags_setfl_of_nothing)
{
	int s[2];

	stream_pair(s);
	R(fcntl(s[0], F_SETFL, O_NONBLOCK | O_RDONLY | O_CREAT));
	say_flags("socket", s[0]);
	R(fcntl(s[0], F_SETFL, 0));
	say_flags("socket", s[0]);
	R(fcntl(-1, F_GETFL));
	R(fcntl(999, F_SETFL, 0));
	R(fcntl(s[0], 9999, 0));
}

CASE(flags_async_is_kept)
{
	int s[2];

	stream_pair(s);
	signal(SIGIO, SIG_IGN);
	R(fcntl(s[0], F_SETFL, O_ASYNC));
	do_send(num(s[1]));
	do_recv(num(s[0]));
	say_flags("socket", s[0]);
}

CASE(flags_reopened_pipe)
{
	int p[2], q;
	char path[64], c;

	R(pipe(p));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
	q = open(path, O_RDONLY | O_NONBLOCK);
	SAY("%d %d", is_nonblock(p[0]), is_nonblock(q));
	R(read(q, &c, 1));
	do_write(num(p[1]));
	do_read(num(p[0]));
}

CASE(flags_of_a_reused_number)
{
	int s[2], fd;
	char c;

	R(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	fd = s[0];
	R(close(fd));
	R(dup(s[1]) == fd);
	R(recv(fd, &c, 1, 0));
	set_nonblock(fd, false);
	R(close(fd));
	R(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0) == fd);
	R(recv(fd, &c, 1, 0));
}
