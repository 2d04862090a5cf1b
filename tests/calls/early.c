/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls from where nothing has been initialised yet: the resolver of an IFUNC, which runs while the program
 * is being relocated, and the program's preinit_array.
 */
#include "calls/blocked.h"
#include <poll.h>

#ifdef __SANITIZE_ADDRESS__
int main(void)
{
	SKIP("the sanitizer's own calls do not work so early");
}
#else
static int resolved, prepared;

static int forty_two(void)
{
	return 42;
}

/* What a resolver may do is little; a system call or two it may. */
static int calls_that_never_wait(void)
{
	struct pollfd p = { .fd = -1 };
	int fds[2];
	char c;

	return pipe(fds) == 0 && write(fds[1], "x", 1) == 1 && read(fds[0], &c, 1) == 1 && c == 'x' &&
	       poll(&p, 1, 0) == 0 && close(fds[0]) == 0 && close(fds[1]) == 0;
}

typedef int answer(void);

__attribute__((used)) static answer *resolve(void)
{
	resolved = calls_that_never_wait();
	return forty_two;
}

static int chosen(void) __attribute__((ifunc("resolve")));

static void before_all(void)
{
	prepared = calls_that_never_wait();
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = before_all;

static void *afterwards(void *arg)
{
	CHECK(calls_that_never_wait());
	return arg;
}

int main(void)
{
	CHECK_EQ(chosen(), 42);
	CHECK(resolved);
	CHECK(prepared);
	CHECK_EQ(finish(start(afterwards, NULL)), NULL);
	CHECK_VERIFY();
	return 0;
}
#endif
