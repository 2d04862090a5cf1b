/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes of pthread_create(): a stack of the caller's own is really used and stays his; a stack
 * size is really there to its end; a guard page ends an overflow by SIGSEGV; pthread_getattr_np tells
 * of them all, in the thread itself and in main.
 */
#include "calls/blocked.h"
#include <sys/mman.h>
#include <sys/wait.h>

static char *given;
#define GIVEN (256 * 1024)

static void *on_given_stack(void *arg)
{
	char here;
	pthread_attr_t attr;
	void *base;
	size_t size;

	CHECK(&here > given && &here < given + GIVEN);
	CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
	CHECK_EQ(pthread_attr_getstack(&attr, &base, &size), 0);
	CHECK(base == given && size == GIVEN);
	CHECK_EQ(pthread_attr_destroy(&attr), 0);
	sched_yield();
	return arg;
}

static void own_stack(void)
{
	pthread_attr_t attr;
	pthread_t t;

	given = mmap(NULL, GIVEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setstack(&attr, given, GIVEN), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pthread_create(&t, &attr, on_given_stack, given), 0);
		CHECK(finish(t) == given);
		memset(given, i, GIVEN); /* ours again after the join, all of it */
	}
	CHECK_EQ(munmap(given, GIVEN), 0);
	finish(start((void *(*)(void *))(void *)getpid, NULL)); /* and nobody touches it later */
}

static void *uses_stack(void *arg)
{
	size_t size = (size_t)arg - 96 * 1024;
	volatile char *deep = __builtin_alloca(size);

	for (size_t i = 0; i < size; i += 1024)
		deep[i] = 1;
	sched_yield();
	for (size_t i = 0; i < size; i += 1024)
		CHECK_EQ(deep[i], 1);
	return arg;
}

static void stack_sizes(void)
{
	size_t sizes[] = { 128 << 10, 1 << 20, 16 << 20, 64 << 20 };
	pthread_attr_t attr;
	pthread_t t;

	CHECK_EQ(pthread_attr_init(&attr), 0);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_EQ(pthread_attr_setstacksize(&attr, sizes[i]), 0);
		CHECK_EQ(pthread_create(&t, &attr, uses_stack, (void *)sizes[i]), 0);
		finish(t);
	}
	CHECK_EQ(pthread_attr_setstacksize(&attr, 1), EINVAL);
}

static void *reports(void *arg)
{
	pthread_attr_t attr;
	size_t guard, size;
	void *base;
	int state;
	char here;

	CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
	CHECK_EQ(pthread_attr_getguardsize(&attr, &guard), 0);
	CHECK_EQ(guard, *(size_t *)arg);
	CHECK_EQ(pthread_attr_getstack(&attr, &base, &size), 0);
	CHECK(&here > (char *)base && &here < (char *)base + size);
	CHECK_EQ(pthread_attr_getdetachstate(&attr, &state), 0);
	CHECK_EQ(state, PTHREAD_CREATE_JOINABLE);
	CHECK_EQ(pthread_attr_destroy(&attr), 0);
	return NULL;
}

static void guards(void)
{
	size_t sizes[] = { 0, 4096, 65536 };
	pthread_attr_t attr;
	pthread_t t;

	CHECK_EQ(pthread_attr_init(&attr), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pthread_attr_setguardsize(&attr, sizes[i]), 0);
		CHECK_EQ(pthread_create(&t, &attr, reports, &sizes[i]), 0);
		finish(t);
	}
	finish(start(reports, &sizes[1]));
	CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
	CHECK_EQ(pthread_attr_destroy(&attr), 0);
}

static void *overflows(void *arg)
{
	char here;
	pthread_attr_t attr;
	void *base;
	size_t size;

	CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
	CHECK_EQ(pthread_attr_getstack(&attr, &base, &size), 0);
	for (volatile char *p = &here; p > (char *)base - 4096; p -= 512)
		*p = 0;
	return arg;
}

int main(void)
{
	int status;
	pid_t pid;

	own_stack();
	stack_sizes();
	guards();
	pid = fork();
	if (pid == 0) {
		finish(start(overflows, NULL));
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	return 0;
}
