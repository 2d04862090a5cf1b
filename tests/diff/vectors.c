/* SPDX-License-Identifier: Apache-2.0
 *
 * recvmmsg and sendmmsg: how many, how long, and what is left in the vector.
 */
#include "diff/net.h"

#define N 4

struct letters {
	struct mmsghdr vec[N];
	struct iovec iov[N];
	char text[N][8];
};

static void prepare(struct letters *l)
{
	memset(l, 0, sizeof(*l));
	for (int i = 0; i < N; i++) {
		l->iov[i] = (struct iovec){ l->text[i], 7 };
		l->vec[i].msg_hdr = (struct msghdr){ .msg_iov = &l->iov[i], .msg_iovlen = 1 };
		l->vec[i].msg_len = 99;
	}
}

static void say_letters(const struct letters *l)
{
	for (int i = 0; i < N; i++)
		SAY("  [%d] %u %s flags %x", i, l->vec[i].msg_len, l->text[i], l->vec[i].msg_hdr.msg_flags);
}

static void *do_recvmmsg(void *fd)
{
	struct letters l;

	prepare(&l);
	blocks();
	R(recvmmsg(of(fd), l.vec, N, 0, NULL));
	say_letters(&l);
	return NULL;
}

CASE(recvmmsg_fills)
{
	int s[2];
	struct flow *f;

	pair_of(SOCK_DGRAM, s);
	R(send(s[1], "ab", 2, 0));
	f = blocked_flow(do_recvmmsg, num(s[0]));
	R(send(s[1], "", 0, 0));
	R(send(s[1], "cde", 3, 0));
	R(send(s[1], "fghijklmn", 9, 0));
	flow_end(f);
}

static void *do_waitforone(void *fd)
{
	struct letters l;

	prepare(&l);
	blocks();
	R(recvmmsg(of(fd), l.vec, N, MSG_WAITFORONE, NULL));
	say_letters(&l);
	return NULL;
}

CASE(recvmmsg_waitforone)
{
	int s[2];
	struct flow *f;

	pair_of(SOCK_DGRAM, s);
	R(send(s[1], "ab", 2, 0));
	R(send(s[1], "cd", 2, 0));
	do_waitforone(num(s[0]));
	f = blocked_flow(do_waitforone, num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
}

CASE(recvmmsg_dontwait)
{
	int s[2];
	struct letters l;

	pair_of(SOCK_DGRAM, s);
	prepare(&l);
	R(recvmmsg(s[0], l.vec, N, MSG_DONTWAIT, NULL));
	R(recvmmsg(s[0], l.vec, N, MSG_DONTWAIT | MSG_WAITFORONE, NULL));
	do_send(num(s[1]));
	R(recvmmsg(s[0], l.vec, N, MSG_DONTWAIT, NULL));
	set_nonblock(s[0], true);
	do_send(num(s[1]));
	R(recvmmsg(s[0], l.vec, N, 0, NULL));
	R(recvmmsg(s[0], l.vec, N, 0, NULL));
}

CASE(recvmmsg_timeouts)
{
	int s[2];
	struct letters l;
	struct timespec none = { 0, 0 }, far = { 1000, 0 }, bad = { 0, 2000000000 }, negative = { -1, 0 };

	pair_of(SOCK_DGRAM, s);
	prepare(&l);
	R(recvmmsg(s[0], l.vec, N, 0, &bad));
	R(recvmmsg(s[0], l.vec, N, 0, &negative));
	R(send(s[1], "ab", 2, 0));
	R(send(s[1], "cd", 2, 0));
	R(recvmmsg(s[0], l.vec, N, 0, &none));
	SAY("left %ld %ld", (long)none.tv_sec, none.tv_nsec);
	R(recvmmsg(s[0], l.vec, 1, 0, &far));
	SAY("most is left %d", far.tv_sec >= 990 && far.tv_sec < 1000);
	R(recvmmsg(s[0], l.vec, 0, 0, &far));
	R(recvmmsg(s[0], l.vec, 1, 0, nowhere));
	say_letters(&l);
}

CASE(recvmmsg_receive_timeout)
{
	int s[2];
	struct letters l;

	pair_of(SOCK_DGRAM, s);
	set_timeo(s[0], SO_RCVTIMEO, 20);
	prepare(&l);
	LASTS(10, R(recvmmsg(s[0], l.vec, N, 0, NULL)));
	do_send(num(s[1]));
	LASTS(10, R(recvmmsg(s[0], l.vec, N, 0, NULL)));
	say_letters(&l);
}

CASE(recvmmsg_stream)
{
	int s[2];
	struct letters l;

	tcp_pair(s);
	R(send(s[1], "abcdefghijkl", 12, 0));
	prepare(&l);
	R(recvmmsg(s[0], l.vec, 2, 0, NULL));
	say_letters(&l);
	R(close(s[1]));
	prepare(&l);
	R(recvmmsg(s[0], l.vec, N, 0, NULL));
	say_letters(&l);
}

CASE(recvmmsg_waitall)
{
	int s[2];
	struct letters l;
	struct flow *f;

	tcp_pair(s);
	R(send(s[1], "abcd", 4, 0));
	f = when_blocked(do_send, num(s[1]));
	prepare(&l);
	l.iov[0].iov_len = 5;
	blocks();
	R(recvmmsg(s[0], l.vec, 1, MSG_WAITALL, NULL));
	say_letters(&l);
	flow_end(f);
}

CASE(recvmmsg_bad_arguments)
{
	int s[2];
	struct letters l;

	pair_of(SOCK_DGRAM, s);
	prepare(&l);
	R(recvmmsg(-1, l.vec, N, 0, NULL));
	R(recvmmsg(999, l.vec, N, 0, NULL));
	R(recvmmsg(open("/dev/null", O_RDONLY), l.vec, N, 0, NULL));
	R(recvmmsg(s[0], l.vec, 0, 0, NULL));
	do_send(num(s[1]));
	R(recvmmsg(s[0], nowhere, N, 0, NULL));
	R(recvmmsg(s[0], l.vec, N, MSG_OOB, NULL));
	l.iov[0].iov_base = nowhere;
	R(recvmmsg(s[0], l.vec, 1, 0, NULL));
	R(recv(s[0], &l, 1, MSG_DONTWAIT));
}

/* The first message is told of, and the error is for the next call. */
static void *do_recvmmsg_of_udp(void *fd)
{
	struct letters l;
	char c;

	prepare(&l);
	blocks();
	R(recvmmsg(of(fd), l.vec, N, 0, NULL));
	R(recv(of(fd), &c, 1, MSG_DONTWAIT));
	R(recv(of(fd), &c, 1, MSG_DONTWAIT));
	return NULL;
}

CASE(recvmmsg_keeps_error)
{
	struct sockaddr_in a, b;
	int s = udp_socket(&a), t = udp_socket(&b);
	struct flow *f;

	R(connect(s, inet(&b), sizeof(b)));
	R(sendto(t, "ab", 2, 0, inet(&a), sizeof(a)));
	R(close(t));
	f = blocked_flow(do_recvmmsg_of_udp, num(s));
	R(send(s, "x", 1, 0));
	flow_end(f);
}

CASE(recvmmsg_descriptors)
{
	int s[2], fd = 0;
	struct letters l;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))], room[2][CMSG_SPACE(sizeof(int))];
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;

	pair_of(SOCK_DGRAM, s);
	prepare(&l);
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	for (int i = 0; i < 2; i++) {
		l.vec[i].msg_hdr.msg_control = control;
		l.vec[i].msg_hdr.msg_controllen = sizeof(control);
	}
	R(sendmmsg(s[1], l.vec, 2, 0));
	say_letters(&l);
	prepare(&l);
	for (int i = 0; i < 2; i++) {
		l.vec[i].msg_hdr.msg_control = room[i];
		l.vec[i].msg_hdr.msg_controllen = sizeof(room[i]);
	}
	R(recvmmsg(s[0], l.vec, 2, 0, NULL));
	SAY("control %zu %zu", l.vec[0].msg_hdr.msg_controllen, l.vec[1].msg_hdr.msg_controllen);
}

CASE(sendmmsg_sends)
{
	int s[2];
	struct letters l;

	pair_of(SOCK_DGRAM, s);
	prepare(&l);
	l.iov[1].iov_len = 0;
	R(sendmmsg(s[1], l.vec, 3, 0));
	say_letters(&l);
	R(recv(s[0], &l, 9, MSG_DONTWAIT));
	R(recv(s[0], &l, 9, MSG_DONTWAIT));
	R(recv(s[0], &l, 9, MSG_DONTWAIT));
	R(recv(s[0], &l, 9, MSG_DONTWAIT));
}

static void *do_sendmmsg(void *fd)
{
	struct letters l;

	prepare(&l);
	for (int i = 0; i < N; i++)
		l.iov[i] = (struct iovec){ much, MUCH / N };
	blocks();
	R(sendmmsg(of(fd), l.vec, N, 0));
	for (int i = 0; i < N; i++)
		SAY("  [%d] %u", i, l.vec[i].msg_len);
	return NULL;
}

CASE(sendmmsg_completes)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	f = blocked_flow(do_sendmmsg, num(s[0]));
	drain_much(num(s[1]));
	flow_end(f);
}

CASE(sendmmsg_stops_at_error)
{
	int s[2];
	struct letters l;

	pair_of(SOCK_DGRAM, s);
	prepare(&l);
	l.iov[2].iov_base = nowhere;
	R(sendmmsg(s[1], l.vec, N, 0));
	say_letters(&l);
	R(sendmmsg(s[1], &l.vec[2], 2, 0));
}

CASE(sendmmsg_bad_arguments)
{
	int s[2];
	struct letters l;

	pair_of(SOCK_DGRAM, s);
	prepare(&l);
	R(sendmmsg(-1, l.vec, N, 0));
	R(sendmmsg(999, l.vec, N, 0));
	R(sendmmsg(open("/dev/null", O_RDONLY), l.vec, N, 0));
	R(sendmmsg(s[0], l.vec, 0, 0));
	R(sendmmsg(s[0], nowhere, N, 0));
	R(sendmmsg(s[0], nowhere, 0, 0));
}

CASE(sendmmsg_times_out)
{
	int s[2];
	struct letters l;

	pair_of(SOCK_DGRAM, s);
	fill(s[0]);
	set_timeo(s[0], SO_SNDTIMEO, 20);
	prepare(&l);
	LASTS(10, R(sendmmsg(s[0], l.vec, N, 0)));
	R(sendmmsg(s[0], l.vec, N, MSG_DONTWAIT));
}
