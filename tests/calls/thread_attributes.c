/* SPDX-License-Identifier: Apache-2.0
 *
 * What libc asks the kernel about a thread by its id: affinity, scheduling, its CPU clock; set and get,
 * from the thread itself and from another one.
 */
#include "calls/blocked.h"

static int gate[2];

static void *worker(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 1);
	return arg;
}

static void *inspect(void *arg)
{
	pthread_t t = *(pthread_t *)arg;
	struct sched_param param = { .sched_priority = 77 };
	struct timespec ts;
	cpu_set_t cpus, all;
	clockid_t clock;
	int policy;

	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	CHECK_EQ(pthread_getaffinity_np(t, sizeof(cpus), &cpus), 0);
	CHECK(CPU_COUNT(&cpus) > 0);
	CHECK(CPU_EQUAL(&cpus, &all));
	CHECK_EQ(pthread_setaffinity_np(t, sizeof(cpus), &cpus), 0);
	CHECK_EQ(pthread_getschedparam(t, &policy, &param), 0);
	CHECK_EQ(policy, SCHED_OTHER);
	CHECK_EQ(param.sched_priority, 0);
	CHECK_EQ(pthread_setschedparam(t, SCHED_OTHER, &param), 0);
	CHECK_EQ(pthread_setschedparam(t, 9876, &param), EINVAL);
	CHECK_EQ(pthread_setschedprio(t, 0), 0);
	CHECK_EQ(pthread_getcpuclockid(t, &clock), 0);
	CHECK_EQ(clock_gettime(clock, &ts), 0);
	CHECK_EQ(clock_getres(clock, &ts), 0);
	CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	CHECK(sched_getcpu() >= 0);
	return NULL;
}

static void *inspect_self(void *arg)
{
	pthread_t self = pthread_self();

	inspect(&self);
	return arg;
}

int main(void)
{
	pthread_t t, main_thread = pthread_self();

	CHECK_EQ(pipe(gate), 0);
	t = start(worker, NULL);
	await_blocked(1);
	inspect(&t);
	finish(start(inspect, &t));
	finish(start(inspect, &main_thread));
	finish(start(inspect_self, NULL));
	CHECK_EQ(write(gate[1], "x", 1), 1);
	finish(t);
	return 0;
}
