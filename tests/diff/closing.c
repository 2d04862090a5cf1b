/* SPDX-License-Identifier: Apache-2.0
 *
 * A descriptor that is closed, or becomes another, while somebody waits on it.  The kernel lets the wait go on, and
 * the bytes that come later end it; we end it at once (law 8: differences.txt has those).  Either way the waits by
 * other numbers of the same file go on, and a number that is used again has nothing of the old one.
 */
#include "diff/net.h"
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

static void *do_close_range(void *fd)
{
	R(close_range((unsigned)of(fd), (unsigned)of(fd), 0));
	return NULL;
}

static void *do_dup2(void *fd)
{
	int p[2];

	CHECK_EQ(pipe(p), 0);
	R(dup2(p[0], of(fd)) == of(fd));
	return NULL;
}

static void *do_dup3(void *fd)
{
	int p[2];

	CHECK_EQ(pipe(p), 0);
	R(dup3(p[0], of(fd), O_CLOEXEC) == of(fd));
	return NULL;
}

static void *do_raw_close(void *fd)
{
	R(syscall(SYS_close, of(fd)));
	return NULL;
}

/* A dup keeps the file alive, as the kernel's own wait does. */
static void end_by(void *(*waits)(void *), void *(*end)(void *), int type)
{
	int s[2];
	struct flow *f;

	pair_of(type, s);
	dup(s[0]);
	f = blocked_flow(waits, num(s[0]));
	end(num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
}

static void *do_recvmsg(void *fd)
{
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	blocks();
	R(recvmsg(of(fd), &msg, 0));
	return NULL;
}

static void *do_recvmmsg(void *fd)
{
	char c;
	struct iovec iov = { &c, 1 };
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	blocks();
	R(recvmmsg(of(fd), &vec, 1, 0, NULL));
	return NULL;
}

CASE(close_under_recv)
{
	end_by(do_recv, do_close, SOCK_STREAM);
}

CASE(close_under_read)
{
	end_by(do_read, do_close, SOCK_STREAM);
}

CASE(close_under_recvmsg)
{
	end_by(do_recvmsg, do_close, SOCK_DGRAM);
}

CASE(close_under_recvmmsg)
{
	end_by(do_recvmmsg, do_close, SOCK_DGRAM);
}

CASE(close_range_under_recv)
{
	end_by(do_recv, do_close_range, SOCK_STREAM);
}

CASE(dup2_over_recv)
{
	end_by(do_recv, do_dup2, SOCK_DGRAM);
}

CASE(dup3_over_recv)
{
	end_by(do_recv, do_dup3, SOCK_DGRAM);
}

CASE(raw_close_under_recv)
{
	end_by(do_recv, do_raw_close, SOCK_STREAM);
}

CASE(close_under_read_of_pipe)
{
	int p[2];
	struct flow *f;

	R(pipe(p));
	dup(p[0]);
	f = blocked_flow(do_read, num(p[0]));
	R(close(p[0]));
	R(write(p[1], "x", 1));
	flow_end(f);
}

static void *send_all(void *fd)
{
	blocks();
	R(send(of(fd), much, MUCH, 0) == MUCH);
	return NULL;
}

CASE(close_under_send)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	f = blocked_flow(send_all, num(s[0]));
	R(close(s[0]));
	while (drain(s[1], MUCH) > 0)
		;
	flow_end(f);
}

/* --- Pollers see it as the kernel's: when they look again */

static void *do_poll(void *fd)
{
	struct pollfd p = { .fd = of(fd), .events = POLLIN };

	blocks();
	R(poll(&p, 1, -1));
	say_bits(&p, 1);
	return NULL;
}

CASE(close_under_poll)
{
	end_by(do_poll, do_close, SOCK_STREAM);
}

static void *do_select(void *fd)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(of(fd), &set);
	blocks();
	R(select(of(fd) + 1, &set, NULL, NULL, NULL));
	SAY("%d", !!FD_ISSET(of(fd), &set));
	return NULL;
}

CASE(close_under_select)
{
	end_by(do_select, do_close, SOCK_STREAM);
}

static void *do_epoll_wait(void *ep)
{
	struct epoll_event ev = { 0 };

	blocks();
	R(epoll_wait(of(ep), &ev, 1, -1));
	SAY("%d", (int)ev.data.u64);
	return NULL;
}

static int epoll_of(int fd)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 5 };

	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	return ep;
}

CASE(close_under_epoll_wait)
{
	int s[2], ep;
	struct flow *f;

	stream_pair(s);
	ep = epoll_of(s[0]);
	dup(ep);
	f = blocked_flow(do_epoll_wait, num(ep));
	R(close(ep));
	do_send(num(s[1]));
	flow_end(f);
}

CASE(close_of_member_under_epoll_wait)
{
	int s[2], t[2], ep;
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 6 };
	struct flow *f;

	stream_pair(s);
	stream_pair(t);
	ep = epoll_of(s[0]);
	R(epoll_ctl(ep, EPOLL_CTL_ADD, t[0], &ev));
	f = blocked_flow(do_epoll_wait, num(ep));
	R(close(s[0]));
	do_send(num(t[1]));
	flow_end(f);
}

/* --- Other numbers of the file go on */

CASE(close_of_another_number)
{
	int s[2], t;
	struct flow *f;

	stream_pair(s);
	t = dup(s[0]);
	f = blocked_flow(do_recv, num(s[0]));
	R(close(t));
	do_send(num(s[1]));
	flow_end(f);
}

CASE(close_of_another_number_under_poll)
{
	int s[2], t;
	struct flow *f;

	stream_pair(s);
	t = dup(s[0]);
	f = blocked_flow(do_poll, num(t));
	R(close(s[0]));
	do_send(num(s[1]));
	flow_end(f);
}

CASE(close_of_each_end)
{
	int s[2];
	struct flow *f, *g;

	tcp_pair(s);
	f = blocked_flow(do_recv, num(s[0]));
	g = blocked_flow(do_poll, num(s[0]));
	R(close(s[1]));
	flow_end(f);
	flow_end(g);
}

/* The old waiter is gone, or has the old file; the new one has the new file. */
CASE(reuse_under_recv)
{
	int s[2], t[2], fd;
	struct flow *f, *g;

	stream_pair(s);
	fd = s[0];
	dup(fd);
	f = blocked_flow(do_recv, num(fd));
	R(close(fd));
	stream_pair(t);
	SAY("the same number %d", t[0] == fd);
	g = blocked_flow(do_recv, num(fd));
	do_send(num(t[1]));
	flow_end(g);
	do_send(num(s[1]));
	flow_end(f);
}

CASE(reuse_under_poll)
{
	int s[2], t[2], fd;
	struct flow *f;

	stream_pair(s);
	fd = s[0];
	f = blocked_flow(do_poll, num(fd));
	R(close(fd));
	R(close(s[1]));
	flow_end(f);
	stream_pair(t);
	SAY("the same number %d", t[0] == fd);
	f = blocked_flow(do_poll, num(fd));
	do_send(num(t[1]));
	flow_end(f);
}

CASE(close_errors_end_nothing)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	f = blocked_flow(do_recv, num(s[0]));
	R(dup2(999, s[0]));
	R(dup3(s[0], s[0], 0));
	R(dup2(s[0], s[0]) == s[0]);
	R(dup3(s[1], s[0], 0x40000000));
	R(close_range((unsigned)s[0], (unsigned)s[0], CLOSE_RANGE_CLOEXEC));
	R(close_range(5, 4, 0));
	R(close_range((unsigned)s[0], (unsigned)s[0], 77));
	do_send(num(s[1]));
	flow_end(f);
}

/* What a child closes is its own. */
CASE(close_in_a_child)
{
	int s[2], status;
	struct flow *f;
	pid_t pid;

	stream_pair(s);
	f = blocked_flow(do_recv, num(s[0]));
	pid = fork();
	if (pid == 0) {
		close(s[0]);
		_exit(0);
	}
	R(waitpid(pid, &status, 0) == pid);
	do_send(num(s[1]));
	flow_end(f);
}

CASE(close_in_vfork)
{
	int s[2], status;
	struct flow *f;
	pid_t pid;

	stream_pair(s);
	f = blocked_flow(do_recv, num(s[0]));
	pid = vfork();
	if (pid == 0) {
		close(s[0]);
		dup2(s[1], 300);
		close_range(3, 500, 0);
		_exit(0);
	}
	R(waitpid(pid, &status, 0) == pid);
	do_send(num(s[1]));
	flow_end(f);
	do_send(num(s[1]));
	do_recv(num(s[0]));
}

CASE(close_under_accept)
{
	struct sockaddr_in addr;
	int listener = tcp_listener(&addr, 5), fd = tcp_socket();
	struct flow *f;

	dup(listener);
	f = blocked_flow(do_accept, num(listener));
	R(close(listener));
	R(connect(fd, inet(&addr), sizeof(addr)));
	flow_end(f);
}
