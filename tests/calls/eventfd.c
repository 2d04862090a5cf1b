/* SPDX-License-Identifier: Apache-2.0
 *
 * eventfds: a read waits for a count above 0, a write for room below the maximum; semaphores give one
 * at a time; eventfd_read and eventfd_write do the same; non-blocking ones say EAGAIN.
 */
#include "calls/blocked.h"
#include <sys/eventfd.h>

static int e;

static void *add(void *arg)
{
	uint64_t five = 5;

	await_blocked(*(int *)arg);
	CHECK_EQ(write(e, &five, sizeof(five)), sizeof(five));
	return NULL;
}

static void *take(void *arg)
{
	eventfd_t v;

	await_blocked(*(int *)arg);
	CHECK_EQ(eventfd_read(e, &v), 0);
	CHECK_EQ(v, UINT64_MAX - 1);
	return NULL;
}

int main(void)
{
	int n[] = { 1, 2, 3 };
	uint64_t v;
	eventfd_t got;
	pthread_t t;

	e = eventfd(0, 0);
	t = start(add, &n[0]);
	errno = 1234;
	about_to_block();
	CHECK_EQ(read(e, &v, sizeof(v)), sizeof(v));
	CHECK_EQ(errno, 1234);
	CHECK_EQ(v, 5);
	finish(t);

	t = start(add, &n[1]);
	about_to_block();
	CHECK_EQ(eventfd_read(e, &got), 0);
	CHECK_EQ(got, 5);
	finish(t);

	CHECK_EQ(eventfd_write(e, UINT64_MAX - 1), 0);
	t = start(take, &n[2]);
	v = 7;
	about_to_block();
	CHECK_EQ(write(e, &v, sizeof(v)), sizeof(v));
	finish(t);
	CHECK_EQ(read(e, &v, sizeof(v)), sizeof(v));
	CHECK_EQ(v, 7);
	if (!is_green() || !is_emulated("without RWF_NOWAIT, a read that is too short waits"))
		CHECK_ERRNO(read(e, &v, 4), EINVAL);
	CHECK_EQ(close(e), 0);

	e = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
	CHECK_EQ(read(e, &v, sizeof(v)), sizeof(v));
	CHECK_EQ(v, 1);
	CHECK_EQ(eventfd_read(e, &got), 0);
	CHECK_ERRNO(read(e, &v, sizeof(v)), EAGAIN);
	CHECK_ERRNO(eventfd_read(e, &got), EAGAIN);
	return 0;
}
