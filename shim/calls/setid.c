/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing the ids of the process. glibc signals every thread that it knows of, but for the caller, and waits
 * for each answer: green ones have no kernel thread, are told ESRCH by the kernel and skipped, and a seat
 * answers in the record that is its own (sig_guard_setxid).  So the caller must be, to glibc, the seat that it
 * runs on: with its own record main would pass for the first kernel thread, which may be another one
 * (handoff.h) and would keep the old ids.  What the call must not meet is a kernel thread that is being born
 * or buried, with all signals blocked, so the two exclude each other; nor a hand-off in between. initgroups()
 * is made of two halves: what it asks the NSS modules must not be asked in somebody else's name.
 *
 * Contract of all: never park but to come back (initgroups: as getgrouplist).  Pass through:
 * while no thread of the process has been green, in native threads, and in vfork children. errno: the
 * kernel's.  No difference.
 */
#include "libc.h"
#include "handoff.h"
#include "sigmask.h"
#include "switch.h"
#include "thread.h"

struct scope {
	bool entered;
	unsigned long own_fs; /* 0: it has not been changed */
};

/* The compiler takes the address of what is thread-local for a constant, so these three are functions. */
static __attribute__((noinline)) void become_seat(struct scope *s, struct coro *me)
{
	const struct seat *seat = atomic_load(&me->keeps) & KEEPS_ALONE ? me->seat : sched.seat;

	if (seat->fs == me->fs_base)
		return;
	s->own_fs = me->fs_base;
	switch_set_fs(seat->fs);
}

static __attribute__((noinline)) int become_self(const struct scope *s)
{
	int err = errno;

	if (s->own_fs)
		switch_set_fs(s->own_fs);
	return err;
}

static __attribute__((noinline)) struct scope enter(void)
{
	struct scope s = { 0 };

	if (LIKELY(!atomic_load_explicit(&green_exist, memory_order_relaxed)))
		return s;
	if (raw1(SYS_getpid, 0) != sched.host_pid)
		return s;
	s.entered = true;
	coro_host();
	if (coro_self)
		coro_self->no_park++;
	body_creation_lock();
	if (coro_self)
		become_seat(&s, coro_self);
	return s;
}

static __attribute__((noinline)) int leave(struct scope s, int r)
{
	int err;

	if (!s.entered)
		return r;
	err = become_self(&s);
	body_creation_unlock();
	if (coro_self)
		coro_self->no_park--;
	coro_leave(0);
	if (r < 0)
		errno = err;
	return r;
}

/* setuid(2) */
EXPORT int setuid(uid_t uid)
{
	struct scope s = enter();

	return leave(s, libc.setuid(uid));
}

/* setgid(2) */
EXPORT int setgid(gid_t gid)
{
	struct scope s = enter();

	return leave(s, libc.setgid(gid));
}

/* seteuid(3) */
EXPORT int seteuid(uid_t uid)
{
	struct scope s = enter();

	return leave(s, libc.seteuid(uid));
}

/* setegid(3) */
EXPORT int setegid(gid_t gid)
{
	struct scope s = enter();

	return leave(s, libc.setegid(gid));
}

/* setreuid(2) */
EXPORT int setreuid(uid_t ruid, uid_t euid)
{
	struct scope s = enter();

	return leave(s, libc.setreuid(ruid, euid));
}

/* setregid(2) */
EXPORT int setregid(gid_t rgid, gid_t egid)
{
	struct scope s = enter();

	return leave(s, libc.setregid(rgid, egid));
}

/* setresuid(2) */
EXPORT int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	struct scope s = enter();

	return leave(s, libc.setresuid(ruid, euid, suid));
}

/* setresgid(2) */
EXPORT int setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
	struct scope s = enter();

	return leave(s, libc.setresgid(rgid, egid, sgid));
}

/* setgroups(2) */
EXPORT int setgroups(size_t n, const gid_t *groups)
{
	struct scope s = enter();

	return leave(s, libc.setgroups(n, groups));
}

#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */

/* The groups of `user`, told by NSS modules. */
static int groups_of(const char *user, gid_t group, gid_t **groups)
{
	int n = 64, room;

	do {
		room = n;
		*groups = malloc((size_t)room * sizeof(**groups));
		if (!*groups)
			return -1;
		if (getgrouplist(user, group, *groups, &n) >= 0)
			return n < GROUPS_MAX ? n : GROUPS_MAX;
		free(*groups);
	} while (n > room);
	*groups = NULL;
	return -1;
}

static void free_groups(gid_t **groups)
{
	free(*groups);
}

static PARKING int set_groups_of(const char *user, gid_t group)
{
	gid_t *groups __attribute__((cleanup(free_groups))) = NULL;
	int n = groups_of(user, group, &groups);

	return n < 0 ? -1 : setgroups((size_t)n, groups);
}

/* initgroups(3) */
EXPORT int initgroups(const char *user, gid_t group)
{
	if (LIKELY(!coro_self) || raw1(SYS_getpid, 0) != sched.host_pid)
		return libc.initgroups(user, group);
	return set_groups_of(user, group);
}
