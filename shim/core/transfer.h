/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads and writes by an offload worker in the place of a coroutine: what SYNCLESS_FILES=offload is.  Each is
 * one system call, whole, so the file's position, O_APPEND, short counts and errors are the kernel's own.
 */
#ifndef SYNCLESS_TRANSFER_H
#define SYNCLESS_TRANSFER_H

#include <sys/uio.h>
#include "coro.h"
#include "offload.h"
#include "settings.h"

struct transfer {
	bool writes;
	int fd;
	const struct iovec *iov;
	int n;
	off_t offset; /* -1: the file's own */
	int flags;    /* RWF_* */
	const char *why;
};

/* Is a call on fd to be made by a worker: a regular file's or a block device's? (Directories and /dev/null
 * answer at once, and the others have a way to wait.) */
bool transfer_is_slow(int fd);
static inline bool transfer_offloads(int fd)
{
	return UNLIKELY(settings.offload_files) && transfer_is_slow(fd);
}

/* The count or -errno; signals that it has raised are delivered.  `flags` as for errand_run(). */
long transfer_by_worker(struct coro *me, const struct transfer *t, enum offload_kind kind, int flags);

/* The same for a slow file: what is to be read, and is all in memory, needs no worker.  Not interruptible. */
long transfer_of_file(struct coro *me, const struct transfer *t);

#endif
