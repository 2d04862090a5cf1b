/* SPDX-License-Identifier: Apache-2.0
 *
 * What every file of the shim needs: linkage words, time as one type, and the one border between
 * "-errno inside" and "errno and -1 outside".
 */
#ifndef SYNCLESS_BASE_H
#define SYNCLESS_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The calls lie together ("hot"), and with them what runs in each forked child or as it ends ("cold" lies just before):
 * to a child, which begins without the pages of any code, each stretch of 64 kB is a page fault. */
#define HOT __attribute__((hot))
#define EXPORT __attribute__((visibility("default"))) HOT
#define FORKED __attribute__((cold))
/* The half of a call that parks, or that only a process with coroutines needs: kept out of line, so that the plain half
 * needs no frame and is a jump. */
#define PARKING __attribute__((noinline))
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* A point of CLOCK_MONOTONIC in ns.  Absolute everywhere inside, so that a spurious wake cannot
 * lengthen a wait; relative timeouts exist only at the edge, where a libc call brings one. */
typedef int64_t deadline_t;
#define NEVER INT64_MAX

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL
#define NS_PER_US 1000LL

static inline int64_t timespec_ns(const struct timespec *ts)
{
	if (ts->tv_sec >= NEVER / NS_PER_S)
		return NEVER;
	return (int64_t)ts->tv_sec * NS_PER_S + ts->tv_nsec;
}

static inline struct timespec ns_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return timespec_ns(&ts);
}

/* The deadline that lies ns from now; a negative or unpayable ns is NEVER. */
static inline deadline_t deadline_in(int64_t ns)
{
	int64_t now;

	if (ns < 0 || ns == NEVER)
		return NEVER;
	now = now_ns();
	return ns > NEVER - now ? NEVER : now + ns;
}

/* Translates an absolute time of another clock.  CLOCK_REALTIME may be set while we wait; callers
 * that must hold a realtime deadline exactly look at their clock again when this one has passed. */
static inline deadline_t deadline_at(clockid_t clock, const struct timespec *abs)
{
	struct timespec ts;
	int64_t delta;

	if (clock == CLOCK_MONOTONIC)
		return timespec_ns(abs);
	clock_gettime(clock, &ts);
	delta = timespec_ns(abs) - timespec_ns(&ts);
	return deadline_in(delta < 0 ? 0 : delta);
}

/* The border: inside, errors are -errno; a libc call ends in fail(). */
static inline int fail(int err)
{
	errno = err;
	return -1;
}

static inline bool would_block(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK;
}

#endif
