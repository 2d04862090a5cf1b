/* SPDX-License-Identifier: Apache-2.0
 *
 * MSG_WAITALL: a blocking receive returns when all that was asked for has come, however many pieces
 * it came in; less only at the end of the stream, after SO_RCVTIMEO, or when the descriptor does not wait.
 */
#include "calls/blocked.h"

#define PIECES 50
#define PIECE  1000

static int s[2];

static void *send_pieces(void *arg)
{
	(void)arg;
	char piece[PIECE];

	for (int i = 0; i < PIECES; i++) {
		memset(piece, i, sizeof(piece));
		CHECK_EQ(send(s[1], piece, sizeof(piece), 0), PIECE);
		sched_yield();
	}
	return NULL;
}

static void receive_all(bool with_msg)
{
	static char buf[PIECES * PIECE];
	struct iovec iov[2] = { { buf, 1234 }, { buf + 1234, sizeof(buf) - 1234 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	pthread_t t = start(send_pieces, NULL);

	errno = 1234;
	if (with_msg)
		CHECK_EQ(recvmsg(s[0], &msg, MSG_WAITALL), sizeof(buf));
	else
		CHECK_EQ(recv(s[0], buf, sizeof(buf), MSG_WAITALL), sizeof(buf));
	CHECK_EQ(errno, 1234);
	for (size_t i = 0; i < sizeof(buf); i++)
		CHECK_EQ(buf[i], i / PIECE);
	CHECK_EQ(iov[0].iov_len, 1234); /* the caller's vector is not ours to change */
	finish(t);
}

static void *close_when_blocked(void *arg)
{
	(void)arg;
	await_blocked(1);
	CHECK_EQ(close(s[1]), 0);
	return NULL;
}

int main(void)
{
	char buf[16];
	pthread_t t;

	stream_pair(s);
	receive_all(false);
	receive_all(true);

	CHECK_EQ(send(s[1], "abc", 3, 0), 3);
	CHECK_EQ(recv(s[0], buf, sizeof(buf), MSG_WAITALL | MSG_DONTWAIT), 3);
	CHECK_EQ(send(s[1], "abc", 3, 0), 3);
	set_timeo(s[0], SO_RCVTIMEO, 20);
	CHECK_EQ(recv(s[0], buf, sizeof(buf), MSG_WAITALL), 3);
	set_timeo(s[0], SO_RCVTIMEO, 0);

	CHECK_EQ(send(s[1], "abc", 3, 0), 3);
	t = start(close_when_blocked, NULL);
	about_to_block();
	CHECK_EQ(recv(s[0], buf, sizeof(buf), MSG_WAITALL), 3);
	CHECK_EQ(recv(s[0], buf, sizeof(buf), MSG_WAITALL), 0);
	finish(t);
	return 0;
}
