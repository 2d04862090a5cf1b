/* SPDX-License-Identifier: Apache-2.0
 *
 * sleep, usleep, nanosleep and clock_nanosleep: never too short, several at once, relative and
 * absolute on both clocks, a past time returns at once, bad arguments get the kernel's answer.
 */
#include "calls/blocked.h"

static void *nap(void *arg)
{
	struct timespec ts = ms_span(20);
	int64_t t0 = mono_ms();

	(void)arg;
	errno = 1234;
	CHECK_EQ(nanosleep(&ts, NULL), 0);
	CHECK_EQ(errno, 1234);
	CHECK(mono_ms() - t0 >= 20);
	CHECK_EQ(ts.tv_nsec, 20000000);
	return NULL;
}

static void until(clockid_t clock, long ms)
{
	struct timespec at = in_ms(clock, ms);
	int64_t ns = at.tv_sec * 1000000000LL + at.tv_nsec;

	CHECK_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &at, NULL), 0);
	CHECK(clock_ns(clock) >= ns);
}

int main(void)
{
	struct timespec ts = ms_span(10), bad = { 0, 1000000000 }, negative = { -1, 0 }, zero = { 0, 0 };
	pthread_t t[10];
	int64_t t0;

	for (int i = 0; i < 10; i++)
		t[i] = start(nap, NULL);
	t0 = mono_ms();
	errno = 1234;
	CHECK_EQ(usleep(10000), 0);
	CHECK(mono_ms() - t0 >= 10);
	CHECK_EQ(usleep(0), 0);
	CHECK_EQ(sleep(0), 0);
	CHECK_EQ(nanosleep(&zero, NULL), 0);
	t0 = mono_ms();
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL), 0);
	CHECK(mono_ms() - t0 >= 10);
	until(CLOCK_MONOTONIC, 10);
	until(CLOCK_REALTIME, 10);
	until(CLOCK_MONOTONIC, -1000);
	until(CLOCK_REALTIME, -1000);
	CHECK_EQ(errno, 1234);

	CHECK_ERRNO(nanosleep(&bad, NULL), EINVAL);
	CHECK_ERRNO(nanosleep(&negative, NULL), EINVAL);
	CHECK_ERRNO(nanosleep((void *)8, NULL), EFAULT);
	errno = 1234;
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL), EINVAL);
	CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), EINVAL);
	CHECK_EQ(clock_nanosleep(12345, 0, &ts, NULL), EINVAL);
	CHECK_EQ(errno, 1234);
	for (int i = 0; i < 10; i++)
		finish(t[i]);
	return 0;
}
