/* SPDX-License-Identifier: Apache-2.0
 *
 * FILE locks.  libc takes them inside every stdio call and sleeps on a futex of its own when one is held, which
 * would stop the host for as long as a parked coroutine has the FILE (flockfile, or a cookie that waits).
 * So where coroutines exist the common calls first take the FILE's lock here, by trying and parking; libc then
 * finds it its caller's own (it is recursive, and its owner is the thread's record, so green threads differ).
 * The lock is libc's throughout; native threads leave it to their call and wake our waiters after it.
 *
 * A call of libc that is not in the table (perror, fscanf, ...) gives a lock back without a word to us.  A
 * waiter therefore looks again every UNSEEN_NS; for everything that passes through here the wake is exact.
 * A read from a terminal or pipe inside libc still blocks the host: it never reaches our read().
 */
#define __NO_INLINE__ 1 /* no bodies from the headers for what is defined here */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include "coro.h"
#include "libc.h"
#include "python.h"
#include "waitq.h"

#define UNSEEN_NS (10 * NS_PER_MS)

static void park_for_file(FILE *f, const char *why)
{
	struct waiter *w = waitq_mine(NULL);

	waitq_add(w, f);
	while (libc.ftrylockfile(f) != 0) {
		if (waitq_wait(w, deadline_in(UNSEEN_NS), 0, why) == 0)
			waitq_add_again(w, f, ~0u);
		else
			waitq_add(w, f);
	}
	waitq_leave(w);
}

static inline bool green(void)
{
	return UNLIKELY(atomic_load_explicit(&green_exist, memory_order_relaxed));
}

/* True: a coroutine has the lock.  False: a native thread, which lets libc sleep on it, or a signal handler. */
__attribute__((noinline)) static bool take(FILE *f, const char *why)
{
	if (!coro_may_park())
		return false;
	if (libc.ftrylockfile(f) != 0)
		park_for_file(f, why);
	return true;
}

/* After each use of the FILE, taken or not: somebody may wait for it here. */
__attribute__((noinline)) static void give(FILE *f, bool taken)
{
	if (taken)
		libc.funlockfile(f);
	if (waitq_has_waiters(f))
		waitq_wake(f, 1);
}

/* flockfile(3).  Parks: until the FILE is free or the caller's. */
EXPORT void flockfile(FILE *f)
{
	if (green() && take(f, "flockfile"))
		return;
	libc.flockfile(f);
}
EXPORT_ALIAS(_IO_flockfile, flockfile);

/* ftrylockfile(3).  Never parks. */
EXPORT int ftrylockfile(FILE *f)
{
	return libc.ftrylockfile(f);
}
EXPORT_ALIAS(_IO_ftrylockfile, ftrylockfile);

/* funlockfile(3).  Never parks; wakes the first that waits for the FILE. */
EXPORT void funlockfile(FILE *f)
{
	if (green())
		give(f, true);
	else
		libc.funlockfile(f);
}
EXPORT_ALIAS(_IO_funlockfile, funlockfile);

/* The calls.  All: Parks: until the FILE is free.  Passes through: nothing green.  errno: libc's. */
EXPORT int fputs(const char *restrict text, FILE *restrict f)
{
	bool taken;
	int r;

	if (!green())
		return libc.fputs(text, f);
	taken = take(f, "fputs");
	r = libc.fputs(text, f);
	give(f, taken);
	return r;
}

EXPORT int puts(const char *text)
{
	bool taken;
	int r;

	if (!green())
		return libc.puts(text);
	taken = take(stdout, "puts");
	r = libc.puts(text);
	give(stdout, taken);
	return r;
}

EXPORT int fputc(int c, FILE *f)
{
	bool taken;
	int r;

	if (!green())
		return libc.fputc(c, f);
	taken = take(f, "fputc");
	r = libc.fputc(c, f);
	give(f, taken);
	return r;
}

EXPORT int putc(int c, FILE *f)
{
	return fputc(c, f);
}
EXPORT_ALIAS(_IO_putc, putc);

EXPORT int putchar(int c)
{
	return fputc(c, stdout);
}

EXPORT size_t fwrite(const void *restrict from, size_t size, size_t n, FILE *restrict f)
{
	bool taken;
	size_t r;

	if (!green())
		return libc.fwrite(from, size, n, f);
	taken = take(f, "fwrite");
	r = libc.fwrite(from, size, n, f);
	give(f, taken);
	return r;
}

EXPORT int vfprintf(FILE *restrict f, const char *restrict format, va_list ap)
{
	bool taken;
	int r;

	if (!green())
		return libc.vfprintf(f, format, ap);
	taken = take(f, "vfprintf");
	r = libc.vfprintf(f, format, ap);
	give(f, taken);
	return r;
}

EXPORT int vprintf(const char *restrict format, va_list ap)
{
	return vfprintf(stdout, format, ap);
}

EXPORT int fprintf(FILE *restrict f, const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfprintf(f, format, ap);
	va_end(ap);
	return r;
}

EXPORT int printf(const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfprintf(stdout, format, ap);
	va_end(ap);
	return r;
}

/* What a -D_FORTIFY_SOURCE program calls for these; its check of %n is libc's, so they are here. */
EXPORT int __vfprintf_chk(FILE *f, int flag, const char *format, va_list ap)
{
	bool taken;
	int r;

	if (!green())
		return libc.__vfprintf_chk(f, flag, format, ap);
	taken = take(f, "vfprintf");
	r = libc.__vfprintf_chk(f, flag, format, ap);
	give(f, taken);
	return r;
}

EXPORT int __vprintf_chk(int flag, const char *format, va_list ap)
{
	return __vfprintf_chk(stdout, flag, format, ap);
}

EXPORT int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __vfprintf_chk(f, flag, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __printf_chk(int flag, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __vfprintf_chk(stdout, flag, format, ap);
	va_end(ap);
	return r;
}

EXPORT int fflush(FILE *f)
{
	bool taken;
	int r;

	if (!green() || !f)
		return libc.fflush(f);
	taken = take(f, "fflush");
	r = libc.fflush(f);
	give(f, taken);
	return r;
}

EXPORT size_t fread(void *restrict to, size_t size, size_t n, FILE *restrict f)
{
	bool taken;
	size_t r;

	if (!green())
		return libc.fread(to, size, n, f);
	taken = take(f, "fread");
	r = libc.fread(to, size, n, f);
	give(f, taken);
	return r;
}

EXPORT char *fgets(char *restrict to, int room, FILE *restrict f)
{
	bool taken;
	char *r;

	if (!green())
		return libc.fgets(to, room, f);
	taken = take(f, "fgets");
	if (taken && coro_self == sched.main && python_pays_eintr()) {
		give(f, taken);
		errno = EINTR;
		return NULL;
	}
	r = libc.fgets(to, room, f);
	give(f, taken);
	return r;
}

EXPORT int fgetc(FILE *f)
{
	bool taken;
	int r;

	if (!green())
		return libc.fgetc(f);
	taken = take(f, "fgetc");
	r = libc.fgetc(f);
	give(f, taken);
	return r;
}

EXPORT int getc(FILE *f)
{
	return fgetc(f);
}
EXPORT_ALIAS(_IO_getc, getc);

EXPORT int getchar(void)
{
	return fgetc(stdin);
}

EXPORT ssize_t getdelim(char **restrict line, size_t *restrict room, int end, FILE *restrict f)
{
	bool taken;
	ssize_t r;

	if (!green())
		return libc.getdelim(line, room, end, f);
	taken = take(f, "getdelim");
	r = libc.getdelim(line, room, end, f);
	give(f, taken);
	return r;
}
EXPORT_ALIAS(__getdelim, getdelim);

EXPORT ssize_t getline(char **restrict line, size_t *restrict room, FILE *restrict f)
{
	return getdelim(line, room, '\n', f);
}

/* The lock goes with the FILE, so it is only waited for; nobody runs between that and the call. */
EXPORT int fclose(FILE *f)
{
	if (green())
		give(f, take(f, "fclose"));
	return libc.fclose(f);
}
