/* SPDX-License-Identifier: Apache-2.0
 *
 * exec.  The next program begins with the kernel's signal mask of the calling kernel thread, which is that of
 * all coroutines; so for the length of the call it is the caller's.  All else of us ends with the old
 * program, whose environment says whether the new one has the preload.
 */
#include <stdarg.h>
#include "libc.h"
#include "sigmask.h"

extern char **environ;

/* The kernel's mask, to be put back if the call fails; only more can be blocked meanwhile. */
struct mask_lent {
	bool is_lent;
	sigset_t kernels;
};

static struct mask_lent lend_mask(void)
{
	struct coro *me = sig_coro();
	struct mask_lent lent = { .is_lent = me != NULL };
	sigset_t mine;

	if (!me)
		return lent;
	sig_read_mask(me, &mine);
	raw4(SYS_rt_sigprocmask, SIG_SETMASK, &mine, &lent.kernels, 8);
	return lent;
}

static int take_mask_back(struct mask_lent lent, int r)
{
	if (!lent.is_lent) /* in a vfork child, nothing of ours may be written either */
		return r;
	raw4(SYS_rt_sigprocmask, SIG_SETMASK, &lent.kernels, NULL, 8);
	return (int)coro_leave(r);
}

static PARKING int exec_file(const char *file, char *const argv[], char *const envp[])
{
	struct mask_lent lent = lend_mask();

	return take_mask_back(lent, libc.execvpe(file, argv, envp));
}

static PARKING int exec_path(const char *path, char *const argv[], char *const envp[])
{
	struct mask_lent lent = lend_mask();

	return take_mask_back(lent, libc.execve(path, argv, envp));
}

static PARKING int exec_at(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	struct mask_lent lent = lend_mask();

	return take_mask_back(lent, libc.execveat(dir, path, argv, envp, flags));
}

static PARKING int exec_fd(int fd, char *const argv[], char *const envp[])
{
	struct mask_lent lent = lend_mask();

	return take_mask_back(lent, libc.fexecve(fd, argv, envp));
}

/* execve(2) and its kin.  Parks: never.  Passes through: native threads, vfork children.  errno: the kernel's.
 * Differs: of a green thread, it ends the process's other flows, as it ends threads. */
EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	return LIKELY(!coro_self) ? libc.execve(path, argv, envp) : exec_path(path, argv, envp);
}

EXPORT int execv(const char *path, char *const argv[])
{
	return LIKELY(!coro_self) ? libc.execv(path, argv) : exec_path(path, argv, environ);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return LIKELY(!coro_self) ? libc.execvp(file, argv) : exec_file(file, argv, environ);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return LIKELY(!coro_self) ? libc.execvpe(file, argv, envp) : exec_file(file, argv, envp);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	return LIKELY(!coro_self) ? libc.fexecve(fd, argv, envp) : exec_fd(fd, argv, envp);
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	if (LIKELY(!coro_self))
		return libc.execveat(dir, path, argv, envp, flags);
	return exec_at(dir, path, argv, envp, flags);
}

/* --- With the arguments in a row. */

static size_t count_args(va_list ap)
{
	size_t n = 1;

	while (va_arg(ap, char *))
		n++;
	return n;
}

/* The vector lies on the caller's stack, as libc's does: it may be a vfork child.  has_env: another follows. */
static int exec_row(int (*exec)(const char *, char *const *, char *const *), const char *path,
		    const char *first, va_list ap, bool has_env)
{
	va_list counted;
	char **argv;
	size_t n;

	va_copy(counted, ap);
	n = count_args(counted);
	va_end(counted);
	argv = __builtin_alloca((n + 1) * sizeof(*argv));
	argv[0] = (char *)first;
	for (size_t i = 1; i <= n; i++)
		argv[i] = va_arg(ap, char *);
	return exec(path, argv, has_env ? va_arg(ap, char **) : environ);
}

EXPORT int execl(const char *path, const char *arg, ...)
{
	va_list ap;
	int r;

	va_start(ap, arg);
	r = exec_row(execve, path, arg, ap, false);
	va_end(ap);
	return r;
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	va_list ap;
	int r;

	va_start(ap, arg);
	r = exec_row(execvpe, file, arg, ap, false);
	va_end(ap);
	return r;
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	va_list ap;
	int r;

	va_start(ap, arg);
	r = exec_row(execve, path, arg, ap, true);
	va_end(ap);
	return r;
}
