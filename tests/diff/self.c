/* SPDX-License-Identifier: Apache-2.0
 *
 * The harness's own cases, of which tests/diff/test_harness.py expects that each is told: they look at what is no
 * behaviour of the kernel, the world itself.  Those that begin with "same" do not.
 */
#include "diff/diff.h"
#include <signal.h>

static const char *world(void)
{
	return getenv("DIFF_WORLD");
}

static int fails_as(int err)
{
	errno = err;
	return -1;
}

CASE(same_lines_in_any_order)
{
	for (int i = 0; i < 3; i++)
		R(i);
}

static void *say_once(void *arg)
{
	sched_yield();
	SAY("said %ld", (long)arg);
	return NULL;
}

CASE(same_flows)
{
	struct flow *a = flow(say_once, (void *)1), *b = flow(say_once, (void *)2);

	flow_end(b);
	flow_end(a);
}

CASE(result_differs)
{
	R(strcmp(world(), "green") ? 0 : 1);
}

CASE(errno_differs)
{
	R(fails_as(strcmp(world(), "coroutine") ? EAGAIN : EBADF));
}

CASE(errno_touched)
{
	R(strcmp(world(), "native") ? 0 : (errno = EINTR, 0));
}

CASE(bytes_differ)
{
	SHOW(strcmp(world(), "green") ? "ab" : "a\001", 2);
}

CASE(line_missing)
{
	R(0);
	if (strcmp(world(), "green"))
		R(1);
}

CASE(exit_code_differs)
{
	R(0);
	if (!strcmp(world(), "green"))
		_exit(3);
}

CASE(signal_differs)
{
	R(0);
	if (!strcmp(world(), "coroutine"))
		kill(getpid(), SIGKILL);
}

CASE(hangs)
{
	R(0);
	if (!strcmp(world(), "green"))
		for (;;)
			sleep(1);
}

CASE(listed)
{
	R(strcmp(world(), "plain") ? fails_as(EBADF) : 1);
}

CASE(listed_but_same)
{
	R(0);
}

CASE_MAIN(no_oracle)
{
	R(0);
	if (!strcmp(world(), "plain"))
		_exit(1);
}

CASE(silent)
{
}

CASE(says_on_stderr)
{
	R(0);
	if (!strcmp(world(), "native"))
		dprintf(2, "oops\n");
}
