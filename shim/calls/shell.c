/* SPDX-License-Identifier: Apache-2.0
 *
 * What libc makes of other calls to run a shell: system, popen and pclose; and getpass.  Inside libc those
 * calls do not pass through us, so where coroutines exist each is made here, of ours: here the bare names are
 * meant.  Threads of all kinds come here then, for what they share (ignored signals, the open pipes) must be
 * known in one place.
 */
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <spawn.h>
#include "coro.h"
#include "filelock.h"
#include "libc.h"
#include "offload.h"
#include "raw.h"
#include "rawlock.h"
#include "streams.h"

extern char **environ;

static int start_shell(pid_t *pid, const char *line, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)line, NULL };

	return posix_spawn(pid, _PATH_BSHELL, actions, attr, argv, environ);
}

/* A coroutine's wait may end early; a signal does not end it. */
static pid_t await_child(pid_t pid, int *status)
{
	int saved = errno;
	pid_t r;

	do
		r = waitpid(pid, status, 0);
	while (r == -1 && errno == EINTR);
	if (r == pid)
		errno = saved;
	return r;
}

/* --- system */

/* While any thread is in it the process ignores SIGINT and SIGQUIT. */
static struct {
	struct rawlock lock;
	int users;
	struct sigaction intr, quit;
} ignoring;

static void ignore_signals(sigset_t *to_default)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigemptyset(to_default);
	rawlock_take(&ignoring.lock);
	if (ignoring.users++ == 0) {
		sigaction(SIGINT, &ignore, &ignoring.intr);
		sigaction(SIGQUIT, &ignore, &ignoring.quit);
	}
	if (ignoring.intr.sa_handler != SIG_IGN)
		sigaddset(to_default, SIGINT);
	if (ignoring.quit.sa_handler != SIG_IGN)
		sigaddset(to_default, SIGQUIT);
	rawlock_drop(&ignoring.lock);
}

static void heed_signals(void)
{
	rawlock_take(&ignoring.lock);
	if (--ignoring.users == 0) {
		sigaction(SIGINT, &ignoring.intr, NULL);
		sigaction(SIGQUIT, &ignoring.quit, NULL);
	}
	rawlock_drop(&ignoring.lock);
}

struct command {
	pid_t pid; /* 0: none, or it has been waited for */
	sigset_t mask;
};

/* Also of a thread that is cancelled: its shell ends, too. */
static void end_command(void *arg)
{
	struct command *c = arg;
	int saved = errno;

	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		libc.waitpid(c->pid, NULL, 0);
	}
	heed_signals();
	pthread_sigmask(SIG_SETMASK, &c->mask, NULL);
	errno = saved;
}

static int start_command(struct command *c, const char *line, const sigset_t *to_default)
{
	posix_spawnattr_t attr;
	int err;

	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &c->mask);
	posix_spawnattr_setsigdefault(&attr, to_default);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	err = start_shell(&c->pid, line, NULL, &attr);
	posix_spawnattr_destroy(&attr);
	return err;
}

static PARKING int run_command(const char *line)
{
	struct command c = { 0 };
	sigset_t child, to_default;
	int status = -1, err;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	ignore_signals(&to_default);
	pthread_sigmask(SIG_BLOCK, &child, &c.mask);
	pthread_cleanup_push(end_command, &c);
	err = start_command(&c, line, &to_default);
	if (err) {
		c.pid = 0;
		status = W_EXITCODE(127, 0); /* as if the shell had said so */
		errno = err;
	} else if (await_child(c.pid, &status) == c.pid || errno == ECHILD) {
		c.pid = 0;
	} else {
		status = -1;
	}
	pthread_cleanup_pop(1);
	return status;
}

/* system(3).  Parks: until the command has ended.  Passes through: nothing green.
 * errno: libc's; a coroutine that is ended early: why, and its command is killed. */
EXPORT int system(const char *line)
{
	if (LIKELY(!streams_are_ours()))
		return libc.system(line);
	return line ? run_command(line) : run_command("exit 0") == 0;
}

/* --- popen */

struct child {
	struct child *next;
	FILE *f;
	pid_t pid;
};

static struct rawlock children_lock;
static struct child *_Atomic children; /* changed under the lock */

static struct child *take_child(const FILE *f)
{
	struct child *c;

	rawlock_take(&children_lock);
	c = children;
	if (c && c->f == f) {
		children = c->next;
	} else {
		struct child *before = c;

		while (before && before->next && before->next->f != f)
			before = before->next;
		c = before ? before->next : NULL;
		if (c)
			before->next = c->next;
	}
	rawlock_drop(&children_lock);
	return c;
}

bool streams_is_child(const FILE *f)
{
	bool found = false;

	if (LIKELY(!children))
		return false;
	rawlock_take(&children_lock);
	for (const struct child *c = children; c && !found; c = c->next)
		found = c->f == f;
	rawlock_drop(&children_lock);
	return found;
}

/* False: not popen's. */
static bool read_mode(const char *mode, bool *reads, bool *cloexec)
{
	bool writes = false;

	*reads = *cloexec = false;
	for (; *mode; mode++) {
		if (*mode == 'r')
			*reads = true;
		else if (*mode == 'w')
			writes = true;
		else if (*mode == 'e')
			*cloexec = true;
		else
			return false;
	}
	return *reads != writes;
}

/* The child has `theirs` as its number `at`, and none of the pipes that are open here.  0 or an error
 * number. */
static int start_child(struct child *c, const char *line, int theirs, int at)
{
	posix_spawn_file_actions_t actions;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return err;
	err = posix_spawn_file_actions_adddup2(&actions, theirs, at);
	rawlock_take(&children_lock);
	for (const struct child *other = children; other && !err; other = other->next)
		if (fileno(other->f) != at)
			err = posix_spawn_file_actions_addclose(&actions, fileno(other->f));
	rawlock_drop(&children_lock);
	if (!err)
		err = start_shell(&c->pid, line, &actions, NULL);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

static void add_child(struct child *c)
{
	rawlock_take(&children_lock);
	c->next = children;
	children = c;
	rawlock_drop(&children_lock);
}

/* A child at the other end of a pipe.  NULL with errno. */
static FILE *open_child(struct child *c, const char *line, bool reads, bool cloexec)
{
	int ends[2], mine = reads ? 0 : 1, err;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	c->f = fdopen(ends[mine], reads ? "r" : "w");
	err = c->f ? start_child(c, line, ends[!mine], !mine) : errno;
	close(ends[!mine]);
	if (!err) {
		if (!cloexec)
			fcntl(ends[mine], F_SETFD, 0);
		return c->f;
	}
	if (c->f)
		libc.fclose(c->f);
	else
		close(ends[mine]);
	errno = err;
	return NULL;
}

/* Its parent does not wait for it any more, and no zombie shall be left. */
struct orphan {
	struct offload_job job;
	pid_t pid;
};

static void await_orphan(struct offload_job *job)
{
	raw4(SYS_wait4, CONTAINER_OF(job, struct orphan, job)->pid, NULL, 0, NULL);
}

static void free_orphan(struct offload_job *job)
{
	free(CONTAINER_OF(job, struct orphan, job));
}

static void leave_to_others(pid_t pid)
{
	struct orphan *o = calloc(1, sizeof(*o));

	if (!o)
		return;
	o->pid = pid;
	o->job.run = await_orphan;
	o->job.abandoned = free_orphan;
	if (offload_start(&o->job, OFFLOAD_LONG) < 0)
		free(o);
}

/* popen(3).  Parks: never.  Passes through: nothing green.  errno: libc's. */
EXPORT FILE *popen(const char *line, const char *mode)
{
	bool reads, cloexec;
	struct child *c;

	if (LIKELY(!streams_are_ours()))
		return libc.popen(line, mode);
	if (!read_mode(mode, &reads, &cloexec)) {
		errno = EINVAL;
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	if (!open_child(c, line, reads, cloexec)) {
		free(c);
		return NULL;
	}
	add_child(c);
	return c->f;
}

static PARKING int close_child(FILE *f, pid_t pid)
{
	int status = -1, state, flushed = fclose(f), err;
	pid_t r;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state); /* as in libc */
	r = await_child(pid, &status);
	err = errno;
	pthread_setcancelstate(state, NULL);
	if (r == -1 && err != ECHILD)
		leave_to_others(pid);
	errno = err;
	return r == -1 ? -1 : status ? status : flushed;
}

/* pclose(3).  Parks: until what is left is written and the command has ended.
 * Passes through: what popen() opened when nothing was green; that one blocks.
 * errno: libc's; a coroutine that is ended early: why. */
EXPORT int pclose(FILE *f)
{
	struct child *c;
	pid_t pid;

	if (LIKELY(!children) || !(c = take_child(f)))
		return libc.pclose(f);
	pid = c->pid;
	free(c);
	return close_child(f, pid);
}

/* --- getpass */

static bool has_terminal(void)
{
	int fd = open(_PATH_TTY, O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static char *ask_on_stderr(const char *prompt)
{
	IN_TURN(stderr, "getpass");
	return libc.getpass(prompt);
}

static PARKING char *ask_in_turn(const char *prompt)
{
	IN_TURN(stdin, "getpass");
	return ask_on_stderr(prompt);
}

/* getpass(3).  Parks: until there is a line.  Passes through: nothing green.  errno: libc's. */
EXPORT char *getpass(const char *prompt)
{
	if (LIKELY(!streams_are_ours()) || has_terminal())
		return libc.getpass(prompt);
	return ask_in_turn(prompt);
}
