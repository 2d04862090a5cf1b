/* SPDX-License-Identifier: Apache-2.0
 *
 * A descriptor that a thread waits on is closed by a system call that no preload sees, whether or not the
 * event loop watches it already.  The loop goes on for others, and whoever gets the number next is not confused
 * with its old owner.  A thread of the kernel's is in its call still, and takes the byte.
 */
#include "calls/blocked.h"

static long close_inline(int fd)
{
	long r;

#if defined(__x86_64__)
	__asm__ volatile("syscall" : "=a"(r) : "0"(3L), "D"((long)fd) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = 57;
	register long x0 __asm__("x0") = fd;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8) : "memory");
	r = x0;
#else
#error "close(2) of this machine"
#endif
	return r;
}

/* Its waiter is just back, and the loop has yet to look at it again. */
static void *read_and_close(void *arg)
{
	int *fd = arg;
	char c;

	about_to_block();
	CHECK_EQ(read(*fd, &c, 1), 1);
	CHECK_EQ(close_inline(*fd), 0);
	return NULL;
}

static void *answer(void *arg)
{
	int *s = arg;
	char c;

	while (recv(s[1], &c, 1, 0) == 1)
		CHECK_EQ(send(s[1], &c, 1, 0), 1);
	return NULL;
}

/* Each turn waits in the loop, on other descriptors. */
static void turns(int fd)
{
	char c = 'x';

	for (int i = 0; i < 5; i++) {
		CHECK_EQ(send(fd, &c, 1, 0), 1);
		CHECK_EQ(recv(fd, &c, 1, 0), 1);
	}
}

static void check(bool is_watched, int blocked, int other)
{
	int p[2], q[2], old;
	pthread_t t;
	char c;

	CHECK_EQ(pipe(p), 0);
	old = p[0];
	t = start(read_until_closed, &old);
	await_blocked(blocked);
	if (is_watched)
		turns(other);
	CHECK_EQ(close_inline(p[0]), 0);
	turns(other);
	CHECK_EQ(pipe(q), 0);
	CHECK_EQ(q[0], old);
	if (!is_green())
		CHECK_EQ(write(p[1], "x", 1), 1);
	finish(t);
	CHECK_EQ(write(q[1], "y", 1), 1);
	CHECK_EQ(read(q[0], &c, 1), 1);
	CHECK_EQ(c, 'y');
	close(q[0]);
	close(q[1]);
	close(p[1]);
}

static void check_after_event(int blocked, int other)
{
	int p[2];
	pthread_t t;

	CHECK_EQ(pipe(p), 0);
	t = start(read_and_close, &p[0]);
	await_blocked(blocked);
	CHECK_EQ(write(p[1], "x", 1), 1);
	turns(other);
	finish(t);
	close(p[1]);
}

int main(void)
{
	int s[2];
	pthread_t t;

	stream_pair(s);
	t = start(answer, s);
	check(false, 1, s[0]);
	check(true, 2, s[0]);
	check_after_event(3, s[0]);
	CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
	finish(t);
	CHECK_VERIFY();
	return 0;
}
