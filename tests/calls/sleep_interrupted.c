/* SPDX-License-Identifier: Apache-2.0
 *
 * A signal ends a sleep: nanosleep and a relative clock_nanosleep say EINTR and what is left, an
 * absolute one leaves the remainder alone, sleep() returns the seconds left, whatever SA_RESTART says.
 * A thread that sleeps beside is not disturbed.
 */
#include "calls/blocked.h"

static volatile sig_atomic_t caught;
static pthread_t main_thread;

static void catch(int sig)
{
	(void)sig;
	caught++;
}

/* Again and again until it has been noticed: the first may come before the call has begun. */
static void *interrupt(void *arg)
{
	for (int n = 1; n <= 4; n++) {
		await_blocked(n);
		CHECK_EQ(pthread_kill(main_thread, SIGUSR1), 0);
	}
	return arg;
}

static void *undisturbed(void *arg)
{
	struct timespec ts = ms_span(50);

	CHECK_EQ(nanosleep(&ts, NULL), 0);
	return arg;
}

int main(void)
{
	struct timespec day = { 86400, 0 }, rem = { 0, 0 }, at = in_ms(CLOCK_MONOTONIC, 86400000);
	pthread_t t, other;
	unsigned left;

	main_thread = pthread_self();
	on_signal(SIGUSR1, catch, SA_RESTART);
	other = start(undisturbed, NULL);
	t = start(interrupt, NULL);

	about_to_block();
	CHECK_ERRNO(nanosleep(&day, &rem), EINTR);
	CHECK(rem.tv_sec <= 86400 && rem.tv_sec > 86300);
	rem.tv_sec = 77;
	about_to_block();
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, &rem), EINTR);
	CHECK_EQ(rem.tv_sec, 77);
	about_to_block();
	CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, 0, &day, &rem), EINTR);
	CHECK(rem.tv_sec <= 86400 && rem.tv_sec > 86300);
	about_to_block();
	left = sleep(86400);
	CHECK(left <= 86400 && left > 86300);
	CHECK_EQ(caught, 4);
	finish(t);
	finish(other);
	return 0;
}
