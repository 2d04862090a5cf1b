/* SPDX-License-Identifier: Apache-2.0
 *
 * sendmsg and recvmsg: vectors, what comes along (descriptors, credentials, timestamps), what is cut off; and
 * bad arguments of all of the sending and receiving calls.
 */
#include "diff/net.h"

#define CONTROL 256

struct letter {
	struct msghdr msg;
	struct iovec iov[3];
	char text[3][16];
	_Alignas(struct cmsghdr) char control[CONTROL];
};

/* Room for three pieces of `each` bytes, and for what comes along. */
static void prepare(struct letter *l, size_t each)
{
	memset(l, 0, sizeof(*l));
	for (int i = 0; i < 3; i++)
		l->iov[i] = (struct iovec){ l->text[i], each };
	l->msg = (struct msghdr){ .msg_iov = l->iov,
				  .msg_iovlen = 3,
				  .msg_control = l->control,
				  .msg_controllen = sizeof(l->control) };
}

static void say_letter(struct letter *l, long n)
{
	SAY("  %ld: %s, %s, %s; flags %x, name %u, control %zu", n, l->text[0], l->text[1], l->text[2],
	    l->msg.msg_flags, l->msg.msg_namelen, l->msg.msg_controllen);
	if (n < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&l->msg); c; c = CMSG_NXTHDR(&l->msg, c))
		SAY("  with level %d, type %d, length %zu", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
}

static void *do_recvmsg(void *fd)
{
	struct letter l;

	prepare(&l, 4);
	blocks();
	say_letter(&l, R(recvmsg(of(fd), &l.msg, 0)));
	return NULL;
}

static int put_fds(struct letter *l, const int *fds, int n)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)l->control;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	l->msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
	return n;
}

static int taken_fd(struct letter *l, int i)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(&l->msg);
	int fd;

	CHECK(c && c->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(c) + sizeof(int) * (size_t)i, sizeof(fd));
	return fd;
}

static void send_fd(int over, int fd)
{
	struct letter l;

	prepare(&l, 1);
	put_fds(&l, &fd, 1);
	R(sendmsg(over, &l.msg, 0));
}

static int receive_fd(int over, int flags)
{
	struct letter l;

	prepare(&l, 1);
	CHECK_EQ(recvmsg(over, &l.msg, flags), 3);
	return taken_fd(&l, 0);
}

static void letter(int s[2])
{
	struct iovec iov[] = { { "ab", 2 }, { "", 0 }, { "cdefghij", 8 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	struct flow *f = blocked_flow(do_recvmsg, num(s[0]));

	R(sendmsg(s[1], &msg, 0));
	flow_end(f);
	R(sendmsg(s[1], &msg, MSG_EOR));
	do_recvmsg(num(s[0]));
}

CASE(msg_vectors_tcp)
{
	int s[2];

	tcp_pair(s);
	letter(s);
}

CASE(msg_vectors_unix)
{
	int s[2];

	stream_pair(s);
	letter(s);
}

CASE(msg_vectors_datagrams)
{
	int s[2];

	pair_of(SOCK_DGRAM, s);
	letter(s);
	pair_of(SOCK_SEQPACKET, s);
	letter(s);
}

CASE(msg_truncated)
{
	int s[2];
	struct letter l;

	pair_of(SOCK_DGRAM, s);
	R(send(s[1], "abcdefghijklmnop", 16, 0));
	prepare(&l, 2);
	say_letter(&l, R(recvmsg(s[0], &l.msg, MSG_PEEK)));
	prepare(&l, 2);
	say_letter(&l, R(recvmsg(s[0], &l.msg, MSG_TRUNC)));
	prepare(&l, 2);
	say_letter(&l, R(recvmsg(s[0], &l.msg, MSG_DONTWAIT)));
}

CASE(msg_of_no_vector)
{
	int s[2];
	struct msghdr msg = { 0 };

	pair_of(SOCK_DGRAM, s);
	R(sendmsg(s[1], &msg, 0));
	R(recvmsg(s[0], &msg, 0));
	R(send(s[1], "ab", 2, 0));
	R(recvmsg(s[0], &msg, 0));
	SAY("flags %x", msg.msg_flags);
	stream_pair(s);
	R(sendmsg(s[1], &msg, 0));
}

CASE(msg_udp_name)
{
	struct sockaddr_in a, b, from = { 0 };
	int s = udp_socket(&a), t = udp_socket(&b);
	struct iovec iov = { "abc", 3 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &b, .msg_namelen = sizeof(b) };
	struct letter l;

	R(sendmsg(s, &msg, 0));
	prepare(&l, 4);
	l.msg.msg_name = &from;
	l.msg.msg_namelen = sizeof(from);
	say_letter(&l, R(recvmsg(t, &l.msg, 0)));
	SAY("the sender %d", !memcmp(&from, &a, sizeof(a)));
}

CASE(msg_end_of_stream)
{
	int s[2];
	struct letter l;

	tcp_pair(s);
	R(close(s[1]));
	prepare(&l, 2);
	say_letter(&l, R(recvmsg(s[0], &l.msg, 0)));
	pair_of(SOCK_SEQPACKET, s);
	R(close(s[1]));
	prepare(&l, 2);
	say_letter(&l, R(recvmsg(s[0], &l.msg, 0)));
}

/* --- Descriptors */

CASE(msg_passes_descriptors)
{
	int s[2], p[2], fds[2];
	struct letter l;
	char c;

	stream_pair(s);
	R(pipe(p));
	prepare(&l, 1);
	put_fds(&l, p, 2);
	R(sendmsg(s[1], &l.msg, 0));
	prepare(&l, 4);
	say_letter(&l, R(recvmsg(s[0], &l.msg, 0)));
	fds[0] = taken_fd(&l, 0);
	fds[1] = taken_fd(&l, 1);
	SAY("close on exec %d", fcntl(fds[0], F_GETFD));
	R(write(fds[1], "x", 1));
	R(read(p[0], &c, 1));
	R(write(p[1], "x", 1));
	R(read(fds[0], &c, 1));
}

CASE(msg_cmsg_cloexec)
{
	int s[2];

	stream_pair(s);
	send_fd(s[1], 0);
	SAY("close on exec %d", fcntl(receive_fd(s[0], MSG_CMSG_CLOEXEC), F_GETFD));
}

static void *do_receive_fd(void *over)
{
	int fd;

	blocks();
	fd = receive_fd(of(over), 0);
	do_recv(num(fd));
	return NULL;
}

CASE(msg_waits_for_descriptor)
{
	int s[2], t[2];
	struct flow *f;

	stream_pair(s);
	stream_pair(t);
	f = blocked_flow(do_receive_fd, num(s[0]));
	send_fd(s[1], t[0]);
	do_send(num(t[1]));
	flow_end(f);
}

/* A number that was another's before; the waits on it are the new one's. */
CASE(msg_descriptor_reuses_number)
{
	int s[2], t[2], u[2], fd;

	stream_pair(s);
	stream_pair(t);
	R(pipe(u));
	do_send(num(t[1]));
	do_recv(num(t[0]));
	send_fd(s[1], u[0]);
	R(close(t[0]));
	fd = receive_fd(s[0], 0);
	SAY("the same number %d", fd == t[0]);
	R(write(u[1], "x", 1));
	do_read(num(fd));
}

/* Its flags and timeouts are the description's, whoever has it. */
CASE(msg_passed_description_is_shared)
{
	int s[2], t[2], fd;
	char c;

	stream_pair(s);
	stream_pair(t);
	do_send(num(t[1]));
	do_recv(num(t[0]));
	send_fd(s[1], t[0]);
	fd = receive_fd(s[0], 0);
	set_timeo(fd, SO_RCVTIMEO, 20);
	R(recv(t[0], &c, 1, 0));
	set_timeo(fd, SO_RCVTIMEO, 0);
	set_nonblock(fd, true);
	R(recv(t[0], &c, 1, 0));
	R(read(t[0], &c, 1));
}

CASE(msg_passed_pipe_is_shared)
{
	int s[2], p[2], fd;
	char c;

	stream_pair(s);
	R(pipe(p));
	send_fd(s[1], p[0]);
	fd = receive_fd(s[0], 0);
	set_nonblock(fd, true);
	R(read(p[0], &c, 1));
}

CASE(msg_no_room_for_descriptors)
{
	int s[2], fds[3] = { 0, 0, 0 };
	struct letter l;

	stream_pair(s);
	prepare(&l, 1);
	put_fds(&l, fds, 3);
	R(sendmsg(s[1], &l.msg, 0));
	prepare(&l, 4);
	l.msg.msg_controllen = CMSG_SPACE(sizeof(int));
	say_letter(&l, R(recvmsg(s[0], &l.msg, 0)));
	prepare(&l, 1);
	put_fds(&l, fds, 3);
	R(sendmsg(s[1], &l.msg, 0));
	R(recv(s[0], l.text, 3, 0));
}

CASE(msg_bad_descriptors)
{
	int s[2], fds[2] = { 0, 999 };
	struct letter l;

	stream_pair(s);
	prepare(&l, 1);
	put_fds(&l, fds, 2);
	R(sendmsg(s[1], &l.msg, 0));
	l.msg.msg_controllen = 3;
	R(sendmsg(s[1], &l.msg, 0));
	l.msg.msg_controllen = sizeof(struct cmsghdr);
	R(sendmsg(s[1], &l.msg, 0));
	tcp_pair(s);
	prepare(&l, 1);
	put_fds(&l, fds, 1);
	R(sendmsg(s[1], &l.msg, 0));
}

/* What comes along ends a piece of a stream, also with MSG_WAITALL. */
CASE(msg_descriptors_cut_stream)
{
	int s[2];
	struct letter l;

	stream_pair(s);
	R(send(s[1], "ab", 2, 0));
	send_fd(s[1], 0);
	R(send(s[1], "cd", 2, 0));
	for (int i = 0; i < 2; i++) {
		prepare(&l, 4);
		say_letter(&l, R(recvmsg(s[0], &l.msg, 0)));
	}
	send_fd(s[1], 0);
	R(send(s[1], "cdefghijk", 9, 0));
	prepare(&l, 4);
	say_letter(&l, R(recvmsg(s[0], &l.msg, MSG_WAITALL)));
}

/* --- Credentials, timestamps */

static int on = 1;

CASE(msg_credentials)
{
	int s[2];
	struct letter l;
	struct ucred who;
	struct flow *f;

	stream_pair(s);
	R(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	f = blocked_flow(do_recvmsg, num(s[0]));
	do_send(num(s[1]));
	flow_end(f);
	do_send(num(s[1]));
	prepare(&l, 4);
	R(recvmsg(s[0], &l.msg, 0));
	memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&l.msg)), sizeof(who));
	SAY("me %d", who.pid == getpid() && who.uid == getuid());
}

CASE(msg_credentials_and_descriptor)
{
	int s[2];
	struct letter l;

	pair_of(SOCK_DGRAM, s);
	R(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	send_fd(s[1], 0);
	prepare(&l, 4);
	say_letter(&l, R(recvmsg(s[0], &l.msg, 0)));
}

CASE(msg_timestamp)
{
	struct sockaddr_in a, b;
	int s = udp_socket(&a), t = udp_socket(&b);
	struct flow *f;

	R(setsockopt(t, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
	f = blocked_flow(do_recvmsg, num(t));
	R(sendto(s, "abc", 3, 0, inet(&b), sizeof(b)));
	flow_end(f);
}

CASE(msg_error_queue)
{
	struct sockaddr_in a, b;
	int s = udp_socket(&a), t = udp_socket(&b);
	struct letter l;
	struct pollfd p = { .fd = s };

	R(setsockopt(s, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)));
	R(connect(s, inet(&b), sizeof(b)));
	R(close(t));
	prepare(&l, 4);
	R(recvmsg(s, &l.msg, MSG_ERRQUEUE));
	R(send(s, "abc", 3, 0));
	R(poll(&p, 1, -1));
	say_bits(&p, 1);
	prepare(&l, 4);
	say_letter(&l, R(recvmsg(s, &l.msg, MSG_ERRQUEUE)));
	R(recv(s, &l, 1, MSG_DONTWAIT));
}

/* --- Long vectors, timeouts */

static void *do_sendmsg_much(void *fd)
{
	struct iovec iov[20];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 20 };

	for (int i = 0; i < 20; i++)
		iov[i] = (struct iovec){ much + i * 1000, MUCH / 20 };
	blocks();
	R(sendmsg(of(fd), &msg, 0));
	return NULL;
}

CASE(msg_send_completes)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	f = blocked_flow(do_sendmsg_much, num(s[0]));
	SAY("drained %ld", drain(s[1], MUCH / 20 * 20));
	flow_end(f);
}

static void *do_recvmsg_all(void *fd)
{
	struct letter l;

	prepare(&l, 4);
	l.msg.msg_control = NULL;
	l.msg.msg_controllen = 0;
	blocks();
	say_letter(&l, R(recvmsg(of(fd), &l.msg, MSG_WAITALL)));
	return NULL;
}

CASE(msg_waitall)
{
	int s[2];
	struct flow *f;

	tcp_pair(s);
	f = blocked_flow(do_recvmsg_all, num(s[0]));
	R(send(s[1], "abcdef", 6, 0));
	R(send(s[1], "ghijklm", 7, 0));
	flow_end(f);
	do_recv(num(s[0]));
}

CASE(msg_times_out)
{
	int s[2];
	struct letter l;

	stream_pair(s);
	set_timeo(s[0], SO_RCVTIMEO, 20);
	set_timeo(s[0], SO_SNDTIMEO, 20);
	prepare(&l, 4);
	l.msg.msg_namelen = 77;
	say_letter(&l, LASTS(10, R(recvmsg(s[0], &l.msg, 0))));
	fill(s[0]);
	l.msg.msg_controllen = 0;
	LASTS(10, R(sendmsg(s[0], &l.msg, 0)));
}

/* --- Bad arguments */

CASE(bad_descriptors)
{
	struct letter l;
	int file = open("/dev/null", O_RDWR), p[2];
	const int bad[] = { -1, 999, file };

	prepare(&l, 4);
	R(pipe(p));
	for (int i = 0; i < 3; i++) {
		R(recv(bad[i], &l, 1, 0));
		R(recv(bad[i], &l, 1, MSG_WAITALL));
		R(recvfrom(bad[i], &l, 1, 0, NULL, NULL));
		R(recvmsg(bad[i], &l.msg, 0));
		R(send(bad[i], &l, 1, 0));
		R(sendto(bad[i], &l, 1, 0, NULL, 0));
		R(sendmsg(bad[i], &l.msg, 0));
	}
	R(recv(p[0], &l, 1, 0));
	R(send(p[1], &l, 1, 0));
}

CASE(bad_pointers)
{
	int s[2];
	struct iovec iov = { nowhere, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	stream_pair(s);
	R(send(s[1], nowhere, 4, 0));
	R(sendmsg(s[1], &msg, 0));
	R(sendmsg(s[1], nowhere, 0));
	R(write(s[1], nowhere, 4));
	R(send(s[1], "abcdefgh", 8, 0));
	R(recv(s[0], nowhere, 4, 0));
	R(recv(s[0], nowhere, 4, MSG_WAITALL));
	R(recvmsg(s[0], &msg, 0));
	R(read(s[0], nowhere, 4));
	SHOW(much, R(recv(s[0], much, 16, MSG_DONTWAIT)));
}

CASE(bad_message_headers)
{
	int s[2];
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 },
		      many = { .msg_iov = &iov, .msg_iovlen = 5000 };
	struct msghdr lost = { .msg_iov = nowhere, .msg_iovlen = 1 };

	stream_pair(s);
	do_send(num(s[1]));
	R(recvmsg(s[0], nowhere, 0));
	R(recvmsg(s[0], &many, 0));
	R(recvmsg(s[0], &lost, 0));
	R(sendmsg(s[0], &many, 0));
	R(sendmsg(s[0], &lost, 0));
	msg.msg_namelen = (socklen_t)-1;
	R(recvmsg(s[0], &msg, 0));
	iov.iov_len = (size_t)-1;
	R(recvmsg(s[0], &msg, 0));
	R(recvmsg(s[0], &msg, MSG_WAITALL));
	R(recvmsg(s[0], &many, MSG_WAITALL));
	R(recvmsg(s[0], &lost, MSG_WAITALL));
	R(recvmsg(s[0], nowhere, MSG_WAITALL));
}

CASE(bad_addresses)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int s = udp_socket(&a);
	char c;

	for (int i = 0; i < 3; i++)
		R(sendto(s, "x", 1, 0, inet(&a), sizeof(a)));
	R(recvfrom(s, &c, 1, 0, nowhere, &len));
	R(recvfrom(s, &c, 1, 0, inet(&a), nowhere));
	len = (socklen_t)-1;
	R(recvfrom(s, &c, 1, 0, inet(&a), &len));
	R(recv(s, &c, 1, MSG_DONTWAIT));
	R(sendto(s, "x", 1, 0, nowhere, sizeof(a)));
	R(sendto(s, "x", 1, 0, inet(&a), (socklen_t)-1));
	R(sendto(s, "x", 1, 0, inet(&a), 1));
}

CASE(bad_addresses_of_streams)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int s[2];
	char buf[8];

	tcp_pair(s);
	R(send(s[1], "abcdef", 6, 0));
	R(recvfrom(s[0], buf, 2, MSG_WAITALL, inet(&a), nowhere));
	R(recvfrom(s[0], buf, 2, MSG_WAITALL, nowhere, &len));
	SHOW(buf, R(recvfrom(s[0], buf, 2, MSG_WAITALL, NULL, nowhere)));
}
