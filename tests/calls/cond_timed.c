/* SPDX-License-Identifier: Apache-2.0
 *
 * Timed waits on conditions: on the clock of the condition (realtime by default, monotonic by
 * attribute) or on the one given to clockwait; ETIMEDOUT never before the deadline and with the mutex
 * held, 0 when signalled in time, EINVAL for a bad time, EPERM for a mutex that is not ours.
 */
#include "calls/blocked.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, chk;
static pthread_cond_t real = PTHREAD_COND_INITIALIZER, mono;
static bool flag;

static void *signaller(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	flag = true;
	CHECK_EQ(pthread_cond_signal(arg), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return NULL;
}

/* Spurious wakes are allowed, and a lost deadline is not. */
static void times_out(pthread_cond_t *c, clockid_t clock, bool clockwait)
{
	struct timespec at = in_ms(clock, 10);
	int r;

	errno = 1234;
	do
		r = clockwait ? pthread_cond_clockwait(c, &m, clock, &at) : pthread_cond_timedwait(c, &m, &at);
	while (r == 0);
	CHECK_EQ(r, ETIMEDOUT);
	CHECK_EQ(errno, 1234);
	CHECK(clock_ns(clock) >= at.tv_sec * 1000000000LL + at.tv_nsec);
	CHECK_EQ(pthread_mutex_trylock(&m), EBUSY);
}

static void signalled(pthread_cond_t *c, clockid_t clock)
{
	struct timespec at = in_ms(clock, 1000000);
	pthread_t t = start(signaller, c);

	flag = false;
	while (!flag)
		CHECK_EQ(pthread_cond_clockwait(c, &m, clock, &at), 0);
	CHECK_EQ(pthread_mutex_trylock(&m), EBUSY);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	finish(t);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
}

static void *idle(void *arg)
{
	char c;

	CHECK_EQ(read(*(int *)arg, &c, 1), 0);
	return NULL;
}

int main(void)
{
	struct timespec bad = { 0, -1 }, past = { 1, 0 };
	pthread_condattr_t attr;
	pthread_mutexattr_t mattr;
	int gate[2];
	pthread_t t;

	CHECK_EQ(pipe(gate), 0);
	t = start(idle, &gate[0]);
	CHECK_EQ(pthread_condattr_init(&attr), 0);
	CHECK_EQ(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), 0);
	CHECK_EQ(pthread_cond_init(&mono, &attr), 0);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	times_out(&real, CLOCK_REALTIME, false);
	times_out(&mono, CLOCK_MONOTONIC, false);
	times_out(&real, CLOCK_MONOTONIC, true);
	times_out(&mono, CLOCK_REALTIME, true);
	signalled(&real, CLOCK_MONOTONIC);
	signalled(&mono, CLOCK_REALTIME);
	CHECK_EQ(pthread_cond_timedwait(&real, &m, &past), ETIMEDOUT);
	CHECK_EQ(pthread_cond_timedwait(&real, &m, &bad), EINVAL);
	CHECK_EQ(pthread_cond_clockwait(&real, &m, CLOCK_PROCESS_CPUTIME_ID, &past), EINVAL);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);

	CHECK_EQ(pthread_mutexattr_init(&mattr), 0);
	CHECK_EQ(pthread_mutexattr_settype(&mattr, PTHREAD_MUTEX_ERRORCHECK), 0);
	CHECK_EQ(pthread_mutex_init(&chk, &mattr), 0);
	CHECK_EQ(pthread_cond_wait(&real, &chk), EPERM);
	CHECK_EQ(close(gate[1]), 0);
	finish(t);
	return 0;
}
