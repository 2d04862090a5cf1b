/* SPDX-License-Identifier: Apache-2.0
 *
 * posix_spawn.  libc begins the child with the kernel's signal mask of the calling kernel thread, which is
 * that of all coroutines; so unless the program names one the child gets its caller's.  All else in it is
 * libc's and the kernel's: the child runs on our memory until its exec, and calls nothing of ours.
 */
#include <spawn.h>
#include "libc.h"
#include "sigmask.h"

typedef __typeof__(posix_spawn) spawn_fn;

/* As attr, but the mask. */
static void fill(posix_spawnattr_t *mine, const posix_spawnattr_t *attr, struct coro *me)
{
	short flags = 0;
	sigset_t mask;

	posix_spawnattr_init(mine);
	if (attr) {
		*mine = *attr; /* nothing in it is on the heap */
		posix_spawnattr_getflags(mine, &flags);
	}
	if (flags & POSIX_SPAWN_SETSIGMASK)
		return;
	sig_read_mask(me, &mask);
	posix_spawnattr_setsigmask(mine, &mask);
	posix_spawnattr_setflags(mine, (short)(flags | POSIX_SPAWN_SETSIGMASK));
}

static PARKING int spawn(spawn_fn *real, pid_t *pid, const char *path,
			 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
			 char *const argv[], char *const envp[])
{
	struct coro *me = sig_coro();
	posix_spawnattr_t mine;

	if (!me)
		return real(pid, path, actions, attr, argv, envp);
	fill(&mine, attr, me);
	coro_leave(0);
	return real(pid, path, actions, &mine, argv, envp);
}

/* posix_spawn(3).  Parks: never; the others wait until the child has done its exec, which is soon.
 * Passes through: native threads.  errno: as error numbers, libc's. */
EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	if (LIKELY(!coro_self))
		return libc.posix_spawn(pid, path, actions, attr, argv, envp);
	return spawn(libc.posix_spawn, pid, path, actions, attr, argv, envp);
}

/* posix_spawnp(3).  As posix_spawn(). */
EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	if (LIKELY(!coro_self))
		return libc.posix_spawnp(pid, file, actions, attr, argv, envp);
	return spawn(libc.posix_spawnp, pid, file, actions, attr, argv, envp);
}
