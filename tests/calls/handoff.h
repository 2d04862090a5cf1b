/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of hand-off share: threads that sit in a system call by an inline instruction, which
 * nobody can take the place of.  Natively the others go on; preloaded they can only if another kernel
 * thread gets the scheduler and leaves the stuck one alone.
 *
 * get_stuck() says on which kernel thread it is, so await_stuck() knows by the kernel that it sleeps there.
 */
#ifndef TESTS_HANDOFF_H
#define TESTS_HANDOFF_H

#include "calls/blocked.h"
#include <sys/syscall.h>
#include <sys/wait.h>
#include "../shim/syncless.h"

#pragma weak syncless_get_stats

struct stuck {
	int fds[2];
	_Atomic int tid;		     /* the kernel thread of the one who sits in it */
	_Atomic int entered, left, released; /* so often */
	char byte;
};

/* make check-backends and check-ucontext run these as well; nothing is handed off there (README.md, "Limits"). */
static void __attribute__((constructor)) check_settings(void)
{
	if (is_green() && env_is("SYNCLESS_BACKEND", "io_uring"))
		SKIP("no hand-off on io_uring");
	if (is_green() && env_is("SYNCLESS_SWITCH", "ucontext"))
		SKIP("no hand-off where glibc switches");
}

static inline long inline_call(long number, long a, long b, long c)
{
#if defined(__x86_64__)
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
#else
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b, x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}

static inline int kernel_tid(void)
{
	return (int)inline_call(SYS_gettid, 0, 0, 0);
}

static inline void stuck_init(struct stuck *s)
{
	*s = (struct stuck){ .byte = 0 };
	CHECK_EQ(pipe(s->fds), 0);
}

static inline void stuck_close(struct stuck *s)
{
	CHECK_EQ(close(s->fds[0]), 0);
	CHECK_EQ(close(s->fds[1]), 0);
}

/* Until somebody writes a byte, or a signal comes. */
static inline long get_stuck(struct stuck *s)
{
	long r;

	atomic_store(&s->tid, kernel_tid());
	atomic_fetch_add(&s->entered, 1);
	r = inline_call(SYS_read, s->fds[0], (long)&s->byte, 1);
	atomic_fetch_add(&s->left, 1);
	return r;
}

/* The caller goes on while the other sleeps in the kernel. */
static inline void await_stuck(struct stuck *s)
{
	while (atomic_load(&s->entered) <= atomic_load(&s->released) || !task_sleeps(atomic_load(&s->tid)))
		sched_yield();
	CHECK(atomic_load(&s->tid) != kernel_tid());
}

static inline void release(struct stuck *s)
{
	atomic_fetch_add(&s->released, 1);
	CHECK_EQ(write(s->fds[1], "x", 1), 1);
}

static inline void *stuck_thread(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	return arg;
}

/* So often somebody has lost the scheduler; 0 natively. */
static inline uint64_t handoffs(void)
{
	struct syncless_stats stats = { .size = sizeof(stats) };

	if (is_green())
		CHECK_EQ(syncless_get_stats(&stats), 0);
	return stats.handoffs;
}

/* Runs it in a forked child, whose exit status is returned. */
static inline int in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid != -1);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
