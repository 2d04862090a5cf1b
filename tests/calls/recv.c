/* SPDX-License-Identifier: Apache-2.0
 *
 * recv(): takes what is there at once, waits for what is not, ends with 0 at the end of the stream,
 * and leaves errno alone whenever it succeeds, whichever way it went.
 */
#include "calls/blocked.h"

static int s[2];

static void *send_when_blocked(void *arg)
{
	await_blocked(1);
	CHECK_EQ(send(s[1], arg, strlen(arg), 0), strlen(arg));
	return NULL;
}

static void *recv_one(void *arg)
{
	(void)arg;
	char c = 0;

	about_to_block();
	CHECK_EQ(recv(s[0], &c, 1, 0), 1);
	CHECK_EQ(c, 'x');
	return NULL;
}

int main(void)
{
	char buf[16] = "";
	pthread_t t;

	stream_pair(s);
	t = start(send_when_blocked, "late");
	errno = 1234;
	about_to_block();
	CHECK_EQ(recv(s[0], buf, sizeof(buf), 0), 4);
	CHECK_EQ(errno, 1234);
	CHECK(!memcmp(buf, "late", 4));
	finish(t);

	t = start(recv_one, NULL);
	await_blocked(2);
	CHECK_EQ(send(s[1], "xyz", 3, 0), 3);
	finish(t);

	errno = 1234;
	CHECK_EQ(recv(s[0], buf, 0, 0), 0);
	CHECK_EQ(recv(s[0], buf, sizeof(buf), MSG_PEEK), 2);
	CHECK_EQ(recv(s[0], buf, sizeof(buf), 0), 2);
	CHECK_EQ(errno, 1234);
	CHECK(!memcmp(buf, "yz", 2));
	CHECK_EQ(close(s[1]), 0);
	CHECK_EQ(recv(s[0], buf, 1, 0), 0);
	CHECK_VERIFY();
	return 0;
}
