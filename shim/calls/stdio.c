/* SPDX-License-Identifier: Apache-2.0
 *
 * FILE locks.  libc takes them inside every stdio call and sleeps on a futex of its own when one is held, which
 * would stop the host for as long as a parked coroutine has the FILE (flockfile, or a cookie that waits).  So
 * where coroutines exist the common calls first take the FILE's lock here, by trying and parking; libc then
 * finds it its caller's own (it is recursive, and its owner is the thread's record, so green threads differ;
 * native coroutines are told apart in core/filelock.h).  The lock is libc's throughout; native threads leave it
 * to their call and wake our waiters after it.
 *
 * A call of libc that is not in the table (perror, fscanf, ...) gives a lock back without a word to us.  A
 * waiter therefore looks again every UNSEEN_NS; for everything that passes through here the wake is exact.
 * A read from a terminal or pipe inside libc never reaches our read(), and blocks the host until a hand-off
 * (core/handoff.h): nothing has begun between the lock and its release.
 */
#define __NO_INLINE__ 1 /* no bodies from the headers for what is defined here */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/single_threaded.h>
#include "coro.h"
#include "filelock.h"
#include "libc.h"
#include "python.h"
#include "waitq.h"

#define UNSEEN_NS (10 * NS_PER_MS)

static bool try_take(struct coro *me, FILE *f)
{
	if (UNLIKELY(me->borrows_tls) && filelock_is_anothers(me, f))
		return false;
	if (libc.ftrylockfile(f) != 0)
		return false;
	if (UNLIKELY(me->borrows_tls))
		filelock_note(me, f);
	return true;
}

static void park_for_file(struct coro *me, FILE *f, const char *why)
{
	struct waiter *w = waitq_mine(NULL);

	waitq_add(w, f);
	while (!try_take(me, f)) {
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

/* True: a coroutine has the lock.  False: a native thread, which lets libc sleep on it, or a signal handler.
 * A free lock needs nothing of the scheduler; nor does what the call then does in libc, which may take long. */
__attribute__((noinline)) static bool take(FILE *f, const char *why)
{
	struct coro *me = coro_self;

	if (!me)
		return false;
	if (LIKELY(!me->borrows_tls) && libc.ftrylockfile(f) == 0)
		return true;
	me = coro_may_park();
	if (!me)
		return false;
	if (!try_take(me, f))
		park_for_file(me, f, why);
	return coro_leave(true);
}

/* The caller, if the flows of its thread must be told apart; none of those ever loses the scheduler. */
static struct coro *borrower(void)
{
	return UNLIKELY(coro_self && coro_self->borrows_tls) ? coro_may_park() : NULL;
}

/* After each use of the FILE, taken or not: somebody may wait for it here. */
__attribute__((noinline)) static void give(FILE *f, bool taken)
{
	struct coro *me;

	if (taken) {
		if ((me = borrower()) != NULL)
			filelock_release(me, f);
		libc.funlockfile(f);
	}
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
	struct coro *me = borrower();

	if (me)
		return try_take(me, f) ? 0 : EBUSY;
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
static PARKING int fputs_in_turn(const char *restrict text, FILE *restrict f)
{
	bool taken = take(f, "fputs");
	int r = libc.fputs(text, f);

	give(f, taken);
	return r;
}

EXPORT int fputs(const char *restrict text, FILE *restrict f)
{
	if (LIKELY(__libc_single_threaded))
		return fputs_unlocked(text, f); /* nobody to take turns with: cheaper than the plain call by its lock */
	return green() ? fputs_in_turn(text, f) : libc.fputs(text, f);
}

static PARKING int puts_in_turn(const char *text)
{
	bool taken = take(stdout, "puts");
	int r = libc.puts(text);

	give(stdout, taken);
	return r;
}

EXPORT int puts(const char *text)
{
	return green() ? puts_in_turn(text) : libc.puts(text);
}

static PARKING int fputc_in_turn(int c, FILE *f)
{
	bool taken = take(f, "fputc");
	int r = libc.fputc(c, f);

	give(f, taken);
	return r;
}

/* Characters: libc's few instructions for a process of one thread are here instead of one call away, or programs
 * that write many would need some percent longer. */
static inline int put(int c, FILE *f)
{
	if (LIKELY(__libc_single_threaded))
		return __putc_unlocked_body(c, f);
	return green() ? fputc_in_turn(c, f) : libc.fputc(c, f);
}

EXPORT int fputc(int c, FILE *f)
{
	return put(c, f);
}

EXPORT int putc(int c, FILE *f)
{
	return put(c, f);
}
EXPORT_ALIAS(_IO_putc, putc);

EXPORT int putchar(int c)
{
	return put(c, stdout);
}

static PARKING size_t fwrite_in_turn(const void *restrict from, size_t size, size_t n, FILE *restrict f)
{
	bool taken = take(f, "fwrite");
	size_t r = libc.fwrite(from, size, n, f);

	give(f, taken);
	return r;
}

EXPORT size_t fwrite(const void *restrict from, size_t size, size_t n, FILE *restrict f)
{
	if (LIKELY(__libc_single_threaded))
		return fwrite_unlocked(from, size, n, f);
	return green() ? fwrite_in_turn(from, size, n, f) : libc.fwrite(from, size, n, f);
}

static PARKING int vfprintf_in_turn(FILE *restrict f, const char *restrict format, va_list ap)
{
	bool taken = take(f, "vfprintf");
	int r = libc.vfprintf(f, format, ap);

	give(f, taken);
	return r;
}

EXPORT int vfprintf(FILE *restrict f, const char *restrict format, va_list ap)
{
	return green() ? vfprintf_in_turn(f, format, ap) : libc.vfprintf(f, format, ap);
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
static PARKING int vfprintf_chk_in_turn(FILE *f, int flag, const char *format, va_list ap)
{
	bool taken = take(f, "vfprintf");
	int r = libc.__vfprintf_chk(f, flag, format, ap);

	give(f, taken);
	return r;
}

EXPORT int __vfprintf_chk(FILE *f, int flag, const char *format, va_list ap)
{
	return green() ? vfprintf_chk_in_turn(f, flag, format, ap) : libc.__vfprintf_chk(f, flag, format, ap);
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

static PARKING int fflush_in_turn(FILE *f)
{
	bool taken = take(f, "fflush");
	int r = libc.fflush(f);

	give(f, taken);
	return r;
}

EXPORT int fflush(FILE *f)
{
	return green() && f ? fflush_in_turn(f) : libc.fflush(f);
}

static PARKING size_t fread_in_turn(void *restrict to, size_t size, size_t n, FILE *restrict f)
{
	bool taken = take(f, "fread");
	size_t r = libc.fread(to, size, n, f);

	give(f, taken);
	return r;
}

EXPORT size_t fread(void *restrict to, size_t size, size_t n, FILE *restrict f)
{
	return green() ? fread_in_turn(to, size, n, f) : libc.fread(to, size, n, f);
}

static PARKING char *fgets_in_turn(char *restrict to, int room, FILE *restrict f)
{
	bool taken = take(f, "fgets");
	char *r;

	if (taken && coro_self == sched.main && python_pays_eintr()) {
		give(f, taken);
		errno = EINTR;
		return NULL;
	}
	r = libc.fgets(to, room, f);
	give(f, taken);
	return r;
}

EXPORT char *fgets(char *restrict to, int room, FILE *restrict f)
{
	return green() ? fgets_in_turn(to, room, f) : libc.fgets(to, room, f);
}

static PARKING int fgetc_in_turn(FILE *f)
{
	bool taken = take(f, "fgetc");
	int r = libc.fgetc(f);

	give(f, taken);
	return r;
}

static inline int get(FILE *f)
{
	if (LIKELY(__libc_single_threaded))
		return __getc_unlocked_body(f);
	return green() ? fgetc_in_turn(f) : libc.fgetc(f);
}

EXPORT int fgetc(FILE *f)
{
	return get(f);
}

EXPORT int getc(FILE *f)
{
	return get(f);
}
EXPORT_ALIAS(_IO_getc, getc);

EXPORT int getchar(void)
{
	return get(stdin);
}

static PARKING ssize_t getdelim_in_turn(char **restrict line, size_t *restrict room, int end, FILE *restrict f)
{
	bool taken = take(f, "getdelim");
	ssize_t r = libc.getdelim(line, room, end, f);

	give(f, taken);
	return r;
}

EXPORT ssize_t getdelim(char **restrict line, size_t *restrict room, int end, FILE *restrict f)
{
	return green() ? getdelim_in_turn(line, room, end, f) : libc.getdelim(line, room, end, f);
}
EXPORT_ALIAS(__getdelim, getdelim);

EXPORT ssize_t getline(char **restrict line, size_t *restrict room, FILE *restrict f)
{
	return getdelim(line, room, '\n', f);
}

/* What is noted are locks of flows that borrow; one that is alone can have none of theirs to close. */
static void forget(const FILE *f)
{
	if (!coro_here())
		return;
	filelock_forget(f);
	coro_leave(0);
}

/* The lock goes with the FILE, so it is only waited for. */
EXPORT int fclose(FILE *f)
{
	if (green()) {
		give(f, take(f, "fclose"));
		forget(f);
	}
	return libc.fclose(f);
}
