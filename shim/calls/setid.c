/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing the ids of the process.  glibc signals every thread that it knows of and waits for each answer:
 * green ones have no kernel thread, are told ESRCH by the kernel and skipped, and the host answers in its
 * own record (sig_guard_setxid).  What it must not meet is a kernel thread that is being born or buried,
 * with all signals blocked, so the two exclude each other; nor a hand-off in between.
 *
 * Contract of all: never park (nor does an NSS module that initgroups calls).  Pass through: while no
 * thread of the process has been green, and in vfork children.  errno: the kernel's.  No difference.
 */
#include "libc.h"
#include "sigmask.h"
#include "thread.h"

static bool enter(void)
{
	if (LIKELY(!atomic_load_explicit(&green_exist, memory_order_relaxed)))
		return false;
	if (raw1(SYS_getpid, 0) != sched.host_pid)
		return false;
	coro_here();
	if (coro_self)
		coro_self->no_park++;
	body_creation_lock();
	return true;
}

static int leave(bool entered, int r)
{
	if (!entered)
		return r;
	body_creation_unlock();
	if (coro_self)
		coro_self->no_park--;
	return coro_leave(r);
}

/* setuid(2) */
EXPORT int setuid(uid_t uid)
{
	bool entered = enter();

	return leave(entered, libc.setuid(uid));
}

/* setgid(2) */
EXPORT int setgid(gid_t gid)
{
	bool entered = enter();

	return leave(entered, libc.setgid(gid));
}

/* seteuid(3) */
EXPORT int seteuid(uid_t uid)
{
	bool entered = enter();

	return leave(entered, libc.seteuid(uid));
}

/* setegid(3) */
EXPORT int setegid(gid_t gid)
{
	bool entered = enter();

	return leave(entered, libc.setegid(gid));
}

/* setreuid(2) */
EXPORT int setreuid(uid_t ruid, uid_t euid)
{
	bool entered = enter();

	return leave(entered, libc.setreuid(ruid, euid));
}

/* setregid(2) */
EXPORT int setregid(gid_t rgid, gid_t egid)
{
	bool entered = enter();

	return leave(entered, libc.setregid(rgid, egid));
}

/* setresuid(2) */
EXPORT int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	bool entered = enter();

	return leave(entered, libc.setresuid(ruid, euid, suid));
}

/* setresgid(2) */
EXPORT int setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
	bool entered = enter();

	return leave(entered, libc.setresgid(rgid, egid, sgid));
}

/* setgroups(2) */
EXPORT int setgroups(size_t n, const gid_t *groups)
{
	bool entered = enter();

	return leave(entered, libc.setgroups(n, groups));
}

/* initgroups(3) */
EXPORT int initgroups(const char *user, gid_t group)
{
	bool entered = enter();

	return leave(entered, libc.initgroups(user, group));
}
