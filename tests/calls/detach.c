/* SPDX-License-Identifier: Apache-2.0
 *
 * Detached threads, by attribute, by pthread_detach() from outside, from inside, and after the end:
 * they run, and their stacks come back (thousands of them need no more address space than a few).
 */
#include "calls/blocked.h"
#include <sys/resource.h>

static _Atomic int ran;

static void *plain(void *arg)
{
	atomic_fetch_add(&ran, 1);
	return arg;
}

static void *detaches_itself(void *arg)
{
	CHECK_EQ(pthread_detach(pthread_self()), 0);
	atomic_fetch_add(&ran, 1);
	return arg;
}

static void await(int n)
{
	while (atomic_load(&ran) < n)
		sched_yield();
}

/* A kernel thread that has counted itself may still own its stack: only so many may pile up. */
static pthread_t start_patiently(pthread_attr_t *attr, void *(*fn)(void *))
{
	pthread_t t;
	int r;

	while ((r = pthread_create(&t, attr, fn, NULL)) == EAGAIN)
		sched_yield();
	CHECK_EQ(r, 0);
	return t;
}

int main(void)
{
	struct rlimit lim = { 1UL << 31, 1UL << 31 }; /* 256 default stacks at most */
	pthread_attr_t attr;
	pthread_t t;
	int n = 0;

#ifdef __SANITIZE_ADDRESS__
	SKIP("ASan's own memory does not fit below such a limit");
#endif
	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
	CHECK_EQ(setrlimit(RLIMIT_AS, &lim), 0);
	for (int i = 0; i < 600; i++) {
		start_patiently(&attr, plain);
		t = start_patiently(NULL, plain);
		CHECK_EQ(pthread_detach(t), 0);
		start_patiently(NULL, detaches_itself);
		n += 3;
		if (i % 10 == 0)
			await(n);
	}
	await(n);
	t = start(plain, NULL);
	await(n + 1);
	sched_yield();
	CHECK_EQ(pthread_detach(t), 0);
	return 0;
}
