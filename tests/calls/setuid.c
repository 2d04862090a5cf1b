/* SPDX-License-Identifier: Apache-2.0
 *
 * The set-id family changes the whole process from whichever thread calls it, while others wait; libc
 * signals every thread it knows of and must get an answer from all that exist.
 */
#include "calls/blocked.h"
#include <grp.h>
#include <string.h>
#include <sys/wait.h>

#define NOBODY 65534

static int gate[2];

static void *idle(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 0);
	CHECK_EQ(getuid(), NOBODY);
	CHECK_EQ(getegid(), NOBODY);
	return arg;
}

static void *become_nobody(void *arg)
{
	gid_t group = NOBODY, known[64], now[64];
	int nknown = 64, n;
	uid_t r, e, s;

	CHECK(getgrouplist("root", 0, known, &nknown) >= 0);
	CHECK_EQ(setgroups(1, &group), 0);
	CHECK_EQ(initgroups("root", 0), 0);
	CHECK_EQ(n = getgroups(64, now), nknown);
	CHECK(!memcmp(known, now, (size_t)n * sizeof(*now)));
	CHECK_EQ(setgroups(1, &group), 0);
	CHECK_EQ(setegid(NOBODY), 0);
	CHECK_EQ(setegid(0), 0);
	CHECK_EQ(setresgid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_EQ(seteuid(NOBODY), 0);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(setreuid(0, NOBODY), 0);
	CHECK_EQ(seteuid(0), 0);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_EQ(getresuid(&r, &e, &s), 0);
	CHECK(r == NOBODY && e == NOBODY && s == NOBODY);
	CHECK_ERRNO(setuid(0), EPERM);
	CHECK_ERRNO(setresgid(0, 0, 0), EPERM);
	return arg;
}

static void in_child(bool from_thread)
{
	int status;
	pid_t pid = fork();

	CHECK(pid != -1);
	if (pid == 0) {
		pthread_t t[3];

		CHECK_EQ(pipe(gate), 0);
		for (int i = 0; i < 3; i++)
			t[i] = start(idle, NULL);
		await_blocked(3);
		if (from_thread)
			finish(start(become_nobody, NULL));
		else
			become_nobody(NULL);
		CHECK_EQ(getuid(), NOBODY);
		CHECK_EQ(close(gate[1]), 0);
		for (int i = 0; i < 3; i++)
			finish(t[i]);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	if (getuid() != 0)
		SKIP("needs root to change ids");
	in_child(false);
	in_child(true);
	CHECK_EQ(getuid(), 0);
	return 0;
}
