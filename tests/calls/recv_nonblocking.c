/* SPDX-License-Identifier: Apache-2.0
 *
 * recv() that must not wait says EAGAIN: on a descriptor that the program made non-blocking, with
 * MSG_DONTWAIT on a blocking one, and after SO_RCVTIMEO.  Other errors are the kernel's.
 * The other thread is there so that a wait would be possible.
 */
#include "calls/blocked.h"

static int s[2];

static void *idle(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(*(int *)arg, &c, 1), 0);
	return NULL;
}

int main(void)
{
	int gate[2], udp;
	char c;
	pthread_t t;
	int64_t t0;
	struct sockaddr_in addr;

	CHECK_EQ(pipe(gate), 0);
	t = start(idle, &gate[0]);
	await_blocked(1);
	stream_pair(s);

	CHECK_ERRNO(recv(s[0], &c, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_ERRNO(recv(s[0], &c, 1, MSG_DONTWAIT | MSG_PEEK), EAGAIN);
	set_nonblock(s[0], true);
	CHECK_ERRNO(recv(s[0], &c, 1, 0), EAGAIN);
	CHECK_ERRNO(recv(s[0], &c, 1, MSG_WAITALL), EAGAIN);
	CHECK_ERRNO(read(s[0], &c, 1), EAGAIN);
	set_nonblock(s[0], false);

	set_timeo(s[0], SO_RCVTIMEO, 30);
	t0 = mono_ms();
	CHECK_ERRNO(recv(s[0], &c, 1, 0), EAGAIN);
	CHECK(mono_ms() - t0 >= 15); /* the kernel counts in ticks and may be one short */
	CHECK_ERRNO(read(s[0], &c, 1), EAGAIN);
	CHECK_ERRNO(recvfrom(s[0], &c, 1, 0, NULL, NULL), EAGAIN);
	set_timeo(s[0], SO_RCVTIMEO, 0);

	CHECK_ERRNO(recv(-1, &c, 1, 0), EBADF);
	CHECK_ERRNO(recv(gate[0], &c, 1, 0), ENOTSOCK);
	CHECK_EQ(send(s[1], "q", 1, 0), 1);
	CHECK_ERRNO(recv(s[0], (void *)8, 1, 0), EFAULT);
	udp = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(recv(udp, &c, 1, 0), ENOTCONN);
	CHECK_EQ(close(udp), 0);
	udp = udp_socket(&addr);
	set_timeo(udp, SO_RCVTIMEO, 5);
	CHECK_ERRNO(recv(udp, &c, 1, 0), EAGAIN);

	CHECK_EQ(close(gate[1]), 0);
	finish(t);
	return 0;
}
