/* SPDX-License-Identifier: Apache-2.0
 *
 * recv and send: flags, lengths, timeouts, partial transfers, urgent data.
 */
#include "diff/net.h"

static void three_kinds(void (*with)(int s[2]))
{
	int s[2];

	SAY("tcp");
	tcp_pair(s);
	with(s);
	SAY("unix");
	stream_pair(s);
	with(s);
	SAY("datagrams");
	pair_of(SOCK_DGRAM, s);
	with(s);
}

/* --- Receiving */

static void wait_for_byte(int s[2])
{
	struct flow *f = blocked_flow(do_recv, num(s[0]));

	do_send(num(s[1]));
	flow_end(f);
}

CASE(recv_waits)
{
	three_kinds(wait_for_byte);
}

static void peek(int s[2])
{
	char buf[8];

	R(send(s[1], "abc", 3, 0));
	SHOW(buf, R(recv(s[0], buf, 2, MSG_PEEK)));
	SHOW(buf, R(recv(s[0], buf, 8, MSG_PEEK)));
	SHOW(buf, R(recv(s[0], buf, 8, 0)));
	R(recv(s[0], buf, 8, MSG_PEEK | MSG_DONTWAIT));
}

CASE(recv_peek)
{
	three_kinds(peek);
}

static void *do_peek(void *fd)
{
	char buf[8];

	blocks();
	SHOW(buf, R(recv(of(fd), buf, sizeof(buf), MSG_PEEK)));
	return NULL;
}

static void peek_waits(int s[2])
{
	struct flow *f = blocked_flow(do_peek, num(s[0]));

	do_send(num(s[1]));
	flow_end(f);
	do_recv(num(s[0]));
}

CASE(recv_peek_waits)
{
	three_kinds(peek_waits);
}

static void truncate_it(int s[2])
{
	char buf[8];

	R(send(s[1], "abcdef", 6, 0));
	R(send(s[1], "gh", 2, 0));
	SHOW(buf, R(recv(s[0], buf, 2, MSG_PEEK | MSG_DONTWAIT)));
	R(recv(s[0], buf, 2, MSG_TRUNC));
	SHOW(buf, R(recv(s[0], buf, 8, 0)));
}

CASE(recv_trunc)
{
	int s[2];

	tcp_pair(s);
	truncate_it(s);
	pair_of(SOCK_DGRAM, s);
	truncate_it(s);
	pair_of(SOCK_SEQPACKET, s);
	truncate_it(s);
}

static void recv_nothing(int s[2])
{
	char c = 'c';

	R(send(s[1], "ab", 2, 0));
	R(recv(s[0], &c, 0, 0));
	R(recv(s[0], &c, 0, MSG_PEEK | MSG_DONTWAIT));
	R(recv(s[0], &c, 1, MSG_DONTWAIT));
	R(read(s[0], &c, 0));
}

CASE(recv_of_no_bytes)
{
	three_kinds(recv_nothing);
}

static void *do_recv_nothing(void *fd)
{
	char c;

	blocks();
	R(recv(of(fd), &c, 0, 0));
	return NULL;
}

static void recv_nothing_waits(int s[2])
{
	struct flow *f = blocked_flow(do_recv_nothing, num(s[0]));

	R(send(s[1], "a", 1, 0));
	flow_end(f);
}

CASE(recv_of_no_bytes_waits)
{
	int s[2];

	tcp_pair(s);
	recv_nothing_waits(s);
	pair_of(SOCK_DGRAM, s);
	recv_nothing_waits(s);
}

static void dontwait(int s[2])
{
	char c;

	R(recv(s[0], &c, 1, MSG_DONTWAIT));
	R(send(s[1], "a", 1, MSG_DONTWAIT));
	R(recv(s[0], &c, 1, MSG_DONTWAIT));
}

CASE(recv_dontwait)
{
	three_kinds(dontwait);
}

static void receive_timeout(int s[2])
{
	char c;

	set_timeo(s[0], SO_RCVTIMEO, 20);
	LASTS(10, R(recv(s[0], &c, 1, 0)));
	LASTS(10, R(read(s[0], &c, 1)));
	LASTS(10, R(recvfrom(s[0], &c, 1, MSG_PEEK, NULL, NULL)));
	R(send(s[1], "a", 1, 0));
	R(recv(s[0], &c, 1, 0));
	set_timeo(s[0], SO_RCVTIMEO, 0);
	wait_for_byte(s);
}

CASE(recv_times_out)
{
	three_kinds(receive_timeout);
}

/* The timeout is the description's, whichever number it was set by. */
CASE(recv_timeout_set_by_dup)
{
	int s[2], other;
	char c;

	stream_pair(s);
	other = dup(s[0]);
	wait_for_byte(s);
	set_timeo(other, SO_RCVTIMEO, 20);
	R(recv(s[0], &c, 1, 0));
	R(read(s[0], &c, 1));
}

CASE(recv_timeout_set_before_dup)
{
	int s[2], other;
	char c;

	stream_pair(s);
	set_timeo(s[0], SO_RCVTIMEO, 20);
	other = dup(s[0]);
	R(recv(other, &c, 1, 0));
	set_timeo(other, SO_RCVTIMEO, 0);
	wait_for_byte(s);
}

static void *do_recv_waitall(void *fd)
{
	char buf[16];

	blocks();
	SHOW(buf, R(recv(of(fd), buf, 6, MSG_WAITALL)));
	return NULL;
}

static void waitall(int s[2])
{
	struct flow *f = blocked_flow(do_recv_waitall, num(s[0]));

	R(send(s[1], "abc", 3, 0));
	R(send(s[1], "defgh", 5, 0));
	flow_end(f);
	R(send(s[1], "x", 1, 0));
}

CASE(recv_waitall)
{
	three_kinds(waitall);
}

CASE(recv_waitall_ends)
{
	int s[2];
	char buf[8];

	tcp_pair(s);
	R(send(s[1], "abc", 3, 0));
	set_timeo(s[0], SO_RCVTIMEO, 20);
	SHOW(buf, LASTS(10, R(recv(s[0], buf, 8, MSG_WAITALL))));
	LASTS(10, R(recv(s[0], buf, 8, MSG_WAITALL)));
	R(send(s[1], "de", 2, 0));
	R(recv(s[0], buf, 8, MSG_WAITALL | MSG_DONTWAIT));
	R(send(s[1], "fg", 2, 0));
	R(close(s[1]));
	SHOW(buf, R(recv(s[0], buf, 8, MSG_WAITALL)));
	R(recv(s[0], buf, 8, MSG_WAITALL));
}

static void *do_peek_all(void *fd)
{
	char buf[16];

	blocks();
	SHOW(buf, R(recv(of(fd), buf, 6, MSG_WAITALL | MSG_PEEK)));
	return NULL;
}

CASE(recv_waitall_peek)
{
	int s[2];
	struct flow *f;

	tcp_pair(s);
	f = blocked_flow(do_peek_all, num(s[0]));
	R(send(s[1], "abc", 3, 0));
	R(send(s[1], "defgh", 5, 0));
	flow_end(f);
	do_recv(num(s[0]));
}

CASE(recv_waitall_trunc)
{
	int s[2];
	struct flow *f;
	char buf[8] = "unseen";

	tcp_pair(s);
	f = when_blocked(do_send, num(s[1]));
	R(send(s[1], "abc", 3, 0));
	blocks();
	R(recv(s[0], buf, 4, MSG_WAITALL | MSG_TRUNC));
	SHOW(buf, 6);
	flow_end(f);
}

static void low_water(int s[2])
{
	int low = 4;
	struct flow *f;

	R(setsockopt(s[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)));
	R(send(s[1], "ab", 2, 0));
	f = blocked_flow(do_recv, num(s[0]));
	R(send(s[1], "cdef", 4, 0));
	flow_end(f);
}

CASE(recv_low_water)
{
	int s[2];

	tcp_pair(s);
	low_water(s);
	stream_pair(s);
	low_water(s);
}

CASE(recv_low_water_times_out)
{
	int s[2], low = 4;
	char buf[8];

	stream_pair(s);
	R(setsockopt(s[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)));
	set_timeo(s[0], SO_RCVTIMEO, 20);
	R(send(s[1], "ab", 2, 0));
	LASTS(10, R(recv(s[0], buf, sizeof(buf), 0)));
	R(send(s[1], "abcdef", 6, 0));
	R(recv(s[0], buf, 2, 0));
	R(read(s[0], buf, sizeof(buf)));
}

/* Short reads, which say that a stream is empty, and the reads after them. */
CASE(recv_after_short_reads)
{
	int s[2];

	stream_pair(s);
	wait_for_byte(s);
	wait_for_byte(s);
	R(send(s[1], "abc", 3, 0));
	do_recv(num(s[0]));
	R(shutdown(s[0], SHUT_RD));
	do_recv(num(s[0]));
}

CASE(recv_closed_while_dry)
{
	int s[2];

	tcp_pair(s);
	wait_for_byte(s);
	R(send(s[1], "z", 1, 0));
	R(close(s[1]));
	do_recv(num(s[0]));
	do_recv(num(s[0]));
	do_read(num(s[0]));
}

/* --- Out of band */

CASE(recv_oob)
{
	int s[2];
	char buf[8];

	tcp_pair(s);
	R(recv(s[0], buf, 1, MSG_OOB));
	R(send(s[1], "ab!", 3, MSG_OOB));
	R(send(s[1], "cd", 2, 0));
	SHOW(buf, R(recv(s[0], buf, 8, 0)));
	R(ioctl(s[0], SIOCATMARK, &buf[4]));
	SHOW(buf, R(recv(s[0], buf, 1, MSG_OOB | MSG_PEEK)));
	SHOW(buf, R(recv(s[0], buf, 1, MSG_OOB)));
	R(recv(s[0], buf, 1, MSG_OOB));
	SHOW(buf, R(recv(s[0], buf, 8, 0)));
}

CASE(recv_oob_inline)
{
	int s[2], on = 1;
	char buf[8];

	tcp_pair(s);
	R(setsockopt(s[0], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
	R(send(s[1], "ab!", 3, MSG_OOB));
	R(recv(s[0], buf, 1, MSG_OOB));
	SHOW(buf, R(recv(s[0], buf, 8, 0)));
	SHOW(buf, R(recv(s[0], buf, 8, 0)));
}

CASE(recv_oob_never_waits)
{
	int s[2];
	char c;

	tcp_pair(s);
	R(recv(s[0], &c, 1, MSG_OOB));
	stream_pair(s);
	R(recv(s[0], &c, 1, MSG_OOB));
	pair_of(SOCK_DGRAM, s);
	R(recv(s[0], &c, 1, MSG_OOB));
	R(send(s[0], "x", 1, MSG_OOB));
}

/* Only the urgent byte is there: a reader waits behind the mark. */
CASE(recv_waits_behind_mark)
{
	int s[2];
	struct flow *f;

	tcp_pair(s);
	R(send(s[1], "!", 1, MSG_OOB));
	f = blocked_flow(do_recv, num(s[0]));
	R(send(s[1], "ab", 2, 0));
	flow_end(f);
}

/* --- Sending */

static void send_all(int s[2])
{
	struct flow *f = when_blocked(drain_much, num(s[1]));

	send_much(num(s[0]));
	flow_end(f);
	f = when_blocked(drain_much, num(s[1]));
	write_much(num(s[0]));
	flow_end(f);
}

CASE(send_completes)
{
	int s[2];

	tcp_pair(s);
	send_all(s);
	stream_pair(s);
	send_all(s);
}

/* The flag is looked at when a call begins. */
CASE(send_outlasts_nonblocking)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	f = blocked_flow(send_much, num(s[0]));
	set_nonblock(s[0], true);
	drain_much(num(s[1]));
	flow_end(f);
}

static void *recv_six(void *fd)
{
	char buf[8];

	blocks();
	SHOW(buf, R(recv(of(fd), buf, 6, MSG_WAITALL)));
	return NULL;
}

CASE(recv_outlasts_nonblocking)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	f = blocked_flow(recv_six, num(s[0]));
	set_nonblock(s[0], true);
	R(send(s[1], "abc", 3, 0));
	R(send(s[1], "def", 3, 0));
	flow_end(f);
}

static void send_timeout(int s[2])
{
	fill(s[0]);
	set_timeo(s[0], SO_SNDTIMEO, 20);
	LASTS(10, R(send(s[0], "x", 1, 0)));
	LASTS(10, R(write(s[0], "x", 1)));
	LASTS(10, R(sendto(s[0], "x", 1, MSG_NOSIGNAL, NULL, 0)));
	R(send(s[0], "x", 1, MSG_DONTWAIT));
}

CASE(send_times_out)
{
	int s[2];

	stream_pair(s);
	send_timeout(s);
	pair_of(SOCK_DGRAM, s);
	send_timeout(s);
}

static void send_some(int s[2])
{
	long n;

	set_timeo(s[0], SO_SNDTIMEO, 30);
	n = LASTS(20, send(s[0], much, MUCH, 0));
	SAY("some %d", n > 0 && n < MUCH);
	SAY("as many came: %d", drain(s[1], n) == n);
}

CASE(send_times_out_after_some)
{
	int s[2];

	tcp_pair(s);
	send_some(s);
	stream_pair(s);
	send_some(s);
}

static void send_nothing(int s[2])
{
	char c;

	R(send(s[0], "", 0, 0));
	R(write(s[0], "", 0));
	R(send(s[0], "a", 1, 0));
	R(recv(s[1], &c, 1, MSG_DONTWAIT));
	R(recv(s[1], &c, 1, MSG_DONTWAIT));
	R(recv(s[1], &c, 1, MSG_DONTWAIT));
}

CASE(send_of_no_bytes)
{
	int s[2];

	three_kinds(send_nothing);
	SAY("sequenced packets");
	pair_of(SOCK_SEQPACKET, s);
	send_nothing(s);
}

static void *drain_until_end(void *fd)
{
	char buf[16];
	long n;

	do
		n = recv(of(fd), buf, sizeof(buf), 0);
	while (n >= 0 && memcmp(buf, "end", 3));
	SHOW(buf, n);
	return NULL;
}

CASE(send_waits_for_room)
{
	int s[2];
	struct flow *f;

	pair_of(SOCK_DGRAM, s);
	fill(s[0]);
	f = when_blocked(drain_until_end, num(s[1]));
	blocks();
	R(send(s[0], "end", 3, 0));
	flow_end(f);
	pair_of(SOCK_SEQPACKET, s);
	fill(s[0]);
	f = when_blocked(drain_until_end, num(s[1]));
	blocks();
	R(send(s[0], "end", 3, 0));
	flow_end(f);
}

CASE(send_too_long)
{
	int s[2], small = 1;
	struct sockaddr_in a, b;
	int udp = udp_socket(&a), to = udp_socket(&b);

	R(sendto(udp, much, 70000, 0, inet(&b), sizeof(b)));
	R(send(to, "x", 1, 0));
	pair_of(SOCK_DGRAM, s);
	R(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	R(send(s[0], much, 1 << 20, 0));
	pair_of(SOCK_SEQPACKET, s);
	R(send(s[0], much, MUCH, 0));
}

CASE(send_flags)
{
	int s[2];
	char buf[8];

	tcp_pair(s);
	R(send(s[0], "ab", 2, MSG_MORE));
	R(send(s[0], "cd", 2, 0));
	SHOW(buf, R(recv(s[1], buf, 4, MSG_WAITALL)));
	R(send(s[0], "e", 1, MSG_EOR | MSG_CONFIRM | MSG_DONTROUTE));
	SHOW(buf, R(recv(s[1], buf, 8, 0)));
}

CASE(recv_errqueue_never_waits)
{
	struct sockaddr_in a;
	int s[2], udp = udp_socket(&a);
	char c;

	R(recv(udp, &c, 1, MSG_ERRQUEUE));
	tcp_pair(s);
	R(recv(s[0], &c, 1, MSG_ERRQUEUE));
	R(recvfrom(s[0], &c, 1, MSG_ERRQUEUE | MSG_WAITALL, NULL, NULL));
}

/* A unix socket has none and knows no such flag. */
static void *do_recv_errqueue(void *fd)
{
	char c;

	blocks();
	R(recv(of(fd), &c, 1, MSG_ERRQUEUE));
	return NULL;
}

CASE(recv_errqueue_of_unix)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	f = blocked_flow(do_recv_errqueue, num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
}
