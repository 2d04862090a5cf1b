/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cases about locks, queues, files and pipes share: another process, which does something when it is
 * told, and signals that are counted.
 */
#ifndef TESTS_OTHERS_H
#define TESTS_OTHERS_H

#include "diff/diff.h"
#include <sys/wait.h>

/* A child that does begin() and says so, and end() when it is told, or at once if the parent is gone. */
struct other {
	pid_t pid;
	int told[2], tells[2];
};

static inline void other_says(const struct other *o)
{
	CHECK_EQ(write(o->tells[1], "!", 1), 1);
}

static inline void other_awaits(const struct other *o)
{
	char c;

	if (read(o->told[0], &c, 1) != 1)
		_exit(1);
}

static inline struct other other_process(void (*body)(const struct other *))
{
	struct other o;
	char c;

	CHECK_EQ(pipe(o.told), 0);
	CHECK_EQ(pipe(o.tells), 0);
	o.pid = fork();
	CHECK(o.pid != -1);
	if (o.pid == 0) {
		close(o.told[1]);
		close(o.tells[0]);
		body(&o);
		_exit(0);
	}
	close(o.told[0]);
	close(o.tells[1]);
	CHECK_EQ(read(o.tells[0], &c, 1), 1);
	return o;
}

static inline void other_go_on(const struct other *o)
{
	CHECK_EQ(write(o->told[1], "!", 1), 1);
}

static inline void other_heard(const struct other *o)
{
	char c;

	CHECK_EQ(read(o->tells[0], &c, 1), 1);
}

static inline void other_end(struct other *o)
{
	int status;

	close(o->told[1]);
	CHECK_EQ(waitpid(o->pid, &status, 0), o->pid);
	CHECK(WIFEXITED(status));
	close(o->tells[0]);
}

static _Atomic int signals_handled;

static inline void count_signal(int sig)
{
	(void)sig;
	signals_handled++;
}

static inline void await_signal(int n)
{
	while (signals_handled < n)
		usleep(1000);
}

/* Has a flow in fn(arg) get a signal; it is not over yet if that restarts its call. */
static inline struct flow *signalled(void *(*fn)(void *), void *arg, int flags)
{
	struct flow *f;

	on_signal(SIGUSR1, count_signal, flags);
	f = flow(fn, arg);
	await_blocked(1);
	E(pthread_kill(f->thread, SIGUSR1));
	await_signal(1);
	return f;
}

#endif
