/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes: fork, the wait family, exit.
 *
 * A child known by its pid is watched by a pidfd.  What a pidfd cannot tell (any child, a group, stops and
 * continues) is heard by a native thread in waitid(..., WNOWAIT), which takes nothing: it only says "look
 * again", and whoever then looks first has the child, as with the kernel.  There is one such listener for
 * each question, however many coroutines ask it and however often a signal ends their wait; it goes when
 * the kernel answers, at the latest by ECHILD when no children are left.  SIGCHLD stays the program's own.
 *
 * fork and exit run the program's handlers under locks of libc, so they come one at a time (cooplock.h).
 */
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "cooplock.h"
#include "coro.h"
#include "fdtab.h"
#include "handoff.h"
#include "libc.h"
#include "monitor.h"
#include "offload.h"
#include "raw.h"
#include "rawlock.h"
#include "wait.h"
#include "watch.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define REPORTS (WEXITED | WSTOPPED | WCONTINUED)
#define KINDS (__WALL | __WCLONE)
#define WAIT_FLAGS (WAIT_INTR_RESTART | WAITQ_CANCEL)

static struct cooplock fork_lock, exit_lock;

/* Inside a handler or libc's own locks nothing may wait for a coroutine. */
static bool must_not_wait(void)
{
	return coro_self && !coro_may_park();
}

/* Listeners.  Made by a coroutine, freed by whoever lets go last: each waiter and the worker hold it. */
struct listener {
	struct offload_job job;
	struct listener *next;
	idtype_t type;
	id_t id;
	int options;
	int holders;	   /* under listeners_lock */
	_Atomic bool done; /* and off the list */
};

static struct rawlock listeners_lock;
static struct listener *listeners;

static void let_go(struct listener *l)
{
	bool last;

	rawlock_take(&listeners_lock);
	last = --l->holders == 0;
	rawlock_drop(&listeners_lock);
	if (last)
		free(l);
}

static void take_off_list_locked(struct listener *l)
{
	struct listener **at = &listeners;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
}

static void listen_once(struct offload_job *job)
{
	struct listener *l = CONTAINER_OF(job, struct listener, job);

	raw6(SYS_waitid, l->type, l->id, 0, l->options | WNOWAIT, 0, 0);
}

static void tell_all(struct offload_job *job)
{
	struct listener *l = CONTAINER_OF(job, struct listener, job);

	rawlock_take(&listeners_lock);
	take_off_list_locked(l);
	atomic_store(&l->done, true);
	rawlock_drop(&listeners_lock);
	waitq_wake(l, INT_MAX);
	let_go(l);
}

static struct listener *find_locked(idtype_t type, id_t id, int options)
{
	struct listener *l = listeners;

	while (l && (l->type != type || l->id != id || l->options != options))
		l = l->next;
	return l;
}

static struct listener *make_locked(idtype_t type, id_t id, int options)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->job.run = listen_once;
	l->job.abandoned = tell_all;
	l->type = type;
	l->id = id;
	l->options = options;
	l->holders = 1; /* the worker */
	l->next = listeners;
	listeners = l;
	return l;
}

/* It could not be started; nobody but its maker has seen it, since only coroutines look. */
static void unmake(struct listener *l)
{
	rawlock_take(&listeners_lock);
	take_off_list_locked(l);
	rawlock_drop(&listeners_lock);
	free(l);
}

/* The listener of this question, with a hold on it for the caller.  NULL with *err. */
static struct listener *listener_of(idtype_t type, id_t id, int options, int *err)
{
	struct listener *l;
	bool fresh = false;

	rawlock_take(&listeners_lock);
	l = find_locked(type, id, options);
	if (!l) {
		l = make_locked(type, id, options);
		fresh = true;
	}
	if (l)
		l->holders++;
	rawlock_drop(&listeners_lock);
	*err = l ? 0 : -ENOMEM;
	if (l && fresh && (*err = offload_start(&l->job, OFFLOAD_LONG)) < 0) {
		unmake(l);
		l = NULL;
	}
	return l;
}

/* 0: look again; -EINTR, -ENOMEM, -EAGAIN. */
static int wait_for_listener(struct coro *me, idtype_t type, id_t id, int options, const char *why)
{
	struct waiter *w = waitq_mine(NULL);
	struct listener *l;
	int err;

	l = listener_of(type, id, options, &err);
	if (!l)
		return err;
	waitq_add(w, l);
	if (atomic_load(&l->done))
		waitq_remove(w);
	else
		err = waitq_wait(w, NEVER, WAIT_FLAGS, why);
	let_go(l);
	return err == -ECANCELED ? coro_ended_early(me) : err;
}

/* The program may have closed all numbers it does not know while we were parked; then this one is not ours. */
static void close_pidfd(void *arg)
{
	int fd = *(int *)arg;

	fd_closing(fd);
	if (raw6(SYS_waitid, P_PIDFD, fd, 0, WEXITED | WNOHANG | WNOWAIT, 0, 0) != -EBADF)
		raw1(SYS_close, fd);
}

/* 0: look again; -EINTR, -ENOMEM; -ENOENT: no pidfd to be had. */
static int wait_for_pid(struct coro *me, pid_t pid, const char *why)
{
	int err, fd = (int)raw2(SYS_pidfd_open, pid, 0);

	if (fd == -ESRCH)
		return 0;
	if (fd < 0)
		return -ENOENT;
	pthread_cleanup_push(close_pidfd, &fd);
	err = wait_pidfd(me, fd, WAIT_INTR_RESTART, why);
	pthread_cleanup_pop(1);
	return err;
}

/* Waits until a look at these children may find something.  `reports` as for waitid(2). */
static int wait_for_change(struct coro *me, idtype_t type, id_t id, int reports, const char *why)
{
	int err = -ENOENT;

	if (type == P_PID && (reports & REPORTS) == WEXITED)
		err = wait_for_pid(me, (pid_t)id, why);
	if (err == -ENOENT)
		err = wait_for_listener(me, type, id, reports & (REPORTS | KINDS), why);
	return err;
}

/* waitpid's pid in waitid's words. */
static idtype_t type_of(pid_t pid, id_t *id)
{
	*id = pid < -1 ? (id_t)-pid : pid > 0 ? (id_t)pid : 0;
	if (pid == 0)
		*id = (id_t)getpgrp();
	return pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
}

static pid_t park_wait(struct coro *me, pid_t pid, int *status, int options, struct rusage *usage,
		       const char *why)
{
	int saved = errno;

	for (;;) {
		pid_t r = libc.wait4(pid, status, options | WNOHANG, usage);
		idtype_t type;
		id_t id;
		int err;

		if (r != 0)
			return r;
		if (options & WNOHANG) {
			sched_yield_now(me);
			errno = saved;
			return 0;
		}
		type = type_of(pid, &id);
		err = wait_for_change(me, type, id, options | WEXITED, why);
		if (err < 0)
			return fail(-err);
		errno = saved;
	}
}

/* waitpid(2).  Parks: until a child has something to report.  With WNOHANG it lets the others run once.
 * errno: the kernel's; EINTR as for SA_RESTART; ENOMEM, EAGAIN where the means to wait cannot be had. */
EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.waitpid(pid, status, options);
	return coro_leave(park_wait(me, pid, status, options, NULL, "waitpid"));
}
EXPORT_ALIAS(__waitpid, waitpid);

/* wait4(2).  As waitpid(), with the child's resources. */
EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.wait4(pid, status, options, usage);
	return coro_leave(park_wait(me, pid, status, options, usage, "wait4"));
}
EXPORT_ALIAS(__wait4, wait4);

/* wait(2).  As waitpid(-1). */
EXPORT pid_t wait(int *status)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.wait(status);
	return coro_leave(park_wait(me, -1, status, 0, NULL, "wait"));
}
EXPORT_ALIAS(__wait, wait);

/* wait3(2).  As wait4(-1). */
EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.wait3(status, options, usage);
	return coro_leave(park_wait(me, -1, status, options, usage, "wait3"));
}

static int park_waitid(struct coro *me, idtype_t type, id_t id, siginfo_t *info, int options)
{
	int saved = errno;

	for (;;) {
		siginfo_t found = { 0 };
		int err, r = libc.waitid(type, id, &found, options | WNOHANG);

		if (r == -1)
			return r;
		if (found.si_pid || (options & WNOHANG)) {
			if (info)
				*info = found;
			if (!found.si_pid)
				sched_yield_now(me);
			errno = saved;
			return 0;
		}
		if (type == P_PIDFD && (raw2(SYS_fcntl, id, F_GETFL) & O_NONBLOCK))
			return fail(EAGAIN);
		err = wait_for_change(me, type, id, options, "waitid");
		if (err < 0)
			return fail(-err);
		errno = saved;
	}
}

/* waitid(2).  As waitpid(). */
EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.waitid(type, id, info, options);
	return coro_leave(park_waitid(me, type, id, info, options));
}

static void forget_others(void)
{
	listeners_lock = (struct rawlock){ 0 };
	listeners = NULL;
	cooplock_after_fork(&exit_lock);
	cooplock_after_fork(&fork_lock);
}

/* The program's handlers may have left, or have taken so long that the caller is alone now. */
static void leave_after_handlers(void)
{
	coro_here();
	coro_leave(0);
}

struct pty {
	int master;
	char *name;
	const struct termios *modes;
	const struct winsize *size;
};

static pid_t fork_now(struct pty *p)
{
	return p ? libc.forkpty(&p->master, p->name, p->modes, p->size) : libc.fork();
}

/* p is forkpty's; NULL: none. */
static PARKING pid_t fork_in_turn(struct pty *p)
{
	pid_t pid;
	int saved;

	coro_host();
	cooplock_before_fork();
	monitor_before_handlers();
	watch_before_handlers();
	if (must_not_wait())
		return fork_now(p);
	cooplock_take(&fork_lock, "fork");
	cooplock_before_fork(); /* others may have come and gone */
	pid = fork_now(p);
	saved = errno;
	if (pid == 0)
		forget_others();
	cooplock_drop(&fork_lock);
	leave_after_handlers();
	errno = saved;
	return pid;
}

/* fork(2).  Parks: while another thread is in fork, and where the program's handlers do.
 * Passes through: nothing green, or inside a signal handler. */
EXPORT pid_t fork(void)
{
	if (LIKELY(!atomic_load_explicit(&green_exist, memory_order_relaxed)))
		return libc.fork();
	return fork_in_turn(NULL);
}
EXPORT_ALIAS(__fork, fork);

/* forkpty(3).  As fork().  errno: libc's. */
EXPORT int forkpty(int *master, char *name, const struct termios *modes, const struct winsize *size)
{
	struct pty pty = { .name = name, .modes = modes, .size = size };
	pid_t pid;

	if (LIKELY(!atomic_load_explicit(&green_exist, memory_order_relaxed)))
		return libc.forkpty(master, name, modes, size);
	pid = fork_in_turn(&pty);
	if (pid == 0)
		for (int fd = 0; fd <= 2; fd++)
			fd_appeared(fd);
	else if (pid > 0) {
		fd_appeared(pty.master);
		*master = pty.master;
	}
	return pid;
}

/* The child's standard descriptors, as glibc's own makes them.  -1 with errno. */
static int point_at_null(void)
{
	struct stat st;
	int fd = open(_PATH_DEVNULL, O_RDWR);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
		close(fd);
		errno = ENODEV;
		return -1;
	}
	for (int i = 0; i <= 2; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	return 0;
}

/* daemon(3), made of our calls.  As fork().  errno: libc's. */
EXPORT int daemon(int no_chdir, int no_close)
{
	pid_t pid;

	if (LIKELY(!atomic_load_explicit(&green_exist, memory_order_relaxed)))
		return libc.daemon(no_chdir, no_close);
	pid = fork();
	if (pid > 0)
		_exit(0);
	if (pid < 0 || setsid() < 0)
		return -1;
	if (!no_chdir)
		(void)!chdir("/"); /* nor does glibc look */
	return no_close ? 0 : point_at_null();
}

/* exit(3).  Parks: for ever while another thread is in it; a handler of the program may call it again.
 * The lock is never given back: the process ends. */
EXPORT void exit(int status)
{
	if (atomic_load_explicit(&green_exist, memory_order_relaxed) && !must_not_wait()) {
		cooplock_take(&exit_lock, "exit");
		coro_leave(0);
	}
	libc.exit(status);
	__builtin_unreachable();
}

/* What is changed belongs to the kernel thread that runs all coroutines: from now on it stays that one. */
static void stay_on_kernel_thread(const char *why)
{
	if (coro_host())
		handoff_forbid(why);
}

/* unshare(2).  Parks: never.  Passes through: native threads, vfork children.  errno: the kernel's.
 * Differs: in a green thread it is for all of them; and no hand-off follows, that would leave it behind. */
EXPORT int unshare(int flags)
{
	if (LIKELY(!coro_self) || !fd_in_our_process())
		return libc.unshare(flags);
	stay_on_kernel_thread("unshare");
	return coro_leave(libc.unshare(flags));
}

/* setns(2).  As unshare(). */
EXPORT int setns(int fd, int type)
{
	if (LIKELY(!coro_self) || !fd_in_our_process())
		return libc.setns(fd, type);
	stay_on_kernel_thread("setns");
	return coro_leave(libc.setns(fd, type));
}
