/* SPDX-License-Identifier: Apache-2.0
 *
 * What the programs of tests/faults share.
 *
 * A program is a round of work by threads, which checks by itself that all is right.  run_rounds() plays it
 * undisturbed, then with faults (libfault.so), then undisturbed again, and says in the end what is left behind.
 *
 * What a call that failed means is decided in one place, by told(): an EINTR, an EAGAIN or a short count is the
 * caller's to try again, and then all must come to its end; any other error it gives up on, and so may
 * whoever talks to it.
 */
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include "../calls/blocked.h"
#include "../../shim/syncless.h"
#include <dirent.h>

/* Of libfault.so and libfaultheap.so; NULL without them. */
extern bool fault_is_due(const char *name, _Atomic int *number) __attribute__((weak));
extern int fault_errno(void) __attribute__((weak)); /* 0: short counts */
extern long fault_hits(void) __attribute__((weak));
extern void fault_arm(bool on) __attribute__((weak));
extern long fault_heap_live(void) __attribute__((weak));   /* what the shim has allocated */
extern long fault_heap_arrays(void) __attribute__((weak)); /* … by realloc(), not counted by the former */

#pragma weak syncless_get_stats

/* How many flows have given up in this round.  Counted before they close what they have. */
static _Atomic int gave_up;

static inline bool is_transient(int err)
{
	return err == EINTR || err == EAGAIN;
}

/* After a call that failed: true, it is to be made again; false, the caller gives up.  Its errno must be that
 * of the fault, or what follows from another one's giving up. */
static inline bool told(const char *call)
{
	int err = errno;

	if (err == EINTR || (err == EAGAIN && fault_errno && fault_errno() == EAGAIN))
		return true;
	if (fault_hits && fault_hits() > 0) {
		bool is_its = err == fault_errno() || err == ENOMEM || err == EAGAIN;
		bool follows = gave_up && (err == EPIPE || err == ECONNRESET || err == EINVAL);

		if (is_its || follows) {
			gave_up++;
			return false;
		}
	}
	dprintf(2, "%s: errno %d (%s), which is not the fault's\n", call, err, strerror(err));
	_exit(1);
}

/* The same of a call that returns its error. */
static inline bool told_error(const char *call, int err)
{
	errno = err;
	return told(call);
}

/* The other side has ended early. */
static inline void peer_is_gone(const char *call)
{
	if (!gave_up) {
		dprintf(2, "%s: an end before all was there, and nobody has given up\n", call);
		_exit(1);
	}
	gave_up++;
}

/* A thread; false: it could not be made, and the caller has what is its. */
static inline bool start_or_not(pthread_t *t, void *(*fn)(void *), void *arg)
{
	int err;

	do {
		err = pthread_create(t, NULL, fn, arg);
		if (err == EAGAIN && fault_errno && fault_errno() != EAGAIN) {
			CHECK(fault_hits() > 0); /* what is missing is memory, or a descriptor */
			gave_up++;
			return false;
		}
	} while (err && told_error("pthread_create", err));
	return err == 0;
}

/* Bytes that tell their place, and whose they are. */
static inline unsigned char byte_at(unsigned seed, size_t at)
{
	return (unsigned char)((at * 2654435761u + seed * 40503u) >> 11);
}

static inline void fill(unsigned char *buf, size_t n, unsigned seed, size_t at)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(seed, at + i);
}

static inline void check_bytes(const unsigned char *buf, size_t n, unsigned seed, size_t at)
{
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(buf[i], byte_at(seed, at + i));
}

/* close(2) frees the number even when it says EINTR. */
static inline void close_it(int fd)
{
	if (close(fd) == -1)
		told("close");
}

/* --- The census, which tests/faults/inject compares with that of an undisturbed run. */

static inline int count_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	int n = 0, c;

	CHECK(f != NULL);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static inline int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	CHECK(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline void say_census(void)
{
	struct syncless_stats stats = { .size = sizeof(stats) };

	if (syncless_get_stats)
		CHECK_EQ(syncless_get_stats(&stats), 0);
	printf("hits: %ld\n", fault_hits ? fault_hits() : 0);
	printf("descriptors: %d\n", count_fds());
	printf("mappings: %d\n", count_lines("/proc/self/maps"));
	printf("allocations: %ld\n", fault_heap_live ? fault_heap_live() : 0);
	printf("arrays: %ld\n", fault_heap_arrays ? fault_heap_arrays() : 0);
	printf("green threads: %lld\n", (long long)stats.green_threads);
	printf("coroutines: %lld\n", (long long)stats.coroutines);
	fflush(stdout);
}

static inline void disturbed(void (*work)(void))
{
	if (fault_arm)
		fault_arm(true);
	work();
	if (fault_arm)
		fault_arm(false);
	if (gave_up && fault_errno && (fault_errno() == 0 || is_transient(fault_errno()))) {
		dprintf(2, "somebody has given up for a short count, an EINTR or an EAGAIN\n");
		_exit(1);
	}
	gave_up = 0;
}

static inline void undisturbed(void (*work)(void))
{
	work();
	CHECK_EQ(gave_up, 0);
}

#define ROUNDS 5

/* Which round is disturbed: with FAULT_COLD the first, in which everything is made that is made once.  `prepare`
 * and `clean` run before and after each round and are never disturbed. */
static inline int run_rounds(void (*prepare)(void), void (*work)(void), void (*clean)(void))
{
	int the_disturbed = getenv("FAULT_COLD") ? 0 : 2;

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < ROUNDS; i++) {
		prepare();
		(i == the_disturbed ? disturbed : undisturbed)(work);
		clean();
	}
	CHECK_VERIFY();
	say_census();
	return 0;
}

#endif
