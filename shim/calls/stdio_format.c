/* SPDX-License-Identifier: Apache-2.0
 *
 * printf and scanf, of bytes and of wide characters.
 *
 * All: Parks: until the FILE is the caller's, and as its reads and writes do (streams.c).  Passes through:
 * nothing green.  errno: libc's.
 */
#define __NO_INLINE__ 1 /* no bodies from the headers for what is defined here */
#include <features.h>
/* Else the headers give scanf and its kin the names of C99's, and there are two of each. */
#undef __GLIBC_USE_DEPRECATED_SCANF
#define __GLIBC_USE_DEPRECATED_SCANF 1
#include <stdarg.h>
#include <wchar.h>
#include "coro.h"
#include "filelock.h"
#include "libc.h"
#include "raw.h"
#include "streams.h"

int __vasprintf_chk(char **text, int flag, const char *format, va_list ap);

static PARKING int narrow_in_turn(int (*real)(FILE *, const char *, va_list), FILE *f, const char *format,
				  va_list ap, const char *why)
{
	IN_TURN(f, why);
	return real(f, format, ap);
}

static PARKING int wide_in_turn(int (*real)(FILE *, const wchar_t *, va_list), FILE *f, const wchar_t *format,
				va_list ap, const char *why)
{
	IN_TURN(f, why);
	return real(f, format, ap);
}

EXPORT int vfprintf(FILE *restrict f, const char *restrict format, va_list ap)
{
	return streams_are_ours() ? narrow_in_turn(libc.vfprintf, f, format, ap, "vfprintf")
				  : libc.vfprintf(f, format, ap);
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
	IN_TURN(f, "vfprintf");
	return libc.__vfprintf_chk(f, flag, format, ap);
}

EXPORT int __vfprintf_chk(FILE *f, int flag, const char *format, va_list ap)
{
	return streams_are_ours() ? vfprintf_chk_in_turn(f, flag, format, ap)
				  : libc.__vfprintf_chk(f, flag, format, ap);
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

EXPORT int vfwprintf(FILE *restrict f, const wchar_t *restrict format, va_list ap)
{
	return streams_are_ours() ? wide_in_turn(libc.vfwprintf, f, format, ap, "vfwprintf")
				  : libc.vfwprintf(f, format, ap);
}

EXPORT int vwprintf(const wchar_t *restrict format, va_list ap)
{
	return vfwprintf(stdout, format, ap);
}

EXPORT int fwprintf(FILE *restrict f, const wchar_t *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfwprintf(f, format, ap);
	va_end(ap);
	return r;
}

EXPORT int wprintf(const wchar_t *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfwprintf(stdout, format, ap);
	va_end(ap);
	return r;
}

static PARKING int vfwprintf_chk_in_turn(FILE *f, int flag, const wchar_t *format, va_list ap)
{
	IN_TURN(f, "vfwprintf");
	return libc.__vfwprintf_chk(f, flag, format, ap);
}

EXPORT int __vfwprintf_chk(FILE *f, int flag, const wchar_t *format, va_list ap)
{
	return streams_are_ours() ? vfwprintf_chk_in_turn(f, flag, format, ap)
				  : libc.__vfwprintf_chk(f, flag, format, ap);
}

EXPORT int __vwprintf_chk(int flag, const wchar_t *format, va_list ap)
{
	return __vfwprintf_chk(stdout, flag, format, ap);
}

EXPORT int __fwprintf_chk(FILE *f, int flag, const wchar_t *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __vfwprintf_chk(f, flag, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __wprintf_chk(int flag, const wchar_t *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __vfwprintf_chk(stdout, flag, format, ap);
	va_end(ap);
	return r;
}

/* --- To a descriptor: libc would make a FILE on the caller's stack, and put it into its list of all. */

static void free_text(char **text)
{
	free(*text);
}

/* 0 or -errno. */
static int write_all(int fd, const char *text, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t r = write(fd, text + done, len - done); /* ours: it parks */

		if (r < 0)
			return -errno;
		done += (size_t)r;
	}
	return 0;
}

/* libc's first look at the descriptor; all it does for an empty text. */
static int check_descriptor(int fd)
{
	long r = raw3(SYS_lseek, fd, 0, SEEK_CUR);

	return r < 0 && r != -ESPIPE ? (int)r : 0;
}

/* `flag` as for __vdprintf_chk, -1: none. */
static PARKING int print_to(int fd, int flag, const char *format, va_list ap)
{
	char *text __attribute__((cleanup(free_text))) = NULL;
	int saved = errno, n, err;

	n = flag < 0 ? vasprintf(&text, format, ap) : __vasprintf_chk(&text, flag, format, ap);
	if (n < 0) {
		text = NULL; /* it is anything then */
		return n;
	}
	err = check_descriptor(fd);
	if (err == 0)
		err = write_all(fd, text, (size_t)n);
	if (err < 0)
		return fail(-err);
	errno = saved;
	return n;
}

EXPORT int vdprintf(int fd, const char *restrict format, va_list ap)
{
	return LIKELY(!coro_self) ? libc.vdprintf(fd, format, ap) : print_to(fd, -1, format, ap);
}

EXPORT int __vdprintf_chk(int fd, int flag, const char *restrict format, va_list ap)
{
	return LIKELY(!coro_self) ? libc.__vdprintf_chk(fd, flag, format, ap) : print_to(fd, flag, format, ap);
}

EXPORT int dprintf(int fd, const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vdprintf(fd, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __dprintf_chk(int fd, int flag, const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __vdprintf_chk(fd, flag, format, ap);
	va_end(ap);
	return r;
}

/* --- scanf, by the names of old, of C99 (where %a is a number) and of C23 (where numbers may begin with
 * 0b). */

EXPORT int vfscanf(FILE *restrict f, const char *restrict format, va_list ap)
{
	return streams_are_ours() ? narrow_in_turn(libc.vfscanf, f, format, ap, "vfscanf")
				  : libc.vfscanf(f, format, ap);
}

EXPORT int vscanf(const char *restrict format, va_list ap)
{
	return vfscanf(stdin, format, ap);
}

EXPORT int fscanf(FILE *restrict f, const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfscanf(f, format, ap);
	va_end(ap);
	return r;
}

EXPORT int scanf(const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfscanf(stdin, format, ap);
	va_end(ap);
	return r;
}

EXPORT int vfwscanf(FILE *restrict f, const wchar_t *restrict format, va_list ap)
{
	return streams_are_ours() ? wide_in_turn(libc.vfwscanf, f, format, ap, "vfwscanf")
				  : libc.vfwscanf(f, format, ap);
}

EXPORT int vwscanf(const wchar_t *restrict format, va_list ap)
{
	return vfwscanf(stdin, format, ap);
}

EXPORT int fwscanf(FILE *restrict f, const wchar_t *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfwscanf(f, format, ap);
	va_end(ap);
	return r;
}

EXPORT int wscanf(const wchar_t *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfwscanf(stdin, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __isoc99_vfscanf(FILE *restrict f, const char *restrict format, va_list ap)
{
	return streams_are_ours() ? narrow_in_turn(libc.__isoc99_vfscanf, f, format, ap, "vfscanf")
				  : libc.__isoc99_vfscanf(f, format, ap);
}

EXPORT int __isoc99_vscanf(const char *restrict format, va_list ap)
{
	return __isoc99_vfscanf(stdin, format, ap);
}

EXPORT int __isoc99_fscanf(FILE *restrict f, const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __isoc99_vfscanf(f, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __isoc99_scanf(const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __isoc99_vfscanf(stdin, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __isoc99_vfwscanf(FILE *restrict f, const wchar_t *restrict format, va_list ap)
{
	return streams_are_ours() ? wide_in_turn(libc.__isoc99_vfwscanf, f, format, ap, "vfwscanf")
				  : libc.__isoc99_vfwscanf(f, format, ap);
}

EXPORT int __isoc99_vwscanf(const wchar_t *restrict format, va_list ap)
{
	return __isoc99_vfwscanf(stdin, format, ap);
}

EXPORT int __isoc99_fwscanf(FILE *restrict f, const wchar_t *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __isoc99_vfwscanf(f, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __isoc99_wscanf(const wchar_t *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __isoc99_vfwscanf(stdin, format, ap);
	va_end(ap);
	return r;
}

/* Who calls it has a libc that has it. */
EXPORT int __isoc23_vfscanf(FILE *restrict f, const char *restrict format, va_list ap)
{
	return streams_are_ours() ? narrow_in_turn(libc.__isoc23_vfscanf, f, format, ap, "vfscanf")
				  : libc.__isoc23_vfscanf(f, format, ap);
}

EXPORT int __isoc23_vscanf(const char *restrict format, va_list ap)
{
	return __isoc23_vfscanf(stdin, format, ap);
}

EXPORT int __isoc23_fscanf(FILE *restrict f, const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __isoc23_vfscanf(f, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __isoc23_scanf(const char *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __isoc23_vfscanf(stdin, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __isoc23_vfwscanf(FILE *restrict f, const wchar_t *restrict format, va_list ap)
{
	return streams_are_ours() ? wide_in_turn(libc.__isoc23_vfwscanf, f, format, ap, "vfwscanf")
				  : libc.__isoc23_vfwscanf(f, format, ap);
}

EXPORT int __isoc23_vwscanf(const wchar_t *restrict format, va_list ap)
{
	return __isoc23_vfwscanf(stdin, format, ap);
}

EXPORT int __isoc23_fwscanf(FILE *restrict f, const wchar_t *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __isoc23_vfwscanf(f, format, ap);
	va_end(ap);
	return r;
}

EXPORT int __isoc23_wscanf(const wchar_t *restrict format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __isoc23_vfwscanf(stdin, format, ap);
	va_end(ap);
	return r;
}
