/* SPDX-License-Identifier: Apache-2.0
 *
 * env: SYNCLESS_HANDOFF_MS=0
 *
 * libc reads files while it has locks that nobody sees: the maps for the stack of main, a time zone.  Whoever gets a
 * turn in there, and asks for the same, sleeps on the lock in the kernel, with the host.
 */
#include "calls/blocked.h"
#include <time.h>

#define ROUNDS 400

static pthread_t main_thread;

static void *ask(void *arg)
{
	static const char *const zones[] = { ":Europe/Zurich", ":Asia/Tokyo", ":UTC" };

	for (int i = 0; i < ROUNDS; i++) {
		pthread_attr_t attr;
		time_t now = 0;
		struct tm tm;

		CHECK_EQ(pthread_getattr_np(main_thread, &attr), 0);
		CHECK_EQ(pthread_attr_destroy(&attr), 0);
		setenv("TZ", zones[i % 3], 1);
		CHECK(localtime_r(&now, &tm) != NULL);
		tzset();
		sched_yield();
	}
	return arg;
}

int main(void)
{
	pthread_t t[2];

	main_thread = pthread_self();
	for (int i = 0; i < 2; i++)
		t[i] = start(ask, NULL);
	ask(NULL);
	for (int i = 0; i < 2; i++)
		finish(t[i]);
	return 0;
}
