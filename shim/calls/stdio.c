/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of bytes: the locks of FILEs, characters, strings and blocks.  What a FILE reads or writes parks
 * below libc (streams.c); here the caller waits for its turn at the FILE, so that libc never sleeps on the lock
 * of one whose owner is parked (core/filelock.h).  The lock is libc's throughout; native threads leave it to
 * their call and wake our waiters after it.
 */
#define __NO_INLINE__ 1 /* no bodies from the headers for what is defined here */
#include <sys/single_threaded.h>
#include "coro.h"
#include "filelock.h"
#include "libc.h"
#include "python.h"
#include "streams.h"

/* flockfile(3).  Parks: until the FILE is free or the caller's. */
EXPORT void flockfile(FILE *f)
{
	if (streams_are_ours() && filelock_take(f, "flockfile"))
		return;
	libc.flockfile(f);
}
EXPORT_ALIAS(_IO_flockfile, flockfile);

/* ftrylockfile(3).  Never parks. */
EXPORT int ftrylockfile(FILE *f)
{
	return filelock_try(f) ? 0 : EBUSY;
}
EXPORT_ALIAS(_IO_ftrylockfile, ftrylockfile);

/* funlockfile(3).  Never parks; wakes the first that waits for the FILE. */
EXPORT void funlockfile(FILE *f)
{
	if (streams_are_ours())
		filelock_give(f, true);
	else
		libc.funlockfile(f);
}
EXPORT_ALIAS(_IO_funlockfile, funlockfile);

/* The calls.  All: Parks: until the FILE is free.  Passes through: nothing green.  errno: libc's. */
static PARKING int fputs_in_turn(const char *restrict text, FILE *restrict f)
{
	IN_TURN(f, "fputs");
	return libc.fputs(text, f);
}

EXPORT int fputs(const char *restrict text, FILE *restrict f)
{
	if (LIKELY(__libc_single_threaded))
		return fputs_unlocked(text, f); /* nobody to take turns with: cheaper than the plain call by its lock */
	return streams_are_ours() ? fputs_in_turn(text, f) : libc.fputs(text, f);
}

static PARKING int puts_in_turn(const char *text)
{
	IN_TURN(stdout, "puts");
	return libc.puts(text);
}

EXPORT int puts(const char *text)
{
	return streams_are_ours() ? puts_in_turn(text) : libc.puts(text);
}

static PARKING int fputc_in_turn(int c, FILE *f)
{
	IN_TURN(f, "fputc");
	return libc.fputc(c, f);
}

/* Characters: libc's few instructions for a process of one thread are here instead of one call away, or programs
 * that write many would need some percent longer. */
static inline int put(int c, FILE *f)
{
	if (LIKELY(__libc_single_threaded))
		return __putc_unlocked_body(c, f);
	return streams_are_ours() ? fputc_in_turn(c, f) : libc.fputc(c, f);
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
	IN_TURN(f, "fwrite");
	return libc.fwrite(from, size, n, f);
}

EXPORT size_t fwrite(const void *restrict from, size_t size, size_t n, FILE *restrict f)
{
	if (LIKELY(__libc_single_threaded))
		return fwrite_unlocked(from, size, n, f);
	return streams_are_ours() ? fwrite_in_turn(from, size, n, f) : libc.fwrite(from, size, n, f);
}

static PARKING int fflush_in_turn(FILE *f)
{
	IN_TURN(f, "fflush");
	return libc.fflush(f);
}

static PARKING int flush_all(void)
{
	return streams_flush_all() ? 0 : EOF;
}

/* fflush(NULL) differs: it does not wait for a FILE that somebody else has and that has nothing to write. */
EXPORT int fflush(FILE *f)
{
	if (LIKELY(!streams_are_ours()))
		return libc.fflush(f);
	if (f)
		return fflush_in_turn(f);
	return coro_self ? flush_all() : libc.fflush(NULL);
}

/* libc has the list of all FILEs locked for the whole of it. */
static PARKING int close_all(struct coro *me)
{
	int r;

	flush_all();
	me->no_park++;
	r = libc.fcloseall();
	me->no_park--;
	return r;
}

EXPORT int fcloseall(void)
{
	struct coro *me = coro_host();

	return LIKELY(!me) ? libc.fcloseall() : (int)coro_leave(close_all(me));
}

static PARKING size_t fread_in_turn(void *restrict to, size_t size, size_t n, FILE *restrict f)
{
	IN_TURN(f, "fread");
	return libc.fread(to, size, n, f);
}

EXPORT size_t fread(void *restrict to, size_t size, size_t n, FILE *restrict f)
{
	return streams_are_ours() ? fread_in_turn(to, size, n, f) : libc.fread(to, size, n, f);
}

static PARKING char *fgets_in_turn(char *restrict to, int room, FILE *restrict f)
{
	IN_TURN(f, "fgets");
	if (UNLIKELY(turn.taken) && coro_self == sched.main && python_pays_eintr()) {
		errno = EINTR;
		return NULL;
	}
	return libc.fgets(to, room, f);
}

EXPORT char *fgets(char *restrict to, int room, FILE *restrict f)
{
	return streams_are_ours() ? fgets_in_turn(to, room, f) : libc.fgets(to, room, f);
}

static PARKING char *fgets_chk_in_turn(char *to, size_t size, int room, FILE *f)
{
	IN_TURN(f, "fgets");
	return libc.__fgets_chk(to, size, room, f);
}

EXPORT char *__fgets_chk(char *to, size_t size, int room, FILE *f)
{
	return streams_are_ours() ? fgets_chk_in_turn(to, size, room, f) : libc.__fgets_chk(to, size, room, f);
}

static PARKING size_t fread_chk_in_turn(void *restrict to, size_t room, size_t size, size_t n, FILE *restrict f)
{
	IN_TURN(f, "fread");
	return libc.__fread_chk(to, room, size, n, f);
}

EXPORT size_t __fread_chk(void *restrict to, size_t room, size_t size, size_t n, FILE *restrict f)
{
	return streams_are_ours() ? fread_chk_in_turn(to, room, size, n, f)
				  : libc.__fread_chk(to, room, size, n, f);
}

static PARKING char *gets_in_turn(char *to)
{
	IN_TURN(stdin, "gets");
	return libc.gets(to);
}

EXPORT char *gets(char *to)
{
	return streams_are_ours() ? gets_in_turn(to) : libc.gets(to);
}

static PARKING char *gets_chk_in_turn(char *to, size_t room)
{
	IN_TURN(stdin, "gets");
	return libc.__gets_chk(to, room);
}

EXPORT char *__gets_chk(char *to, size_t room)
{
	return streams_are_ours() ? gets_chk_in_turn(to, room) : libc.__gets_chk(to, room);
}

static PARKING int fgetc_in_turn(FILE *f)
{
	IN_TURN(f, "fgetc");
	return libc.fgetc(f);
}

static inline int get(FILE *f)
{
	if (LIKELY(__libc_single_threaded))
		return __getc_unlocked_body(f);
	return streams_are_ours() ? fgetc_in_turn(f) : libc.fgetc(f);
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
	IN_TURN(f, "getdelim");
	return libc.getdelim(line, room, end, f);
}

EXPORT ssize_t getdelim(char **restrict line, size_t *restrict room, int end, FILE *restrict f)
{
	return streams_are_ours() ? getdelim_in_turn(line, room, end, f) : libc.getdelim(line, room, end, f);
}
EXPORT_ALIAS(__getdelim, getdelim);

EXPORT ssize_t getline(char **restrict line, size_t *restrict room, FILE *restrict f)
{
	return getdelim(line, room, '\n', f);
}

static PARKING int ungetc_in_turn(int c, FILE *f)
{
	IN_TURN(f, "ungetc");
	return libc.ungetc(c, f);
}

EXPORT int ungetc(int c, FILE *f)
{
	return streams_are_ours() ? ungetc_in_turn(c, f) : libc.ungetc(c, f);
}

static PARKING int getw_in_turn(FILE *f)
{
	IN_TURN(f, "getw");
	return libc.getw(f);
}

EXPORT int getw(FILE *f)
{
	return streams_are_ours() ? getw_in_turn(f) : libc.getw(f);
}

static PARKING int putw_in_turn(int word, FILE *f)
{
	IN_TURN(f, "putw");
	return libc.putw(word, f);
}

EXPORT int putw(int word, FILE *f)
{
	return streams_are_ours() ? putw_in_turn(word, f) : libc.putw(word, f);
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
static PARKING int fclose_in_turn(FILE *f)
{
	if (streams_is_child(f))
		return pclose(f);
	filelock_give(f, filelock_take(f, "fclose"));
	forget(f);
	return libc.fclose(f);
}

EXPORT int fclose(FILE *f)
{
	return streams_are_ours() ? fclose_in_turn(f) : libc.fclose(f);
}
