/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions that only libc can answer, about names of hosts, users, services: its own function runs on a worker
 * (offload.h) while the coroutine is parked, and blocks there.
 *
 * What the caller gave is copied, and the answer is made on the heap: a caller that is cancelled leaves the job
 * behind, which then frees itself by job.abandoned.  errno is carried there and back, so what the worker leaves
 * untouched is what the caller had.
 */
#ifndef SYNCLESS_LOOKUP_H
#define SYNCLESS_LOOKUP_H

#include "offload.h"

/* What each question begins with; it lies on the heap. */
struct lookup {
	struct offload_job job;
	int result;
	int err;	 /* errno: the caller's, and the worker's in the end */
	int thread_herr; /* h_errno of the worker; untouched by libc: LOOKUP_NO_HERR */
};

#define LOOKUP_NO_HERR (-77)

/* Around what job.run() does. */
void lookup_begins(const struct lookup *l);
void lookup_ends(struct lookup *l);
/* job.abandoned() of one that is a single piece of memory. */
void lookup_free(struct offload_job *job);

/* Runs it on a worker, or here, blocking, if there is none.  0: it is the caller's again, h_errno is set as libc
 * did, and errno is not (l->err).  Else an error number: the caller was ended early (if `flags` allow that) and
 * has lost it. */
int lookup_run(struct coro *me, struct lookup *l, int flags, const char *why);

/* --- The buffer of calls like getpwnam_r(), into which libc's answer points */

struct lookup_room {
	char *buf;
	size_t len;
	void *memory; /* that buf lies in; heap */
};

/* libc aligns what it puts into the buffer by address: `like` says how the caller's lies.  False: no memory. */
bool lookup_room_make(struct lookup_room *r, const char *like, size_t len);
/* Twice as large, and empty. */
bool lookup_room_grow(struct lookup_room *r);

/* What pointed into the room points to the same place in `to`, a copy of it. */
char *lookup_moved(const struct lookup_room *r, char *to, void *p);
void lookup_move_list(const struct lookup_room *r, char *to, char ***list);

#endif
