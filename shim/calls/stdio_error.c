/* SPDX-License-Identifier: Apache-2.0
 *
 * What programs say on stderr before they end: libc takes its lock for the whole message.
 *
 * All: Parks: until stderr is the caller's, and as its writes do (streams.c).  Passes through: nothing green.
 * errno: libc's.
 */
#include <err.h>
#include <error.h>
#include <stdarg.h>
#include "filelock.h"
#include "libc.h"
#include "streams.h"

static PARKING void vwarn_in_turn(const char *format, va_list ap)
{
	IN_TURN(stderr, "warn");
	libc.vwarn(format, ap);
}

EXPORT void vwarn(const char *format, va_list ap)
{
	if (streams_are_ours())
		vwarn_in_turn(format, ap);
	else
		libc.vwarn(format, ap);
}

static PARKING void vwarnx_in_turn(const char *format, va_list ap)
{
	IN_TURN(stderr, "warnx");
	libc.vwarnx(format, ap);
}

EXPORT void vwarnx(const char *format, va_list ap)
{
	if (streams_are_ours())
		vwarnx_in_turn(format, ap);
	else
		libc.vwarnx(format, ap);
}

EXPORT void warn(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vwarn(format, ap);
	va_end(ap);
}

EXPORT void warnx(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vwarnx(format, ap);
	va_end(ap);
}

/* Our exit(): its handlers may wait. */
EXPORT void verr(int status, const char *format, va_list ap)
{
	vwarn(format, ap);
	exit(status);
}

EXPORT void verrx(int status, const char *format, va_list ap)
{
	vwarnx(format, ap);
	exit(status);
}

EXPORT void err(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	verr(status, format, ap);
}

EXPORT void errx(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	verrx(status, format, ap);
}

/* --- error(3), which has no form with a list of arguments, and writes stdout first. */

struct complaint {
	int errnum;
	const char *file; /* NULL: no place */
	unsigned line;
	char *text;
};

static void complain(const struct complaint *c)
{
	if (c->file)
		libc.error_at_line(0, c->errnum, c->file, c->line, "%s", c->text);
	else
		libc.error(0, c->errnum, "%s", c->text);
}

static void complain_after_stdout(const struct complaint *c)
{
	IN_TURN(stderr, "error");
	complain(c);
}

static PARKING void complain_in_turn(const struct complaint *c)
{
	IN_TURN(stdout, "error");
	complain_after_stdout(c);
}

static void say_and_end(struct complaint *c, int status, const char *format, va_list ap)
{
	if (vasprintf(&c->text, format, ap) < 0)
		c->text = NULL;
	if (streams_are_ours())
		complain_in_turn(c);
	else
		complain(c);
	free(c->text);
	if (status)
		exit(status);
}

EXPORT void error(int status, int errnum, const char *format, ...)
{
	struct complaint c = { .errnum = errnum };
	va_list ap;

	va_start(ap, format);
	say_and_end(&c, status, format, ap);
	va_end(ap);
}

EXPORT void error_at_line(int status, int errnum, const char *file, unsigned line, const char *format, ...)
{
	struct complaint c = { .errnum = errnum, .file = file, .line = line };
	va_list ap;

	va_start(ap, format);
	say_and_end(&c, status, format, ap);
	va_end(ap);
}
