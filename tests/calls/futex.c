/* SPDX-License-Identifier: Apache-2.0
 *
 * syscall(SYS_futex …), on which libstdc++, Rust, GLib and abseil build their locks: WAIT, WAKE, the
 * bitset forms with absolute deadlines on either clock, REQUEUE and CMP_REQUEUE, with the kernel's
 * results: the number woken, EAGAIN for another value, ETIMEDOUT, EINVAL; ENOSYS for what is unknown.
 */
#include "calls/blocked.h"
#include <linux/futex.h>
#include <sys/syscall.h>

static uint32_t a, b;

static long futex(uint32_t *word, int op, uint32_t val, const void *timeout, uint32_t *word2, uint32_t val3)
{
	return syscall(SYS_futex, word, op, val, timeout, word2, val3);
}

static void *waiter(void *arg)
{
	(void)arg;
	errno = 1234;
	about_to_block();
	CHECK_EQ(futex(&a, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), 0);
	CHECK_EQ(errno, 1234);
	return NULL;
}

static void *bits_waiter(void *arg)
{
	uint32_t bits = *(uint32_t *)arg;
	struct timespec far = in_ms(CLOCK_MONOTONIC, 1000000);

	about_to_block();
	CHECK_EQ(futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, &far, NULL, bits), 0);
	return NULL;
}

/* natively a thread may be counted as asleep a little before it is on the queue */
static void wake(uint32_t *word, int n)
{
	for (int woken = 0; woken < n; sched_yield()) {
		long r = futex(word, FUTEX_WAKE_PRIVATE, n - woken, NULL, NULL, 0);

		CHECK(r >= 0);
		woken += r;
	}
}

static void timeouts(void)
{
	struct timespec span = ms_span(10), at = in_ms(CLOCK_MONOTONIC, 10), bad = { 0, -1 };
	int64_t t0 = mono_ms();

	CHECK_ERRNO(futex(&a, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), EAGAIN);
	CHECK_ERRNO(futex(&a, FUTEX_WAIT_PRIVATE, 0, &span, NULL, 0), ETIMEDOUT);
	CHECK(mono_ms() - t0 >= 10);
	CHECK_ERRNO(futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, &at, NULL, ~0u), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_MONOTONIC) >= at.tv_sec * 1000000000LL + at.tv_nsec);
	at = in_ms(CLOCK_REALTIME, 10);
	CHECK_ERRNO(futex(&a, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &at, NULL, ~0u), ETIMEDOUT);
	CHECK(clock_ns(CLOCK_REALTIME) >= at.tv_sec * 1000000000LL + at.tv_nsec);
	CHECK_ERRNO(futex(&a, FUTEX_WAIT, 0, &span, NULL, 0), ETIMEDOUT); /* the shared form */
	CHECK_ERRNO(futex(&a, FUTEX_WAIT_PRIVATE, 0, &bad, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex((uint32_t *)((char *)&a + 1), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(&a, 99, 0, NULL, NULL, 0), ENOSYS);
	CHECK_EQ(futex(&a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
}

static void bitsets(void)
{
	uint32_t one = 1, two = 2;
	pthread_t t1 = start(bits_waiter, &one), t2 = start(bits_waiter, &two);

	await_blocked(2);
	while (futex(&a, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2) == 0)
		sched_yield();
	finish(t2);
	CHECK_EQ(pthread_tryjoin_np(t1, NULL), EBUSY);
	while (futex(&a, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 1) == 0)
		sched_yield();
	finish(t1);
}

static void requeues(void)
{
	pthread_t t[4];
	long moved = 0;

	for (int i = 0; i < 4; i++)
		t[i] = start(waiter, NULL);
	await_blocked(6);
	CHECK_ERRNO(futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)4L, &b, 7), EAGAIN);
	while (moved < 3) { /* the counts of requeued ones, nobody woken */
		long r = futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)(3 - moved), &b, 0);

		CHECK(r >= 0);
		moved += r;
	}
	wake(&a, 1);
	CHECK_EQ(futex(&a, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&b, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(futex(&b, FUTEX_REQUEUE_PRIVATE, 1, (void *)1L, &a, 0), 2);
	CHECK_EQ(futex(&a, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 1);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
}

int main(void)
{
	pthread_t t;

	bitsets();
	requeues();
	t = start(waiter, NULL);
	await_blocked(7);
	wake(&a, 1);
	finish(t);
	timeouts();
	CHECK_ERRNO(syscall(99999), ENOSYS);
	CHECK_EQ(syscall(SYS_getpid), getpid());
	return 0;
}
