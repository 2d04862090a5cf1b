/* SPDX-License-Identifier: Apache-2.0
 *
 * Another preload, which takes the place of some calls and finds the real ones in each of the ways in which such
 * objects do: behind itself, with and without a version, and in libc by its handle.  tests/scripts/test_preloads.py
 * has it before and behind us.  At the end it says how often it was there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <gnu/lib-names.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define COND_VERSION "GLIBC_2.3.2"
#else
#define COND_VERSION "GLIBC_2.17"
#endif

static _Atomic int calls;

static void enter(void)
{
	static __thread int depth;

	if (depth++ > 100)
		abort(); /* we are what we have found */
	atomic_fetch_add(&calls, 1);
	depth--;
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	static _Atomic(ssize_t(*)(int, void *, size_t, int)) real;
	static __thread int inside;
	ssize_t r;

	if (!real)
		real = (ssize_t(*)(int, void *, size_t, int))dlsym(dlopen(LIBC_SO, RTLD_LAZY), "recv");
	enter();
	if (inside)
		abort();
	inside = 1;
	r = real(fd, buf, n, flags);
	inside = 0;
	return r;
}

int usleep(useconds_t us)
{
	static _Atomic(int (*)(useconds_t)) real;

	if (!real)
		real = (int (*)(useconds_t))dlsym(RTLD_NEXT, "usleep");
	enter();
	return real(us);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	static _Atomic(int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *)) real;

	if (!real)
		real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlvsym(
			RTLD_NEXT, "pthread_cond_timedwait", COND_VERSION);
	enter();
	return real(cond, mutex, until);
}

static void __attribute__((destructor)) tell(void)
{
	if (getenv("LIBWRAPS_TELLS"))
		dprintf(1, "libwraps: %d calls\n", calls);
}
