/* SPDX-License-Identifier: Apache-2.0
 *
 * The last close() of a connection that a thread has waited on: the peer sees its end at once, not when the
 * event loop comes round, however the loop is asked to keep hold of what it watches.
 */
#include "calls/blocked.h"

static void *read_one(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(recv(*(int *)arg, &c, 1, 0), 1);
	return NULL;
}

int main(void)
{
	for (int i = 1; i <= 300; i++) { /* io_uring's queue has come round */
		int s[2];
		pthread_t t;
		char c;

		stream_pair(s);
		t = start(read_one, &s[0]);
		await_blocked(i);
		CHECK_EQ(send(s[1], "x", 1, 0), 1);
		finish(t);
		CHECK_EQ(close(s[0]), 0);
		CHECK_EQ(recv(s[1], &c, 1, MSG_DONTWAIT), 0);
		CHECK_EQ(close(s[1]), 0);
	}
	CHECK_VERIFY();
	return 0;
}
