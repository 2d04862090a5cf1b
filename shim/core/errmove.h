/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes a thread's queue of errors out of a libcrypto and puts it back, by its public calls alone (OpenSSL 3).
 * For those that keep it where borrowed.c cannot exchange it: newer ones have one table for all that is a
 * thread's.
 *
 * Marks (ERR_set_mark) do not survive.
 */
#ifndef SYNCLESS_ERRMOVE_H
#define SYNCLESS_ERRMOVE_H

#include "base.h"

struct errmove {
	unsigned long (*peek)(void);
	unsigned long (*get)(const char **file, int *line, const char **func, const char **data, int *flags);
	void (*begin)(void);
	void (*set_debug)(const char *file, int line, const char *func);
	void (*set)(int lib, int reason, const char *format, ...);
};

/* False: it has not got them all. */
bool errmove_bind(struct errmove *m, void *handle);

/* The calling thread's queue, which is then empty.  NULL: it was, or there is no memory and it stays. */
void *errmove_take(const struct errmove *m);
/* Behind what is in the calling thread's queue.  Frees it. */
void errmove_put(const struct errmove *m, void *queue);
void errmove_free(void *queue);

#endif
