/* SPDX-License-Identifier: Apache-2.0
 *
 * recvmmsg() and sendmmsg(): a blocking call waits for the whole vector, MSG_WAITFORONE only for the
 * first message, MSG_DONTWAIT for none; lengths land in the entries.
 */
#include "calls/blocked.h"

#define N 4

static int s[2];
static char bufs[N][8];
static struct iovec iov[N];
static struct mmsghdr msgs[N];

static void prepare(void)
{
	memset(msgs, 0, sizeof(msgs));
	for (int i = 0; i < N; i++) {
		iov[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
}

static void *send_apart(void *arg)
{
	(void)arg;
	await_blocked(1);
	for (int i = 0; i < N; i++) {
		CHECK_EQ(send(s[1], "abcdefgh", i + 1, 0), i + 1);
		sched_yield();
	}
	return NULL;
}

static void *send_one(void *arg)
{
	(void)arg;
	await_blocked(2);
	CHECK_EQ(send(s[1], "z", 1, 0), 1);
	return NULL;
}

static void *send_vector(void *arg)
{
	(void)arg;
	char text[N * 8];
	struct iovec out[1000];
	static struct mmsghdr many[1000];

	for (int i = 0; i < 1000; i++) {
		out[i] = (struct iovec){ text, sizeof(text) };
		many[i].msg_hdr.msg_iov = &out[i];
		many[i].msg_hdr.msg_iovlen = 1;
	}
	memset(text, 'v', sizeof(text));
	CHECK_EQ(sendmmsg(s[1], many, 1000, 0), 1000); /* far more than a datagram queue holds */
	CHECK_EQ(many[999].msg_len, sizeof(text));
	return NULL;
}

int main(void)
{
	pthread_t t;
	struct timespec none = { 0, 0 };
	char buf[64];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	prepare();
	t = start(send_apart, NULL);
	errno = 1234;
	about_to_block();
	CHECK_EQ(recvmmsg(s[0], msgs, N, 0, NULL), N);
	CHECK_EQ(errno, 1234);
	for (int i = 0; i < N; i++)
		CHECK_EQ(msgs[i].msg_len, i + 1);
	finish(t);

	prepare();
	t = start(send_one, NULL);
	about_to_block();
	CHECK_EQ(recvmmsg(s[0], msgs, N, MSG_WAITFORONE, NULL), 1);
	CHECK_EQ(msgs[0].msg_len, 1);
	finish(t);
	CHECK_ERRNO(recvmmsg(s[0], msgs, N, MSG_DONTWAIT, NULL), EAGAIN);
	CHECK_EQ(send(s[1], "one", 3, 0), 3);
	CHECK_EQ(recvmmsg(s[0], msgs, N, MSG_DONTWAIT, NULL), 1);
	if (is_green() || !is_emulated("the timeout of recvmmsg is forgotten")) {
		CHECK_EQ(send(s[1], "one", 3, 0), 3);
		CHECK_EQ(recvmmsg(s[0], msgs, N, 0, &none), 1); /* the timeout is looked at after each message */
	}

	t = start(send_vector, NULL);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(recv(s[0], buf, sizeof(buf), 0), N * 8);
	finish(t);
	return 0;
}
