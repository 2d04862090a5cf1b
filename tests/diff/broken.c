/* SPDX-License-Identifier: Apache-2.0
 *
 * Broken connections: EPIPE with and without SIGPIPE, ECONNRESET, and what is said once and what again.
 */
#include "diff/net.h"
#include <sys/uio.h>

/* What a signal's default action does happens to a child. */
static void in_child(void (*fn)(int s[2]), int s[2])
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		says_as(90);
		fn(s);
		_exit(3);
	}
	R(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		SAY("killed by %s", sigabbrev_np(WTERMSIG(status)));
	else
		SAY("exit code %d", WEXITSTATUS(status));
}

static void send_to_nobody(int s[2])
{
	R(send(s[0], "x", 1, 0));
}

static void send_to_nobody_quietly(int s[2])
{
	R(send(s[0], "x", 1, MSG_NOSIGNAL));
}

static void write_to_nobody(int s[2])
{
	R(write(s[0], "x", 1));
}

CASE(sigpipe_kills)
{
	int s[2];

	stream_pair(s);
	R(close(s[1]));
	in_child(send_to_nobody, s);
	in_child(send_to_nobody_quietly, s);
	in_child(write_to_nobody, s);
}

static void say_caught(int n)
{
	SAY("  SIGPIPE %d", atomic_exchange(&caught, 0));
	(void)n;
}

/* Each call raises it once in the caller. */
static void all_calls(int s[2])
{
	struct iovec iov[2] = { { "a", 1 }, { "b", 1 } };
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 2 } };

	say_caught(R(send(s[0], "x", 1, 0)));
	say_caught(R(sendto(s[0], "x", 1, 0, NULL, 0)));
	say_caught(R(sendmsg(s[0], &vec.msg_hdr, 0)));
	say_caught(R(sendmmsg(s[0], &vec, 1, 0)));
	say_caught(R(write(s[0], "x", 1)));
	say_caught(R(writev(s[0], iov, 2)));
	say_caught(R(send(s[0], "x", 1, MSG_NOSIGNAL)));
	say_caught(R(sendmsg(s[0], &vec.msg_hdr, MSG_NOSIGNAL)));
	say_caught(R(sendmmsg(s[0], &vec, 1, MSG_NOSIGNAL)));
	say_caught(R(send(s[0], "x", 1, MSG_DONTWAIT)));
}

CASE(sigpipe_of_each_call)
{
	int s[2];

	on_signal(SIGPIPE, count_signal, 0);
	stream_pair(s);
	R(close(s[1]));
	all_calls(s);
	tcp_pair(s);
	R(shutdown(s[0], SHUT_WR));
	all_calls(s);
	pair_of(SOCK_SEQPACKET, s);
	R(close(s[1]));
	all_calls(s);
	pair_of(SOCK_DGRAM, s);
	R(close(s[1]));
	all_calls(s);
	R(pipe(s));
	R(close(s[0]));
	say_caught(R(write(s[1], "x", 1)));
}

/* libpq does so: what a blocked SIGPIPE leaves behind can be taken away. */
static void take_blocked_signal(const int s[2], void *(*sends)(void *))
{
	int sig = 0;
	sigset_t pipe_only, pending;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	E(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL));
	R(close(s[0]));
	sends(num(s[1]));
	R(sigpending(&pending));
	SAY("pending %d", sigismember(&pending, SIGPIPE));
	E(sigwait(&pipe_only, &sig));
	SAY("SIGPIPE %d", sig == SIGPIPE);
	R(sigpending(&pending));
	SAY("pending %d", sigismember(&pending, SIGPIPE));
	E(pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL));
	say_caught(0);
}

CASE_THREADS(sigpipe_blocked)
{
	int s[2];

	on_signal(SIGPIPE, count_signal, 0);
	stream_pair(s);
	take_blocked_signal(s, do_send);
	stream_pair(s);
	take_blocked_signal(s, do_write);
	R(pipe(s));
	take_blocked_signal(s, do_write);
}

/* The default action would be the end. */
CASE_THREADS(sigpipe_blocked_by_one)
{
	int s[2];

	stream_pair(s);
	take_blocked_signal(s, do_send);
	stream_pair(s);
	take_blocked_signal(s, do_write);
	R(pipe(s));
	take_blocked_signal(s, do_write);
}

CASE_THREADS(sigpipe_ignored)
{
	int s[2];

	signal(SIGPIPE, SIG_IGN);
	stream_pair(s);
	R(close(s[1]));
	R(send(s[0], "x", 1, 0));
	R(write(s[0], "x", 1));
}

static void reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	R(close(fd));
}

CASE(reset_is_told_once)
{
	int s[2];
	char c;

	signal(SIGPIPE, SIG_IGN);
	tcp_pair(s);
	reset(s[1]);
	R(recv(s[0], &c, 1, 0));
	R(recv(s[0], &c, 1, 0));
	R(send(s[0], "x", 1, 0));
	R(send(s[0], "x", 1, 0));
}

CASE(reset_is_told_to_sender)
{
	int s[2];
	char c;

	on_signal(SIGPIPE, count_signal, 0);
	tcp_pair(s);
	reset(s[1]);
	R(send(s[0], "x", 1, 0));
	R(send(s[0], "x", 1, 0));
	say_caught(0);
	R(recv(s[0], &c, 1, 0));
}

CASE(reset_discards_data)
{
	int s[2];
	char c;

	tcp_pair(s);
	R(send(s[1], "x", 1, 0));
	reset(s[1]);
	R(recv(s[0], &c, 1, 0));
}

CASE(reset_under_recv)
{
	int s[2];
	struct flow *f;

	tcp_pair(s);
	f = blocked_flow(do_recv, num(s[0]));
	reset(s[1]);
	flow_end(f);
	do_recv(num(s[0]));
}

CASE(reset_under_read)
{
	int s[2];
	struct flow *f;

	tcp_pair(s);
	f = blocked_flow(do_read, num(s[0]));
	reset(s[1]);
	flow_end(f);
	do_read(num(s[0]));
}

static void *poll_in(void *fd)
{
	struct pollfd p = { .fd = of(fd), .events = POLLIN };
	char c;

	blocks();
	R(poll(&p, 1, -1));
	say_bits(&p, 1);
	R(recv(of(fd), &c, 1, 0));
	return NULL;
}

CASE(reset_under_poll)
{
	int s[2];
	struct flow *f;

	tcp_pair(s);
	f = blocked_flow(poll_in, num(s[0]));
	reset(s[1]);
	flow_end(f);
}

static void *send_it_all(void *fd)
{
	long n;

	blocks();
	n = send(of(fd), much, MUCH, 0);
	SAY("some were sent: %d", n > 0 && n < MUCH);
	R(send(of(fd), "x", 1, 0));
	say_caught(0);
	return NULL;
}

/* The count of what went, and the error is the next call's. */
CASE(reset_under_long_send)
{
	int s[2];
	struct flow *f;

	on_signal(SIGPIPE, count_signal, 0);
	tcp_pair(s);
	f = blocked_flow(send_it_all, num(s[0]));
	reset(s[1]);
	flow_end(f);
}

CASE(peer_closed_under_long_send)
{
	int s[2];
	struct flow *f;

	on_signal(SIGPIPE, count_signal, 0);
	stream_pair(s);
	f = blocked_flow(send_it_all, num(s[0]));
	R(close(s[1]));
	flow_end(f);
}

static void *write_it_all(void *fd)
{
	long n;

	blocks();
	n = write(of(fd), much, MUCH);
	SAY("some were sent: %d", n > 0 && n < MUCH);
	R(write(of(fd), "x", 1));
	say_caught(0);
	return NULL;
}

CASE(peer_closed_under_long_write)
{
	int s[2];
	struct flow *f;

	on_signal(SIGPIPE, count_signal, 0);
	stream_pair(s);
	f = blocked_flow(write_it_all, num(s[0]));
	R(close(s[1]));
	flow_end(f);
	R(pipe(s));
	f = blocked_flow(write_it_all, num(s[1]));
	R(close(s[0]));
	flow_end(f);
}

static void *send_x(void *fd)
{
	blocks();
	R(send(of(fd), "x", 1, 0));
	say_caught(0);
	R(send(of(fd), "x", 1, 0));
	say_caught(0);
	return NULL;
}

static void *write_x(void *fd)
{
	blocks();
	R(write(of(fd), "x", 1));
	say_caught(0);
	return NULL;
}

static void *sendmsg_x(void *fd)
{
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	blocks();
	R(sendmsg(of(fd), &msg, 0));
	say_caught(0);
	return NULL;
}

/* A unix socket that waits for room says the peer's end without a signal, and as a reset if it had unread bytes. */
static void ends_under(void *(*fn)(void *), void *(*how)(void *))
{
	int s[2];
	struct flow *f;

	on_signal(SIGPIPE, count_signal, 0);
	stream_pair(s);
	fill(s[0]);
	f = blocked_flow(fn, num(s[0]));
	how(num(s[1]));
	flow_end(f);
}

CASE(peer_closed_under_send)
{
	ends_under(send_x, do_close);
	ends_under(send_x, do_shut_both);
}

CASE(peer_closed_under_write)
{
	ends_under(write_x, do_close);
	ends_under(write_x, do_shut_both);
}

CASE(peer_closed_under_sendmsg)
{
	ends_under(sendmsg_x, do_close);
	ends_under(sendmsg_x, do_shut_both);
}

CASE(peer_closed_with_unread_bytes)
{
	int s[2];
	char c;

	signal(SIGPIPE, SIG_IGN);
	stream_pair(s);
	R(send(s[0], "x", 1, 0));
	R(close(s[1]));
	R(recv(s[0], &c, 1, 0));
	R(recv(s[0], &c, 1, 0));
	R(send(s[0], "x", 1, 0));
	stream_pair(s);
	R(send(s[0], "x", 1, 0));
	R(close(s[1]));
	R(send(s[0], "x", 1, 0));
	R(recv(s[0], &c, 1, 0));
}

CASE(datagram_peer_closed)
{
	int s[2];
	char c;

	pair_of(SOCK_DGRAM, s);
	R(send(s[1], "x", 1, 0));
	R(close(s[1]));
	R(send(s[0], "x", 1, 0));
	R(recv(s[0], &c, 1, MSG_DONTWAIT));
	R(recv(s[0], &c, 1, MSG_DONTWAIT));
}

CASE(tcp_half_open)
{
	int s[2];
	char c;

	signal(SIGPIPE, SIG_IGN);
	tcp_pair(s);
	R(send(s[1], "ab", 2, 0));
	R(close(s[1]));
	R(recv(s[0], &c, 1, 0));
	R(send(s[0], "x", 1, 0)); /* is answered by a reset */
	R(recv(s[0], &c, 1, 0));
	R(recv(s[0], &c, 1, 0));
	R(send(s[0], "x", 1, 0));
}
