/* SPDX-License-Identifier: Apache-2.0
 *
 * The FILEs of stdio, below libc's calls (calls/streams.c) and beside them (calls/shell.c).
 */
#ifndef SYNCLESS_STREAMS_H
#define SYNCLESS_STREAMS_H

#include <stdio.h>
#include "coro.h"

/* False: stdio is libc's alone. */
static inline bool streams_are_ours(void)
{
	return UNLIKELY(atomic_load_explicit(&green_exist, memory_order_relaxed));
}

/* The first coroutine is about to be made: what a FILE reads and writes passes through us from here on.  0, also
 * if the tables are not what was expected; -ENOMEM: not now. */
int streams_bring_up(void);

/* libc's tables are not what was expected: nothing passes. */
extern bool streams_are_blocking;

/* Writes what the FILEs of the process hold, as fflush(NULL); false: not all could be written.  For
 * coroutines: parks. */
bool streams_flush_all(void);

/* Before libc does that itself, which blocks: the last of the process's exit handlers. */
FORKED void streams_flush_at_exit(void *);

/* Was f made by our popen()? */
bool streams_is_child(const FILE *f);

#endif
