/* SPDX-License-Identifier: Apache-2.0
 *
 * Bring-up, in the order that makes each step safe for the next:
 *
 *   1. constructor, before any other object's (-z initfirst): settings, the table of real calls, fork
 *      handlers, the names of Python.  Nothing is allocated, no thread made, no descriptor opened.
 *   2. first pthread_create that is to be green (core/green.c): scheduler, loop, self-test.
 *   3. first green thread the monitor (core/monitor.h), and, if asked for, the watch.
 *
 * A program that never reaches step 2 has met one load and one branch a call.
 */
#include <sys/auxv.h>
#include "cooplock.h"
#include "fdtab.h"
#include "libc.h"
#include "loop.h"
#include "monitor.h"
#include "offload.h"
#include "python.h"
#include "resolver.h"
#include "greenlet.h"
#include "routine.h"
#include "settings.h"
#include "sigmask.h"
#include "streams.h"
#include "switch.h"
#include "thread.h"
#include "watch.h"

int __cxa_atexit(void (*fn)(void *), void *arg, void *object);

unsigned char switch_fast_fs;

/* glibc runs prepare handlers last-registered first, the others first-registered first.  Ours are the
 * first of all, so the application's handlers, which may wait, find us whole on either side. */
static void prepare_fork(void)
{
	green_before_fork();
	if (!sched.main)
		return;
	monitor_before_fork();
	watch_before_fork();
	body_before_fork();
	offload_before_fork();
	waitq_before_fork();
}

static void after_fork_parent(void)
{
	fd_after_fork_parent();
	if (sched.main) {
		waitq_after_fork_parent();
		offload_after_fork_parent();
		body_after_fork_parent();
		watch_after_fork_parent();
	}
	green_after_fork_parent();
}

FORKED static void after_fork_child(void)
{
	struct coro *me = coro_self;

	if (atomic_load(&sched.wanted)) /* by the monitor, which is not here */
		atomic_store(&sched.wanted, false);

	green_after_fork_child();
	fd_after_fork_child();
	if (!sched.main)
		return;
	waitq_after_fork_child();
	offload_after_fork_child();
	body_after_fork_child();
	loop_after_fork_child();
	resolver_after_fork_child();
	routine_after_fork_child();
	greenlet_after_fork_child();
	borrowed_after_fork_child();
	sig_after_fork_child(me);
	atomic_store(&green_alive, 0);
	python_after_fork_child();
	monitor_after_fork_child();
	watch_after_fork_child();
	sched_after_fork_child();
}

static void detect_cpu(void)
{
#if defined(__x86_64__)
	switch_fast_fs = (getauxval(AT_HWCAP2) & 2) != 0; /* HWCAP2_FSGSBASE */
#else
	switch_fast_fs = 1;
#endif
}

static void start(int argc, char **argv, char **env)
{
	const char *missing = NULL;
	int err;

	(void)argc, (void)argv;
	err = libc_bind(
		&missing); /* before all else: a sanitizer intercepts strcmp, and is brought up by that */
	settings_read(env);
	if (err < 0) {
		say("this libc has no %s; threads stay native", missing);
		settings.threads = THREADS_NONE;
	}
	detect_cpu();
	if (settings.threads == THREADS_NONE)
		return;
	pthread_atfork(prepare_fork, after_fork_parent, after_fork_child);
	__cxa_atexit(streams_flush_at_exit, NULL, NULL); /* the first, so it runs after all others */
	python_boot();
}

/* Among our own constructors the first, also before that of a sanitizer's runtime (99), which makes calls
 * of the table; the attribute's priorities begin behind it. */
__attribute__((section(".init_array.00098"), used)) static void (*const first)(int, char **, char **) = start;
