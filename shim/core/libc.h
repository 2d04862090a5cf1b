/* SPDX-License-Identifier: Apache-2.0
 *
 * The real calls, one pointer for each row of calls.def.  The type of a member is that of the system
 * header's declaration, so no signature is ever typed again, and a body with a wrong one does not
 * compile.  Inside the shim a libc call that stands in the table is always made as libc.call(), never by
 * its bare name, which is ourselves.
 *
 * Tests replace members to inject faults.
 */
#ifndef SYNCLESS_LIBC_H
#define SYNCLESS_LIBC_H

#include "base.h"
#include <aio.h>
#include <dlfcn.h>
#include <err.h>
#include <error.h>
#include <fcntl.h>
#include <grp.h>
#include <locale.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>
#undef p_type /* another name of that for __p_type, and a field of <elf.h> */
#include <pty.h>
#include <sched.h>
#include <semaphore.h>
#include <shadow.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <syslog.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>
#include <unistd.h>
#include <wchar.h>

/* The headers declare these only to a -D_FORTIFY_SOURCE program. */
extern int __fprintf_chk(FILE *f, int flag, const char *format, ...);
extern int __printf_chk(int flag, const char *format, ...);
extern int __vfprintf_chk(FILE *f, int flag, const char *format, va_list ap);
extern int __vprintf_chk(int flag, const char *format, va_list ap);
extern int __vsnprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, va_list ap);
extern void __syslog_chk(int priority, int flag, const char *format, ...);
extern void __vsyslog_chk(int priority, int flag, const char *format, va_list ap);
extern int __fwprintf_chk(FILE *f, int flag, const wchar_t *format, ...);
extern int __wprintf_chk(int flag, const wchar_t *format, ...);
extern int __vfwprintf_chk(FILE *f, int flag, const wchar_t *format, va_list ap);
extern int __vwprintf_chk(int flag, const wchar_t *format, va_list ap);
extern int __dprintf_chk(int fd, int flag, const char *format, ...);
extern int __vdprintf_chk(int fd, int flag, const char *format, va_list ap);
extern char *__fgets_chk(char *to, size_t size, int room, FILE *f);
extern wchar_t *__fgetws_chk(wchar_t *to, size_t size, int room, FILE *f);
extern size_t __fread_chk(void *to, size_t room, size_t size, size_t n, FILE *f);
extern char *__gets_chk(char *to, size_t room);

/* And these under other names, or not at all. */
extern char *gets(char *to);
extern int __isoc99_scanf(const char *format, ...), __isoc23_scanf(const char *format, ...);
extern int __isoc99_fscanf(FILE *f, const char *format, ...), __isoc23_fscanf(FILE *f, const char *format, ...);
extern int __isoc99_vscanf(const char *format, va_list ap), __isoc23_vscanf(const char *format, va_list ap);
extern int __isoc99_vfscanf(FILE *f, const char *format, va_list ap);
extern int __isoc23_vfscanf(FILE *f, const char *format, va_list ap);
extern int __isoc99_wscanf(const wchar_t *format, ...), __isoc23_wscanf(const wchar_t *format, ...);
extern int __isoc99_fwscanf(FILE *f, const wchar_t *format, ...);
extern int __isoc23_fwscanf(FILE *f, const wchar_t *format, ...);
extern int __isoc99_vwscanf(const wchar_t *format, va_list ap),
	__isoc23_vwscanf(const wchar_t *format, va_list ap);
extern int __isoc99_vfwscanf(FILE *f, const wchar_t *format, va_list ap);
extern int __isoc23_vfwscanf(FILE *f, const wchar_t *format, va_list ap);
extern int __sigpause(int what, int is_signal), __xpg_sigpause(int sig);

/* Programs still call what the headers deprecate. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
struct libc_calls {
#define CALL(symbol, family, policy) __typeof__(symbol) *symbol;
#define VERSIONED(symbol, version, family, policy) __typeof__(symbol) *symbol;
#define OPTIONAL(symbol, family, policy) __typeof__(symbol) *symbol;
#define NEWER(symbol, minor, family, policy) __typeof__(symbol) *symbol;
#define ALIAS(spelling, symbol)
#define CHECKED(spelling, symbol)
#define LEFT(symbol, cause)
#include "../calls.def"
#undef CALL
#undef VERSIONED
#undef OPTIONAL
#undef NEWER
#undef ALIAS
#undef CHECKED
#undef LEFT
};
#pragma GCC diagnostic pop
extern struct libc_calls libc;

/* Below a body: another exported name for it (a row ALIAS in calls.def).  gcc wants the attributes of the
 * system's declaration on both, and has a word for it. */
#if defined(__GNUC__) && !defined(__clang__)
#define SAME_ATTRIBUTES(symbol) copy(symbol),
#else
#define SAME_ATTRIBUTES(symbol)
#endif
#define EXPORT_ALIAS(spelling, symbol)                                                                       \
	extern __typeof__(symbol) spelling                                                                   \
		__attribute__((SAME_ATTRIBUTES(symbol) alias(#symbol), visibility("default")))

/* After the declaration of a variadic call: `body`, below, is it, with the further argument by name.  Whatever that
 * is, it fits a word, and one that is not given is not looked at; the ABIs of Linux pass it as if it were not
 * variadic.  So there is no list to spill, and the plain half is a jump.  gcc has a word for that as well. */
#define VARIADIC(body) __attribute__((alias(#body)))
#define ALIASED __attribute__((used)) /* of the body: to clang an alias is no use of it */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wattribute-alias"
#endif

/* Fills the table.  0, or -ENOENT with the name of what this libc lacks in *missing. */
int libc_bind(const char **missing);
/* For early.S alone. */
void libc_bind_early(void);

#endif
