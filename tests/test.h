/* SPDX-License-Identifier: Apache-2.0
 *
 * What every C test includes, from C and from C++.
 *
 * A test is a program that ends with 0, or with 77 and a reason if this machine cannot run it.  tests/run
 * runs it as it is, where libc and the kernel are the oracle, and a second time under libsyncless.so
 * with SYNCLESS_THREADS=all.  So it states what holds in both; is_green() is for the few facts that do not.
 *
 * A failed check ends the process at once, without exit handlers: other threads may be anywhere.
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif
/* Of libsyncless.so; NULL without it. */
extern int syncless_verify(void) __attribute__((weak));
extern void syncless_native_threads(int delta) __attribute__((weak));
#ifdef __cplusplus
}
#endif

#define CHECK(cond)                                                                                          \
	do {                                                                                                 \
		if (!(cond))                                                                                 \
			check_failed(__FILE__, __LINE__, #cond);                                             \
	} while (0)

/* Integers or pointers. */
#define CHECK_EQ(a, b)                                                                                       \
	do {                                                                                                 \
		long long check_a_ = (long long)(a), check_b_ = (long long)(b);                              \
                                                                                                             \
		if (check_a_ != check_b_)                                                                    \
			check_eq_failed(__FILE__, __LINE__, #a " == " #b, check_a_, check_b_);               \
	} while (0)

/* The call returns -1 and leaves this errno. */
#define CHECK_ERRNO(call, err)                                                                               \
	do {                                                                                                 \
		long long check_r_ = (long long)(call);                                                      \
                                                                                                             \
		if (check_r_ != -1 || errno != (err))                                                        \
			check_errno_failed(__FILE__, __LINE__, #call, check_r_, err);                        \
	} while (0)

/* The library's own walk over all its state finds nothing wrong. */
#define CHECK_VERIFY()                                                                                       \
	do {                                                                                                 \
		if (syncless_verify)                                                                         \
			CHECK_EQ(syncless_verify(), 0);                                                      \
	} while (0)

#define SKIP(reason)                                                                                         \
	do {                                                                                                 \
		dprintf(1, "SKIP: %s\n", reason);                                                            \
		_exit(77);                                                                                   \
	} while (0)

/* Under an emulator (tests/run --emulator), which is no kernel: says what it cannot do, for the test to leave that
 * out. */
#define is_emulated(why) (getenv("EMULATOR") && dprintf(1, "skipped: emulated: %s\n", why) > 0)

/* dprintf: it reaches the kernel without a call of ours, and works in a signal handler or a vfork child
 * as far as anything does. */
static inline void __attribute__((noreturn, cold)) check_failed(const char *file, int line, const char *what)
{
	dprintf(2, "%s:%d: failed: %s (errno %d, %s)\n", file, line, what, errno, strerror(errno));
	_exit(1);
}

static inline void __attribute__((noreturn, cold))
check_eq_failed(const char *file, int line, const char *what, long long a, long long b)
{
	dprintf(2, "%s:%d: failed: %s: %lld and %lld (errno %d, %s)\n", file, line, what, a, b, errno,
		strerror(errno));
	_exit(1);
}

static inline void __attribute__((noreturn, cold))
check_errno_failed(const char *file, int line, const char *call, long long r, int expected)
{
	int err = errno;

	dprintf(2, "%s:%d: failed: %s gave %lld and errno %d (%s); expected -1 and %d", file, line, call, r,
		err, strerror(err), expected);
	dprintf(2, " (%s)\n", strerror(expected));
	_exit(1);
}

static inline bool env_is(const char *name, const char *value)
{
	const char *found = getenv(name);

	return found && !strcmp(found, value);
}

/* Whether pthread_create() makes green threads here. */
static inline bool is_green(void)
{
	return syncless_native_threads && !env_is("SYNCLESS", "0") && env_is("SYNCLESS_THREADS", "all");
}

static inline pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, fn, arg), 0);
	return t;
}

/* The loader goes on without an object that it cannot preload: that must not pass for a preloaded run. */
static void __attribute__((constructor)) check_preload(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "libsyncless.so") && !syncless_native_threads) {
		dprintf(2, "libsyncless.so is in LD_PRELOAD but not in the process\n");
		_exit(1);
	}
}

#endif
