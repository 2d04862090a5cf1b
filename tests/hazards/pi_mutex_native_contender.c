/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel looks the owner of a priority inheritance mutex up by the id in the futex word.  With an id
 * that no kernel thread has, a native contender is told ESRCH and libc puts it to sleep for ever, on
 * purpose; the later unlock succeeds and wakes nobody.  Owner and contender are of both kinds here.
 */
#include "calls/blocked.h"

static pthread_mutex_t m;
static int counter;

static void *contender(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	counter++;
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return arg;
}

static void *owner(void *arg)
{
	static int blocked;
	pthread_t native, green;

	CHECK_EQ(pthread_mutex_lock(&m), 0);
	native = start_native(contender, NULL);
	green = start(contender, NULL);
	await_blocked(blocked += 2);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	finish(native);
	finish(green);
	return arg;
}

static void *stress(void *arg)
{
	for (int i = 0; i < 300; i++) {
		CHECK_EQ(pthread_mutex_lock(&m), 0);
		counter++;
		CHECK_EQ(pthread_mutex_unlock(&m), 0);
	}
	return arg;
}

int main(void)
{
	pthread_mutexattr_t attr;
	pthread_t t[6];

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
	CHECK_EQ(pthread_mutex_init(&m, &attr), 0);
	owner(NULL);
	finish(start(owner, NULL));
	finish(start_native(owner, NULL));
	CHECK_EQ(counter, 6);
	for (int i = 0; i < 6; i++)
		t[i] = i % 2 ? start_native(stress, NULL) : start(stress, NULL);
	for (int i = 0; i < 6; i++)
		finish(t[i]);
	CHECK_EQ(counter, 6 + 6 * 300);
	return 0;
}
