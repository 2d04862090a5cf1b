/* SPDX-License-Identifier: Apache-2.0
 *
 * What families of locks, threads, signals and processes share: an order of what flows do where nothing blocks,
 * forked children, and memory that they share with their parent.
 */
#ifndef TESTS_DIFF_STEPS_H
#define TESTS_DIFF_STEPS_H

#include "diff/diff.h"
#include <sys/mman.h>
#include <sys/wait.h>

/* A point that one flow reaches, and for which others wait.  They are numbered from 1, and reached in order. */
static _Atomic int steps_done;

static inline void step(int n)
{
	atomic_store(&steps_done, n);
}

static inline void await_step(int n)
{
	while (atomic_load(&steps_done) < n)
		sched_yield();
}

/* The time that lies ms from the call on, as an argument: AT(CLOCK_REALTIME, 15). */
#define AT(clock, ms) (&(struct timespec[]){ in_ms(clock, ms) }[0])

/* The case's own way to a flow that is a thread. */
static inline pthread_t thread_of(const struct flow *f)
{
	return f->thread;
}

/* A handler. */
static _Atomic int signals_said;

static inline void say_signal(int sig)
{
	SAY("handler of SIG%s", sigabbrev_np(sig));
	signals_said++;
}

/* Until one that says so has run; and until the call that it met goes on, if it does. */
static inline void await_handler(void)
{
	while (!signals_said)
		usleep(1000);
	usleep(3000);
}

static inline void install(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };

	CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

/* One or two signals; b is 0 if there is no second. */
static inline sigset_t set_of(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

static inline void change_mask(int how, int a, int b)
{
	sigset_t set = set_of(a, b);

	CHECK_EQ(pthread_sigmask(how, &set, NULL), 0);
}

/* An address that faults. */
static inline void *no_memory(void)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	return page;
}

/* Zeroed, and the same memory in forked children. */
static inline void *shared_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	return page;
}

/* A flow that is a thread with these attributes. */
static inline struct flow *flow_with(const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	struct flow *f = calloc(1, sizeof(*f));

	*f = (struct flow){ .number = atomic_fetch_add(&flows_made, 1), .fn = fn, .arg = arg };
	CHECK_EQ(pthread_create(&f->thread, attr, flow_run, f), 0);
	return f;
}

#define CHILD_FLOW 100 /* what a child's lines are said as */

/* Runs fn(arg) in a forked child, which exits with 0 when it returns. */
static inline pid_t child(void (*fn)(void *), void *arg)
{
	pid_t pid = fork();

	CHECK(pid != -1);
	if (pid == 0) {
		says_as(CHILD_FLOW);
		fn(arg);
		_exit(0);
	}
	return pid;
}

static inline void say_status(const char *whose, int status)
{
	if (WIFEXITED(status))
		SAY("%s: exited with %d", whose, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		SAY("%s: killed by SIG%s", whose, sigabbrev_np(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		SAY("%s: stopped by SIG%s", whose, sigabbrev_np(WSTOPSIG(status)));
	else
		SAY("%s: continued", whose);
}

/* Waits for its end, and says it. */
static inline void child_end(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	say_status("child", status);
}

/* One byte, which says "go on" to another process, or flow. */
static inline void tell(int fd)
{
	CHECK_EQ(write(fd, "x", 1), 1);
}

static inline void hear(int fd)
{
	char c;

	CHECK_EQ(read(fd, &c, 1), 1);
}

#endif
