/* SPDX-License-Identifier: Apache-2.0
 *
 * recvfrom() and recvmsg(): after a wait the address, the flags and the ancillary data are filled in
 * as after a plain call, and a descriptor that arrived in SCM_RIGHTS can be waited on like any other.
 */
#include "calls/blocked.h"
#include <sys/uio.h>

static struct sockaddr_in from, to;
static int out, in, s[2], passed[2];

static void *send_datagrams(void *arg)
{
	(void)arg;
	await_blocked(1);
	CHECK_EQ(sendto(out, "first", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	await_blocked(2);
	CHECK_EQ(sendto(out, "second", 6, 0, (struct sockaddr *)&to, sizeof(to)), 6);
	return NULL;
}

static void datagrams(void)
{
	char buf[4];
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_name = &peer, .msg_namelen = sizeof(peer), .msg_iov = &iov, .msg_iovlen = 1 };
	pthread_t t;

	out = udp_socket(&from);
	in = udp_socket(&to);
	t = start(send_datagrams, NULL);
	about_to_block();
	CHECK_EQ(recvfrom(in, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &len), 4);
	CHECK_EQ(len, sizeof(peer));
	CHECK_EQ(peer.sin_port, from.sin_port);
	memset(&peer, 0, sizeof(peer));
	about_to_block();
	CHECK_EQ(recvmsg(in, &msg, MSG_TRUNC), 6);
	CHECK(msg.msg_flags & MSG_TRUNC);
	CHECK_EQ(peer.sin_port, from.sin_port);
	finish(t);
}

static void *send_descriptor(void *arg)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { "f", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	(void)arg;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &passed[0], sizeof(int));
	await_blocked(3);
	CHECK_EQ(sendmsg(s[1], &msg, 0), 1);
	await_blocked(4);
	CHECK_EQ(write(passed[1], "!", 1), 1);
	return NULL;
}

static void descriptors(void)
{
	char c, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	pthread_t t;
	int fd;

	stream_pair(s);
	CHECK_EQ(pipe(passed), 0);
	t = start(send_descriptor, NULL);
	about_to_block();
	CHECK_EQ(recvmsg(s[0], &msg, 0), 1);
	CHECK_EQ(msg.msg_controllen, CMSG_SPACE(sizeof(int)));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	about_to_block();
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, '!');
	finish(t);
}

int main(void)
{
	datagrams();
	descriptors();
	return 0;
}
