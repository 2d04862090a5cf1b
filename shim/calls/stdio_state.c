/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of wide characters, and what asks or changes the state of a FILE: each in its turn at the FILE.
 *
 * All: Parks: until the FILE is the caller's, and as its reads and writes do (streams.c).  Passes through:
 * nothing green.  errno: libc's.
 */
#define __NO_INLINE__ 1 /* no bodies from the headers for what is defined here */
#include <wchar.h>
#include "coro.h"
#include "filelock.h"
#include "libc.h"
#include "streams.h"

static PARKING wint_t fgetwc_in_turn(FILE *f)
{
	IN_TURN(f, "fgetwc");
	return libc.fgetwc(f);
}

EXPORT wint_t fgetwc(FILE *f)
{
	return streams_are_ours() ? fgetwc_in_turn(f) : libc.fgetwc(f);
}

EXPORT wint_t getwc(FILE *f)
{
	return fgetwc(f);
}

EXPORT wint_t getwchar(void)
{
	return fgetwc(stdin);
}

static PARKING wchar_t *fgetws_in_turn(wchar_t *restrict to, int room, FILE *restrict f)
{
	IN_TURN(f, "fgetws");
	return libc.fgetws(to, room, f);
}

EXPORT wchar_t *fgetws(wchar_t *restrict to, int room, FILE *restrict f)
{
	return streams_are_ours() ? fgetws_in_turn(to, room, f) : libc.fgetws(to, room, f);
}

static PARKING wchar_t *fgetws_chk_in_turn(wchar_t *to, size_t size, int room, FILE *f)
{
	IN_TURN(f, "fgetws");
	return libc.__fgetws_chk(to, size, room, f);
}

EXPORT wchar_t *__fgetws_chk(wchar_t *to, size_t size, int room, FILE *f)
{
	return streams_are_ours() ? fgetws_chk_in_turn(to, size, room, f)
				  : libc.__fgetws_chk(to, size, room, f);
}

static PARKING wint_t ungetwc_in_turn(wint_t c, FILE *f)
{
	IN_TURN(f, "ungetwc");
	return libc.ungetwc(c, f);
}

EXPORT wint_t ungetwc(wint_t c, FILE *f)
{
	return streams_are_ours() ? ungetwc_in_turn(c, f) : libc.ungetwc(c, f);
}

static PARKING wint_t fputwc_in_turn(wchar_t c, FILE *f)
{
	IN_TURN(f, "fputwc");
	return libc.fputwc(c, f);
}

EXPORT wint_t fputwc(wchar_t c, FILE *f)
{
	return streams_are_ours() ? fputwc_in_turn(c, f) : libc.fputwc(c, f);
}

EXPORT wint_t putwc(wchar_t c, FILE *f)
{
	return fputwc(c, f);
}

EXPORT wint_t putwchar(wchar_t c)
{
	return fputwc(c, stdout);
}

static PARKING int fputws_in_turn(const wchar_t *restrict text, FILE *restrict f)
{
	IN_TURN(f, "fputws");
	return libc.fputws(text, f);
}

EXPORT int fputws(const wchar_t *restrict text, FILE *restrict f)
{
	return streams_are_ours() ? fputws_in_turn(text, f) : libc.fputws(text, f);
}

static PARKING int fwide_in_turn(FILE *f, int mode)
{
	IN_TURN(f, "fwide");
	return libc.fwide(f, mode);
}

EXPORT int fwide(FILE *f, int mode)
{
	return streams_are_ours() ? fwide_in_turn(f, mode) : libc.fwide(f, mode);
}

/* --- Places in a file: what is still to be written is, first. */

static PARKING int fseek_in_turn(FILE *f, long offset, int whence)
{
	IN_TURN(f, "fseek");
	return libc.fseek(f, offset, whence);
}

EXPORT int fseek(FILE *f, long offset, int whence)
{
	return streams_are_ours() ? fseek_in_turn(f, offset, whence) : libc.fseek(f, offset, whence);
}

static PARKING int fseeko_in_turn(FILE *f, off_t offset, int whence)
{
	IN_TURN(f, "fseeko");
	return libc.fseeko(f, offset, whence);
}

EXPORT int fseeko(FILE *f, off_t offset, int whence)
{
	return streams_are_ours() ? fseeko_in_turn(f, offset, whence) : libc.fseeko(f, offset, whence);
}

static PARKING int fseeko64_in_turn(FILE *f, off64_t offset, int whence)
{
	IN_TURN(f, "fseeko64");
	return libc.fseeko64(f, offset, whence);
}

EXPORT int fseeko64(FILE *f, off64_t offset, int whence)
{
	return streams_are_ours() ? fseeko64_in_turn(f, offset, whence) : libc.fseeko64(f, offset, whence);
}

static PARKING long ftell_in_turn(FILE *f)
{
	IN_TURN(f, "ftell");
	return libc.ftell(f);
}

EXPORT long ftell(FILE *f)
{
	return streams_are_ours() ? ftell_in_turn(f) : libc.ftell(f);
}

static PARKING off_t ftello_in_turn(FILE *f)
{
	IN_TURN(f, "ftello");
	return libc.ftello(f);
}

EXPORT off_t ftello(FILE *f)
{
	return streams_are_ours() ? ftello_in_turn(f) : libc.ftello(f);
}

static PARKING off64_t ftello64_in_turn(FILE *f)
{
	IN_TURN(f, "ftello64");
	return libc.ftello64(f);
}

EXPORT off64_t ftello64(FILE *f)
{
	return streams_are_ours() ? ftello64_in_turn(f) : libc.ftello64(f);
}

static PARKING void rewind_in_turn(FILE *f)
{
	IN_TURN(f, "rewind");
	libc.rewind(f);
}

EXPORT void rewind(FILE *f)
{
	if (streams_are_ours())
		rewind_in_turn(f);
	else
		libc.rewind(f);
}

static PARKING int fgetpos_in_turn(FILE *restrict f, fpos_t *restrict place)
{
	IN_TURN(f, "fgetpos");
	return libc.fgetpos(f, place);
}

EXPORT int fgetpos(FILE *restrict f, fpos_t *restrict place)
{
	return streams_are_ours() ? fgetpos_in_turn(f, place) : libc.fgetpos(f, place);
}

static PARKING int fgetpos64_in_turn(FILE *restrict f, fpos64_t *restrict place)
{
	IN_TURN(f, "fgetpos64");
	return libc.fgetpos64(f, place);
}

EXPORT int fgetpos64(FILE *restrict f, fpos64_t *restrict place)
{
	return streams_are_ours() ? fgetpos64_in_turn(f, place) : libc.fgetpos64(f, place);
}

static PARKING int fsetpos_in_turn(FILE *f, const fpos_t *place)
{
	IN_TURN(f, "fsetpos");
	return libc.fsetpos(f, place);
}

EXPORT int fsetpos(FILE *f, const fpos_t *place)
{
	return streams_are_ours() ? fsetpos_in_turn(f, place) : libc.fsetpos(f, place);
}

static PARKING int fsetpos64_in_turn(FILE *f, const fpos64_t *place)
{
	IN_TURN(f, "fsetpos64");
	return libc.fsetpos64(f, place);
}

EXPORT int fsetpos64(FILE *f, const fpos64_t *place)
{
	return streams_are_ours() ? fsetpos64_in_turn(f, place) : libc.fsetpos64(f, place);
}

/* --- Buffers, errors, and another file in its place. */

static PARKING int setvbuf_in_turn(FILE *restrict f, char *restrict buf, int mode, size_t size)
{
	IN_TURN(f, "setvbuf");
	return libc.setvbuf(f, buf, mode, size);
}

EXPORT int setvbuf(FILE *restrict f, char *restrict buf, int mode, size_t size)
{
	return streams_are_ours() ? setvbuf_in_turn(f, buf, mode, size) : libc.setvbuf(f, buf, mode, size);
}

static PARKING void setbuf_in_turn(FILE *restrict f, char *restrict buf)
{
	IN_TURN(f, "setbuf");
	libc.setbuf(f, buf);
}

EXPORT void setbuf(FILE *restrict f, char *restrict buf)
{
	if (streams_are_ours())
		setbuf_in_turn(f, buf);
	else
		libc.setbuf(f, buf);
}

static PARKING void setbuffer_in_turn(FILE *restrict f, char *restrict buf, size_t size)
{
	IN_TURN(f, "setbuffer");
	libc.setbuffer(f, buf, size);
}

EXPORT void setbuffer(FILE *restrict f, char *restrict buf, size_t size)
{
	if (streams_are_ours())
		setbuffer_in_turn(f, buf, size);
	else
		libc.setbuffer(f, buf, size);
}

static PARKING void setlinebuf_in_turn(FILE *f)
{
	IN_TURN(f, "setlinebuf");
	libc.setlinebuf(f);
}

EXPORT void setlinebuf(FILE *f)
{
	if (streams_are_ours())
		setlinebuf_in_turn(f);
	else
		libc.setlinebuf(f);
}

static PARKING int feof_in_turn(FILE *f)
{
	IN_TURN(f, "feof");
	return libc.feof(f);
}

EXPORT int feof(FILE *f)
{
	return streams_are_ours() ? feof_in_turn(f) : libc.feof(f);
}

static PARKING int ferror_in_turn(FILE *f)
{
	IN_TURN(f, "ferror");
	return libc.ferror(f);
}

EXPORT int ferror(FILE *f)
{
	return streams_are_ours() ? ferror_in_turn(f) : libc.ferror(f);
}

static PARKING void clearerr_in_turn(FILE *f)
{
	IN_TURN(f, "clearerr");
	libc.clearerr(f);
}

EXPORT void clearerr(FILE *f)
{
	if (streams_are_ours())
		clearerr_in_turn(f);
	else
		libc.clearerr(f);
}

static PARKING FILE *freopen_in_turn(const char *restrict path, const char *restrict mode, FILE *restrict f)
{
	IN_TURN(f, "freopen");
	return libc.freopen(path, mode, f);
}

EXPORT FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict f)
{
	return streams_are_ours() ? freopen_in_turn(path, mode, f) : libc.freopen(path, mode, f);
}

static PARKING FILE *freopen64_in_turn(const char *restrict path, const char *restrict mode, FILE *restrict f)
{
	IN_TURN(f, "freopen64");
	return libc.freopen64(path, mode, f);
}

EXPORT FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict f)
{
	return streams_are_ours() ? freopen64_in_turn(path, mode, f) : libc.freopen64(path, mode, f);
}

/* --- What libc prints to stderr in its own words. */

static PARKING void perror_in_turn(const char *text)
{
	IN_TURN(stderr, "perror");
	libc.perror(text);
}

EXPORT void perror(const char *text)
{
	if (streams_are_ours())
		perror_in_turn(text);
	else
		libc.perror(text);
}

static PARKING void psignal_in_turn(int sig, const char *text)
{
	IN_TURN(stderr, "psignal");
	libc.psignal(sig, text);
}

EXPORT void psignal(int sig, const char *text)
{
	if (streams_are_ours())
		psignal_in_turn(sig, text);
	else
		libc.psignal(sig, text);
}

static PARKING void psiginfo_in_turn(const siginfo_t *info, const char *text)
{
	IN_TURN(stderr, "psiginfo");
	libc.psiginfo(info, text);
}

EXPORT void psiginfo(const siginfo_t *info, const char *text)
{
	if (streams_are_ours())
		psiginfo_in_turn(info, text);
	else
		libc.psiginfo(info, text);
}
