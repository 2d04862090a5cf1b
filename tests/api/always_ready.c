/* SPDX-License-Identifier: Apache-2.0
 *
 * A coroutine whose descriptor is always ready never has to wait, and is never handed off; others get on all the same.
 */
#include "coroutines.h"
#include <sys/socket.h>

static bool over;

static void *talk_to_itself(void *arg)
{
	int *s = arg;
	char c = 'x';

	while (!over) {
		CHECK_EQ(send(s[1], &c, 1, 0), 1);
		CHECK_EQ(recv(s[0], &c, 1, 0), 1);
	}
	return NULL;
}

static void *wait_for_byte(void *arg)
{
	char c;

	CHECK_EQ(recv(*(int *)arg, &c, 1, 0), 1);
	over = true;
	return NULL;
}

int main(void)
{
	int own[2], other[2];
	syncless_co *busy, *waiting;

	NEED_LIBRARY();
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, own), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
	waiting = spawn(wait_for_byte, other);
	busy = spawn(talk_to_itself, own);
	usleep(1000);
	CHECK_EQ(send(other[1], "x", 1, 0), 1);
	join(waiting);
	join(busy);
	CHECK_VERIFY();
	return 0;
}
