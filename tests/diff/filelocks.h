/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cases about file locks share: a file, a process that has some of it, and how to know that somebody
 * waits in the kernel, where blocks() of a coroutine says no more than that it is about to.
 */
#ifndef TESTS_FILELOCKS_H
#define TESTS_FILELOCKS_H

#include "diff/others.h"

static inline int open_file(int flags)
{
	int fd = open("file", flags | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd != -1);
	return fd;
}

static inline struct flock range(int type, int whence, off_t start, off_t len)
{
	return (struct flock){
		.l_type = (short)type, .l_whence = (short)whence, .l_start = start, .l_len = len
	};
}

static inline void say_range(const char *what, const struct flock *r, pid_t other)
{
	SAY("%s: type %d whence %d start %ld len %ld%s", what, r->l_type, r->l_whence, (long)r->l_start,
	    (long)r->l_len,
	    r->l_pid == 0	? ""
	    : r->l_pid == other ? ", the other's"
				: ", who?");
}

/* Until process pid waits for a file lock: the kernel says so in a line "1: -> POSIX ADVISORY WRITE pid …". */
static inline int lock_waiters(pid_t pid)
{
	FILE *file = fopen("/proc/locks", "re");
	char line[256], kind[16];
	int n = 0, who;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		n += sscanf(line, "%*d: -> %15s %*s %*s %d", kind, &who) == 2 && who == pid;
	fclose(file);
	return n;
}

static inline void await_lock_waiters(pid_t pid, int n)
{
	while (lock_waiters(pid) != n)
		usleep(1000);
}

static inline void has_range(const struct other *o)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 10, 10);
	int fd = open_file(O_RDWR);

	CHECK_EQ(fcntl(fd, F_SETLK, &w), 0);
	other_says(o);
	other_awaits(o);
	w.l_type = F_UNLCK;
	CHECK_EQ(fcntl(fd, F_SETLK, &w), 0);
	other_says(o);
	other_awaits(o);
}

/* What the parent has locked, as the child sees it. */
static inline void look_at(int fd, const char *what)
{
	pid_t parent = getpid(), pid = fork();
	int status;

	CHECK(pid != -1);
	if (pid == 0) {
		struct flock w = range(F_WRLCK, SEEK_SET, 0, 0);

		says_as(99);
		R(fcntl(fd, F_GETLK, &w));
		say_range(what, &w, parent);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
}

static inline void nobody_has_range(int fd, struct other *o)
{
	other_go_on(o);
	other_heard(o);
	look_at(fd, "afterwards");
	other_end(o);
}

#endif
